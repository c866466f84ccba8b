import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, bot, ivan, refused, start, tg } from './simulator.stage.js';
import type { SimulatedGroup } from './simulated.group.js';

const olga = { id: 801, first_name: 'Olga' };
const igor = { id: 802, first_name: 'Igor' };

beforeEach(() => start());
afterEach(() => tg.stop());

const kinds = () =>
  bot.pendingUpdates.map((update) => {
    const { update_id: _id, ...content } = update;
    return Object.keys(content)[0];
  });

describe('a group', () => {
  let group: SimulatedGroup;
  beforeEach(() => {
    group = bot.group({ id: -55, type: 'group', title: 'Team' });
  });

  it('is closed to the bot until somebody takes it in', async () => {
    expect(await refused(api.sendMessage(-55, 'x'))).toBe('403 Forbidden: bot is not a member of the group chat');
    const update = group.sets('member', olga);
    expect(update?.my_chat_member).toMatchObject({
      from: { id: 801 },
      old_chat_member: { status: 'left' },
      new_chat_member: { status: 'member', user: { id: bot.id } },
    });
    expect(bot.pendingUpdates[1]?.message).toMatchObject({ new_chat_members: [{ id: bot.id }] });
    expect((await api.sendMessage(-55, 'Hello all')).chat).toMatchObject({ id: -55, type: 'group' });
    group.sets('kicked', olga);
    expect(await refused(api.sendMessage(-55, 'x'))).toBe('403 Forbidden: bot was kicked from the group chat');
    expect(group.says(olga, '/start')).toBeUndefined();
  });

  it('in privacy mode shows the bot only what is meant for it', async () => {
    group.sets('member', olga);
    const { message_id } = await api.sendMessage(-55, 'How can I help?');
    expect(group.says(olga, 'among ourselves')).toBeUndefined();
    expect(group.says(olga, '/help@other_bot')).toBeUndefined();
    expect(group.says(olga, '/help')?.message).toMatchObject({ chat: { id: -55 }, from: { id: 801 } });
    expect(group.says(olga, 'hey @Shop_Bot, help')?.message?.text).toContain('@Shop_Bot');
    expect(group.replies(igor, message_id, 'with this')?.message?.reply_to_message).toMatchObject({ message_id });
    group.sets('administrator', olga);
    expect(group.says(olga, 'everything')?.message?.text).toBe('everything');
    expect(group.saysAnonymously('as the group', 'Boss')?.message).toMatchObject({
      sender_chat: { id: -55 },
      author_signature: 'Boss',
    });
    expect(group.chat.messages.map(({ text }) => text)).toContain('among ourselves');
  });

  it('can be left open by privacy mode that is off', () => {
    const open = tg.addBot({ token: '2:open', readsAllGroupMessages: true });
    const room = open.group({ id: -56, type: 'group', title: 'Open' });
    room.sets('member', olga);
    expect(room.says(olga, 'hello')?.message?.text).toBe('hello');
    expect(open.user.can_read_all_group_messages).toBe(true);
  });

  it('becomes a supergroup, of which both chats and every call tell', async () => {
    group.sets('member', olga);
    const { message_id } = await api.sendMessage(-55, 'before');
    const supergroup = group.migrates(olga);
    const [away, here] = bot.pendingUpdates.slice(-2).map(({ message }) => message);
    expect(away).toMatchObject({ chat: { id: -55 }, migrate_to_chat_id: supergroup.id });
    expect(here).toMatchObject({ chat: { id: supergroup.id, type: 'supergroup' }, migrate_from_chat_id: -55 });
    expect(supergroup.id).toBeLessThan(-1_000_000_000_000);

    const called = api.sendMessage(-55, 'x');
    expect(await refused(called)).toBe('400 Bad Request: group chat was upgraded to a supergroup chat');
    await expect(called).rejects.toMatchObject({ parameters: { migrate_to_chat_id: supergroup.id } });
    expect(await refused(api.editMessageText(-55, message_id, 'y'))).toContain('group chat was upgraded');
    expect((await api.getChat(-55)).type).toBe('group');
    expect((await api.sendMessage(supergroup.id, 'after')).message_id).toBe(2);
  });

  it('lets the bot delete its own messages, and as an administrator those of others', async () => {
    let now = Date.now();
    await start({ now: () => now });
    group = bot.group({ id: -1001, type: 'supergroup', title: 'Team' });
    group.sets('member', olga);
    const own = await api.sendMessage(-1001, 'mine');
    const theirs = group.says(olga, '/theirs')!.message!.message_id;
    expect(await refused(api.deleteMessage(-1001, theirs))).toBe("400 Bad Request: message can't be deleted");
    now += 48 * 3_600_000;
    expect(await refused(api.deleteMessage(-1001, own.message_id))).toBe("400 Bad Request: message can't be deleted");
    group.sets('administrator', olga);
    expect(await api.deleteMessage(-1001, theirs)).toBe(true);
  });
});

describe('a forum', () => {
  it('has threads that can be closed and deleted', async () => {
    const forum = bot.group({ id: -1002, type: 'supergroup', title: 'Clients', is_forum: true });
    forum.sets('administrator', olga);
    const thread = forum.createsTopic(olga, 'Ivan');
    expect(bot.pendingUpdates.at(-1)?.message).toMatchObject({
      message_id: thread,
      message_thread_id: thread,
      forum_topic_created: { name: 'Ivan' },
    });
    expect(forum.saysInTopic(olga, thread, 'Good day')?.message).toMatchObject({
      message_thread_id: thread,
      is_topic_message: true,
    });
    const sent = await api.sendMessage(-1002, 'Hi', { message_thread_id: thread });
    expect(sent).toMatchObject({ message_thread_id: thread, is_topic_message: true });
    expect(tg.ledger()[0]).toMatchObject({ threadId: thread });
    expect(await refused(api.sendMessage(-1002, 'x', { message_thread_id: 99 }))).toBe(
      '400 Bad Request: message thread not found',
    );

    forum.sets('member', olga);
    forum.closesTopic(olga, thread);
    expect(await refused(api.sendMessage(-1002, 'x', { message_thread_id: thread }))).toBe(
      '400 Bad Request: TOPIC_CLOSED',
    );
    forum.deletesTopic(thread);
    expect(await refused(api.sendMessage(-1002, 'x', { message_thread_id: thread }))).toBe(
      '400 Bad Request: message thread not found',
    );
    expect(await api.sendChatAction(-1002, 'typing', { message_thread_id: thread })).toBe(true);
    expect(forum.chat.find(sent.message_id)).toBeUndefined();
  });
});

describe('a channel', () => {
  it('has posts, copied into a group where they are discussed', async () => {
    const channel = bot.group({ id: -1003, type: 'channel', title: 'News' });
    const discussion = bot.group({ id: -1004, type: 'supergroup', title: 'News chat' });
    channel.sets('administrator', olga);
    discussion.sets('administrator', olga);
    const { post, copy } = channel.posts('Sale!', discussion);
    expect(kinds().slice(-2)).toEqual(['channel_post', 'message']);
    expect(bot.pendingUpdates.at(-1)?.message).toMatchObject({
      message_id: copy,
      is_automatic_forward: true,
      sender_chat: { id: -1003 },
      forward_origin: { type: 'channel', message_id: post.message_id },
      text: 'Sale!',
    });
    expect(discussion.comments(igor, copy!, 'How much?')?.message).toMatchObject({
      message_thread_id: copy,
      reply_to_message: { message_id: copy },
    });
    const answer = await api.sendMessage(-1004, '10 euros', { message_thread_id: copy! });
    expect(answer).toMatchObject({ message_thread_id: copy });
    expect(answer).not.toHaveProperty('is_topic_message');
    expect((await api.sendMessage(-1003, 'News')).sender_chat).toMatchObject({ id: -1003 });
  });

  it('has direct messages, a topic for each person', async () => {
    const chat = { id: -1005, type: 'supergroup', title: 'News', is_direct_messages: true } as const;
    const direct = bot.group(chat);
    direct.sets('administrator', olga);
    expect(direct.writesToChannel(igor, 'Is it open?')?.message).toMatchObject({
      chat: { is_direct_messages: true },
      direct_messages_topic: { topic_id: 802, user: { id: 802 } },
    });
    const sent = await api.sendMessage(-1005, 'Yes', { direct_messages_topic_id: 802 });
    expect(sent.direct_messages_topic).toMatchObject({ topic_id: 802 });
    expect(await refused(api.sendMessage(-1005, 'Yes'))).toContain('400 Bad Request');
  });
});

describe('the pace of a group', () => {
  it('is 20 messages a minute, of which an album takes as many as it has', async () => {
    const now = Date.now();
    await start({ limits: true, now: () => now });
    bot.group({ id: -57, type: 'group', title: 'Busy' }).sets('member', olga);
    ivan.sends('hello');
    const known = ivan.sendsFile('photo').message.photo!.at(-1)!.file_id;
    const album = () =>
      api.sendMediaGroup(
        -57,
        Array.from({ length: 10 }, () => ({ type: 'photo', media: known })),
      );
    await album();
    await album();
    expect(await refused(api.sendMessage(-57, 'x'))).toBe('429 Too Many Requests: retry after 3');
  });
});
