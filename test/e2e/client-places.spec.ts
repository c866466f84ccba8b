import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { noteOf } from '../support/conversation.js';
import type { Dialog } from '../support/bitrix24-simulator/dialog.js';
import { seenByOperator } from '../support/bitrix24-simulator/operator-view.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import type { BusinessAccount } from '../support/telegram-simulator/business.account.js';

const OLGA = { id: 801, first_name: 'Olga' };
const PETR = { id: 802, first_name: 'Petr', last_name: 'Orlov' };

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});

afterAll(async () => bridge?.stop());

const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });

/** The message with these words, once the dialog has it, whoever wrote it. */
const reads = (dialog: Dialog, words: string): Promise<LineMessage> =>
  dialog.waitFor((message) => noteOf(message) === words && !message.deleted, 15_000);

const inOrder = (dialog: Dialog) => dialog.messages.map((message) => `${message.author}: ${noteOf(message)}`);

const idOf = (update: object | undefined) =>
  (update as { message?: { message_id: number }; business_message?: { message_id: number } }).message?.message_id ??
  (update as { business_message: { message_id: number } }).business_message.message_id;

describe('a group', () => {
  it('is one client, in whose dialog everybody has a name', async () => {
    const group = bridge.bot.group({ id: -5_001, type: 'group', title: 'Buyers' });
    group.sets('administrator', OLGA);
    group.says(OLGA, 'Hello');
    group.says(PETR, 'Me too');
    group.saysAnonymously('Soon', 'Boss');
    const dialog = bridge.portal.dialog('tg:-5001');
    await reads(dialog, '[b]Buyers:[/b]\nSoon');
    // What can wait opens no dialog: it comes behind the first words.
    await reads(dialog, '➕ The bot was added to the chat');
    expect(inOrder(dialog)[0]).toBe('client: [b]Olga:[/b]\nHello');
    expect(inOrder(dialog).filter((line) => line.startsWith('client'))).toEqual([
      'client: [b]Olga:[/b]\nHello',
      'client: [b]Petr Orlov:[/b]\nMe too',
      'client: [b]Buyers:[/b]\nSoon',
    ]);
    const person = [...bridge.portal.lines.clients.values()].find(({ id }) => id === dialog.chat!.clientId)!;
    expect(person).toMatchObject({ name: 'Buyers', xmlId: expect.stringContaining('tg:-5001') });
    operator().sends('tg:-5001', 'Hello everybody');
    const [answer] = await group.chat.receives(1, 10_000);
    expect(answer!.text).toBe('Hello everybody');
  });

  it('tells who joined and left, its new name, what was pinned, and that the bot is out', async () => {
    const group = bridge.bot.group({ id: -5_002, type: 'group', title: 'Before' });
    group.sets('administrator', OLGA);
    const said = group.says(OLGA, 'The rules');
    const service = { new_chat_members: [{ ...PETR, is_bot: false }] };
    group.says(OLGA, service);
    group.says(PETR, { left_chat_member: { ...PETR, is_bot: false } });
    group.says(OLGA, { new_chat_title: 'After' });
    group.says(OLGA, { pinned_message: group.chat.find(idOf(said))! });
    group.sets('left', OLGA);
    const dialog = bridge.portal.dialog('tg:-5002');
    await reads(dialog, '➖ The bot was removed from the chat');
    expect(inOrder(dialog)).toEqual([
      'client: [b]Olga:[/b]\nThe rules',
      'system: ➕ The bot was added to the chat',
      'system: ➕ Joined: Petr Orlov',
      'system: ➖ Left: Petr Orlov',
      'system: ✏️ New chat title: After',
      'system: 📌 Pinned\n>>The rules',
      'system: ➖ The bot was removed from the chat',
    ]);
  });

  it('keeps its dialog when it becomes a supergroup, and what is said there is told from what was said here', async () => {
    const group = bridge.bot.group({ id: -5_003, type: 'group', title: 'Growing' });
    group.sets('administrator', OLGA);
    group.says(OLGA, 'small');
    const dialog = bridge.portal.dialog('tg:-5003');
    await reads(dialog, '[b]Olga:[/b]\nsmall');
    const successor = group.migrates(OLGA);
    const large = successor.says(OLGA, 'large');
    await reads(dialog, '[b]Olga:[/b]\nlarge');
    successor.edits(idOf(large), 'huge');
    await reads(dialog, '[b]Olga:[/b]\nhuge');
    expect(dialog.clientMessages.map(({ text }) => text)).toEqual(['[b]Olga:[/b]\nsmall', '[b]Olga:[/b]\nhuge']);
    operator().sends('tg:-5003', 'congratulations');
    await successor.chat.receives(1, 10_000);
    expect(bridge.portal.dialog(`tg:${successor.id}`).chat).toBeUndefined();
  });
});

describe('a forum', () => {
  it('has a dialog for each topic, of one and the same client', async () => {
    const forum = bridge.bot.group({ id: -1_001_000_005_001, type: 'supergroup', title: 'Help', is_forum: true });
    forum.sets('administrator', OLGA);
    const [orders, returns] = [forum.createsTopic(OLGA, 'Orders'), forum.createsTopic(OLGA, 'Returns')];
    forum.saysInTopic(OLGA, orders, 'Where is it?');
    forum.saysInTopic(PETR, returns, 'Too small');
    const dialogs = [orders, returns].map((topic) => bridge.portal.dialog(`tg:${forum.id}:${topic}`));
    await reads(dialogs[0]!, '[b]Olga:[/b]\nWhere is it?');
    await reads(dialogs[1]!, '[b]Petr Orlov:[/b]\nToo small');
    expect(new Set(dialogs.map(({ chat }) => chat!.clientId)).size).toBe(1);
    operator().sends(`tg:${forum.id}:${returns}`, 'Send it back');
    const [answer] = await forum.chat.receives(1, 10_000);
    expect(answer).toMatchObject({ text: 'Send it back', message_thread_id: returns });
  });
});

describe('a channel', () => {
  it('brings the comments of its discussion group, and answers with a reply', async () => {
    const channel = bridge.bot.group({ id: -1_001_000_005_002, type: 'channel', title: 'News' });
    const discussion = bridge.bot.group({ id: -1_001_000_005_003, type: 'supergroup', title: 'News chat' });
    discussion.sets('administrator', OLGA);
    const { copy } = channel.posts('New boots', discussion);
    discussion.comments(PETR, copy!, 'How much?');
    const dialog = bridge.portal.dialog(`tg:${discussion.id}`);
    const comment = await dialog.waitFor(({ text }) => text.includes('How much?'), 15_000);
    const { text, quotes } = seenByOperator(comment.text);
    expect(quotes).toEqual([
      { name: 'News', time: expect.any(String), text: expect.stringMatching(/^New boots\nhttps:\/\/t\.me\/c\//) },
    ]);
    expect(text).toContain('\nPetr Orlov:\nHow much?');
    operator().quotes(comment, 'Ten');
    await discussion.chat.receives(1, 10_000);
    const sent = bridge.telegram.ledger().findLast(({ chatId }) => chatId === discussion.id)!;
    expect(sent).toMatchObject({ text: 'Ten' });
    expect(discussion.chat.find(sent.replyTo!)?.text).toBe('How much?');
  });

  it('has a dialog for everybody who writes to it, with what its administrators answer', async () => {
    const direct = bridge.bot.group({
      id: -1_001_000_005_004,
      type: 'supergroup',
      title: 'News',
      is_direct_messages: true,
    });
    direct.sets('administrator', OLGA);
    direct.writesToChannel(PETR, 'Hello, channel');
    const dialog = bridge.portal.dialog(`tg:${direct.id}:${PETR.id}`);
    await reads(dialog, 'Hello, channel');
    const person = [...bridge.portal.lines.clients.values()].find(({ id }) => id === dialog.chat!.clientId)!;
    expect(person.xmlId).toContain(`tg:${PETR.id}`);
    operator().sends(`tg:${direct.id}:${PETR.id}`, 'Hello, Petr');
    const [answer] = await direct.chat.receives(1, 10_000);
    expect(answer).toMatchObject({ text: 'Hello, Petr', direct_messages_topic: { topic_id: PETR.id } });
  });
});

describe('a Business account', () => {
  const IVAN = { id: 4_203, first_name: 'Ivan' };
  let account: BusinessAccount;
  let dialog: Dialog;

  beforeAll(async () => {
    account = bridge.bot.connectBusiness({ id: 9_201, first_name: 'Owner' });
    account.clientSends(IVAN, 'Are you open?');
    const [{ externalChatId }] = (await eventually(
      () => bridge.messages('&q=open'),
      (items) => items.some((item) => String(item['externalChatId']).startsWith('tg:4203:b')),
    )) as [{ externalChatId: string }];
    dialog = bridge.portal.dialog(externalChatId);
    await reads(dialog, 'Are you open?');
  });

  it('shows what its owner answers on the phone as a line of the system', async () => {
    const said = account.ownerSends(IVAN, 'Until eight');
    const line = await reads(dialog, 'Owner (Telegram): Until eight');
    expect([line.author, line.authorId]).toEqual(['system', 0]);
    account.edits(IVAN.id, idOf(said), 'Until nine');
    await reads(dialog, 'Owner (Telegram): Until nine');
    account.deletes(IVAN.id, idOf(said));
    await eventually(
      () => line.deleted,
      (deleted) => deleted,
    );
  });

  it('answers in the name of the owner, and does not hear itself', async () => {
    const answer = operator().sends(dialog.name, 'Come in');
    const [received] = await account.chat(IVAN.id).receives(1, 10_000);
    expect(received).toMatchObject({ text: 'Come in', from: { id: 9_201 } });
    await dialog.delivered(answer, 10_000);
    account.clientSends(IVAN, 'On my way');
    await reads(dialog, 'On my way');
    expect(dialog.messages.filter(({ text }) => text.includes('Come in'))).toHaveLength(1);
  });

  it('shows what the client changes and takes back', async () => {
    const said = account.clientSends(IVAN, 'I am a fiend');
    await reads(dialog, 'I am a fiend');
    account.edits(IVAN.id, idOf(said), 'I am a friend');
    const line = await reads(dialog, 'I am a friend');
    account.deletes(IVAN.id, idOf(said));
    await eventually(
      () => line.deleted,
      (deleted) => deleted,
    );
    const item = (await bridge.messages('&q=friend')).find(({ text }) => text === 'I am a friend')!;
    const { json } = await bridge.program.admin('GET', `/messages/${String(item['id'])}`);
    expect(json.deletedAt).not.toBeNull();
  });

  it('takes back what the operator deletes, and changes what he edits', async () => {
    const answer = operator().sends(dialog.name, 'Ten euros');
    await dialog.delivered(answer, 10_000);
    const inChat = () => account.chat(IVAN.id).inbox.map(({ text }) => text);
    operator().edits(answer, 'Twelve euros');
    await eventually(inChat, (texts) => texts.includes('Twelve euros'));
    operator().deletes(answer);
    await eventually(inChat, (texts) => !texts.includes('Twelve euros'));
  });

  it('that is connected anew keeps its dialogs', async () => {
    account.disconnects();
    operator().sends(dialog.name, 'Still there?');
    await dialog.waitFor(({ text }) => text.includes('no longer connected'), 15_000);
    const again = bridge.bot.connectBusiness({ id: 9_201, first_name: 'Owner' });
    again.clientSends(IVAN, 'Here again');
    await reads(dialog, 'Here again');
  });
});

it('left nothing twice', () => {
  const { dialogs } = bridge.portal.ledger();
  expect(dialogs.filter(({ duplicates }) => duplicates.length > 0)).toEqual([]);
});
