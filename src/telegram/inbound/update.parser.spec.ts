import type { Update } from '@grammyjs/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUpdate } from './update.parser.js';

const parse = (update: Record<string, unknown>) => parseUpdate({ update_id: 7, ...update }, 3n, 'en');
const ivan = { id: 777, is_bot: false, first_name: 'Ivan', last_name: 'Petrov', username: 'ivan', language_code: 'ru' };
const privateChat = { id: 777, type: 'private', first_name: 'Ivan', last_name: 'Petrov', username: 'ivan' };
const message = (more: Record<string, unknown> = {}) => ({
  message_id: 11,
  date: 1_773_265_993,
  chat: privateChat,
  from: ivan,
  text: 'Hello',
  ...more,
});

describe('a message in a private chat', () => {
  it('has the frozen identifiers, the words and their time', () => {
    const parsed = parse({ message: message({ entities: [{ type: 'bold', offset: 0, length: 5 }] }) });
    expect(parsed).toMatchObject({
      botId: 3n,
      updateId: 7,
      telegramMessageId: 11n,
      sawChat: true,
      chat: {
        externalId: 'tg:777',
        externalUserId: 'tg:777',
        telegramChatId: 777n,
        type: 'private',
        title: 'Ivan Petrov',
        username: 'ivan',
        language: 'ru',
      },
      said: {
        kind: 'text',
        text: 'Hello',
        marks: [{ type: 'bold', offset: 0, length: 5 }],
        authorId: '777',
        authorName: 'Ivan Petrov',
        saidAt: new Date('2026-03-11T21:53:13Z'),
      },
    });
    expect(parsed.said!.ignored).toBeUndefined();
  });

  it('tells of a reaction as nobody’s words, and that the chat was seen; of no change only the latter', () => {
    const reaction = (old_reaction: object[], new_reaction: object[]) =>
      parse({
        message_reaction: { chat: privateChat, message_id: 5, user: ivan, date: 1, old_reaction, new_reaction },
      });
    const thumb = { type: 'emoji', emoji: '👍' };
    expect(reaction([], [thumb])).toMatchObject({
      chat: { externalId: 'tg:777' },
      replyTo: { telegramMessageId: 5n },
      sawChat: true,
      said: { text: 'Reaction: 👍', systemLine: true },
    });
    expect(reaction([thumb], []).said).toMatchObject({ text: 'Reaction removed: 👍', systemLine: true });
    expect(reaction([], [])).toMatchObject({ sawChat: true, said: { ignored: { code: 'no_change' } } });
  });

  it('says which message it answers, and the chosen part', () => {
    const original = { message_id: 5, date: 1, chat: privateChat, text: 'a long question' };
    const answer = parse({ message: message({ reply_to_message: original, quote: { text: 'long', position: 2 } }) });
    expect(answer.replyTo).toEqual({ telegramMessageId: 5n, quote: 'long' });
    expect(answer.said).toMatchObject({ text: 'Hello', quoted: { text: 'long', at: 1 } });
    const elsewhere = { ...original, chat: { id: 5, type: 'private' } };
    expect(parse({ message: message({ reply_to_message: elsewhere }) }).replyTo).toBeUndefined();
  });

  it.each([
    ['stop', true],
    [' STOP ', true],
    ['Стоп!', true],
    ['stop.', true],
    ['Стоп!!!', true],
    ['«Отписаться»', true],
    ['/stop', true],
    ['/stop@shop_bot', true],
    ['stop@shop_bot', false],
    ['stop?', false],
    ['stop sending me the wrong size', false],
    ['Стоп, а где мой заказ?', false],
    ['/stop now', false],
  ])('%j is the wish for no more advertising: %j', (text, wishes) => {
    expect(parse({ message: message({ text }) }).unsubscribes).toBe(wishes ? 'words' : undefined);
    expect(parse({ edited_message: message({ text, edit_date: 1 }) }).unsubscribes).toBeUndefined();
    expect(
      parse({ message: message({ text, chat: { id: -5, type: 'group', title: 'x' } }) }).unsubscribes,
    ).toBeUndefined();
  });

  it('of Telegram Business, a "stop" of the owner of the account is no wish of the client’s', () => {
    const stop = (from: object) => ({ business_message: message({ business_connection_id: 'b', from, text: 'stop' }) });
    expect(parse(stop(ivan)).unsubscribes).toBe('words');
    expect(parse(stop({ id: 5, is_bot: false, first_name: 'Olga' })).unsubscribes).toBeUndefined();
  });

  it.each<[object, string | undefined]>([
    [{ phone_number: '79001112233', user_id: 777 }, '+79001112233'],
    [{ phone_number: '+7 (900) 111-22-33', user_id: 777 }, '+79001112233'],
    [{ phone_number: '79001112233', user_id: 5 }, undefined],
    [{ phone_number: '79001112233' }, undefined],
    [{ phone_number: 'call me', user_id: 777 }, undefined],
  ])('the contact %j gives the client the number %j', (contact, phone) => {
    const shared = message({ text: undefined, contact: { first_name: 'Ivan', ...contact } });
    expect(parse({ message: shared }).chat!.phone).toBe(phone);
  });

  it('is not linked by a number that is none', () => {
    expect(parse({ message: message({ message_id: 0 }) }).telegramMessageId).toBeUndefined();
  });

  it.each([
    ['kicked', true],
    ['left', true],
    ['member', false],
  ])('a membership that becomes %s says whether the bot is blocked: %s', (status, blocked) => {
    const change = { chat: privateChat, from: ivan, date: 1, new_chat_member: { status } };
    expect(parse({ my_chat_member: change })).toMatchObject({
      blocked,
      sawChat: false,
      said: { systemLine: true, text: blocked ? '🚫 The client blocked the bot' : '✅ The client unblocked the bot' },
    });
  });
});

describe('a press of Start', () => {
  const starts = (update: Record<string, unknown>) => parse(update).starts === true;

  it('is told from other words, with a payload and without', () => {
    for (const text of ['/start', '/start from_site', '/start@shop_bot', '/start@shop_bot x y']) {
      expect(starts({ message: message({ text }) }), text).toBe(true);
    }
    for (const text of ['start', '/started', ' /start', 'please /start', '/startx', undefined]) {
      expect(starts({ message: message({ text }) }), text).toBe(false);
    }
  });

  const press = (text: string, more: Record<string, unknown> = {}, type = 'message') => {
    const { chat, said } = parse({ [type]: message({ text, ...more }) });
    const { kind, systemLine, canWait } = said!;
    return [said!.text, kind, systemLine && canWait ? 'waits' : 'at once', said!.source, chat!.source];
  };
  const club = { chat: { id: -5, type: 'supergroup', title: 'Club' } };

  it.each([
    ['/start spring_2026', '🔗 The client came by the link: spring_2026', 'spring_2026'],
    ['/start@shop_bot A-1', '🔗 The client came by the link: A-1', 'A-1'],
    ['/start 79001112233', '🔗 The client came by the link: 79001112233', '79001112233'],
  ])('%j is told at once, and its payload is where the client came from', (text, told, source) => {
    expect(press(text)).toEqual([told, 'start', 'at once', source, source]);
  });

  it('by a code of the tracker says nothing of where the client came from', () => {
    const code = 'btrx0a1b2c3d4e';
    const told = `🔗 The client came by the link: ${code}`;
    expect(press(`/start ${code}`)).toEqual([told, 'start', 'at once', code, undefined]);
    for (const other of ['BTRX0a1b2c3d4e', 'btrx0a1b2c3d4', 'btrx0a1b2c3d4ef', 'btrx0a1b2c3d_e']) {
      expect(press(`/start ${other}`).slice(3)).toEqual([other, other]);
    }
  });

  it('without a link is nobody’s words, and can wait', () => {
    const waiting = ['▶️ The client pressed Start', 'start', 'waits', undefined, undefined];
    expect(press('/start')).toEqual(waiting);
    expect(press('/start@shop_bot ')).toEqual(waiting);
    expect(press('/start bizChat777')).toEqual([
      '💼 The owner of the Telegram Business account opened the bot from the chat with a client: 777',
      'service',
      'waits',
      undefined,
      undefined,
    ]);
  });

  it('is told in the language of the portal', () => {
    const inRussian = (text: string, more: Record<string, unknown> = {}) =>
      parseUpdate({ update_id: 7, message: message({ text, ...more }) } as unknown as Update, 3n, 'ru').said!.text;
    expect([inRussian('/start'), inRussian('/start ads_may'), inRussian('/start@shop_bot promo', club)]).toEqual([
      '▶️ Клиент нажал «Старт»',
      '🔗 Клиент пришёл по ссылке: ads_may',
      '🔗 Бот добавлен по ссылке: promo (Ivan Petrov)',
    ]);
  });

  it('in a group says who pressed it', () => {
    expect(press('/start@shop_bot', club)).toEqual([
      '▶️ The bot was started (Ivan Petrov)',
      'start',
      'waits',
      undefined,
      undefined,
    ]);
    const told = '🔗 The bot was added by the link: promo (Ivan Petrov)';
    expect(press('/start@shop_bot promo', club)).toEqual([told, 'start', 'at once', 'promo', 'promo']);
  });

  it.each<[string, Record<string, unknown>, string?]>([
    ['/start two words', {}],
    ['/start\nplease', {}],
    [`/start ${'x'.repeat(65)}`, {}],
    ['/restart x', {}],
    ['/start typed', { edit_date: 1_773_266_000 }, 'edited_message'],
    ['/start x', { business_connection_id: 'b1' }, 'business_message'],
  ])('is not what stands in %j with %j', (text, more, type) => {
    expect(press(text, more, type)).toEqual([text, 'text', 'at once', undefined, undefined]);
  });

  it('is not what somebody forwards', () => {
    const origin = { type: 'hidden_user', sender_user_name: 'Anna', date: 1 };
    expect(press('/start ads', { forward_origin: origin })).toEqual([
      expect.stringContaining('\n/start ads'),
      'text',
      'at once',
      undefined,
      undefined,
    ]);
  });

  it('counts once, and in the client’s own chat with the bot alone', () => {
    const text = '/start';
    expect(starts({ edited_message: message({ text, edit_date: 1_773_265_999 }) })).toBe(false);
    expect(starts({ business_message: message({ text, business_connection_id: 'b1' }) })).toBe(false);
    for (const type of ['group', 'supergroup', 'channel']) {
      expect(starts({ message: message({ text, chat: { id: -5, type, title: 'Club' } }) }), type).toBe(false);
    }
  });
});

describe('an edited message', () => {
  const edited = (more: Record<string, unknown>, type = 'edited_message') =>
    parse({ [type]: message({ edit_date: 1_773_266_000, ...more }) });

  it('is the message as it is now, at the time of the edit', () => {
    expect(edited({ text: 'Hello again' })).toMatchObject({
      edits: true,
      telegramMessageId: 11n,
      sawChat: false,
      said: { text: 'Hello again', saidAt: new Date('2026-03-11T21:53:20Z') },
    });
  });

  const photo = [{ file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }];
  const link = { type: 'url', offset: 0, length: 5 };
  it.each<[string, Record<string, unknown>, Record<string, unknown>]>([
    ['buttons', {}, { reply_markup: { inline_keyboard: [] } }],
    ['a link preview', {}, { link_preview_options: { is_disabled: true } }],
    ['a link that was found', {}, { entities: [link] }],
    ['new references to the file', { text: undefined, photo }, { photo: [{ ...photo[0], file_id: 'g' }] }],
    ['protection', { text: undefined, photo, caption: 'c' }, { has_protected_content: true }],
    ['views', {}, { sender_boost_count: 3, effect_id: '5' }],
  ])('compares equal when only what nobody sees was changed: %s', (_, content, change) => {
    const visible = ({ said }: ReturnType<typeof parse>) => ({
      text: said!.text,
      marks: said!.marks,
      files: said!.attachments!.map(({ telegramUniqueId }) => telegramUniqueId),
    });
    expect(visible(edited({ ...content, ...change }))).toEqual(visible(parse({ message: message(content) })));
  });

  it('of an album says nothing where the part has no caption, in a group too', () => {
    const group = { id: -5, type: 'group', title: 'Buyers' };
    const part = edited({ text: undefined, photo, media_group_id: '1', chat: group });
    expect(part).toMatchObject({ edits: true, albumId: '1', said: { text: '' } });
  });

  it('that moves a live location is kept, and its end is told once', () => {
    const location = { latitude: 55.75, longitude: 37.61 };
    const moved = edited({ text: undefined, location: { ...location, live_period: 900 } });
    expect(moved.said!.ignored).toMatchObject({ code: 'live_location_move' });
    expect(moved.edits ?? moved.telegramMessageId).toBeUndefined();
    const ended = edited({ text: undefined, location });
    expect(ended).toMatchObject({ replyTo: { telegramMessageId: 11n }, said: { systemLine: true } });
    expect(ended.said!.text).toBe('📍 The live location has ended\nhttps://maps.google.com/?q=55.75,37.61');
    expect(ended.edits ?? ended.telegramMessageId).toBeUndefined();
  });

  it('of the owner of a Business account stays nobody’s words', () => {
    const owner = { business_connection_id: 'x', from: { id: 1, first_name: 'Olga' }, text: 'fixed' };
    expect(edited(owner, 'edited_business_message')).toMatchObject({
      edits: true,
      said: { systemLine: true, text: 'Olga (Telegram): fixed' },
    });
  });
});

describe('a message elsewhere', () => {
  const group = { id: -100500, type: 'supergroup', title: 'Buyers' };

  it('in a group: the group is the client, the sender’s name stands before the words', () => {
    const { chat, said } = parse({ message: message({ chat: group }) });
    expect(chat).toMatchObject({ externalId: 'tg:-100500', externalUserId: 'tg:-100500', title: 'Buyers' });
    expect(chat!.language).toBeUndefined();
    expect(said!.text).toBe('Ivan Petrov:\nHello');
  });

  it('in a topic: a dialog of its own, but not for a reply in an ordinary group', () => {
    const topic = parse({ message: message({ chat: group, is_topic_message: true, message_thread_id: 9 }) });
    expect(topic.chat).toMatchObject({ externalId: 'tg:-100500:9', externalUserId: 'tg:-100500', threadId: 9n });
    expect(parse({ message: message({ chat: group, message_thread_id: 9 }) }).chat!.externalId).toBe('tg:-100500');
  });

  it('in a Business chat: the connection is part of the dialog, the owner’s own words are not the client’s', () => {
    const client = parse({ business_message: message({ business_connection_id: 'a:b|c' }) });
    expect(client.chat).toMatchObject({ externalId: 'tg:777:ba_b_c', businessConnection: 'a:b|c' });
    expect(client.said!.ignored).toBeUndefined();
    const owner = {
      business_connection_id: 'x',
      from: { id: 1, first_name: 'Olga', last_name: 'K', language_code: 'fr' },
    };
    const mirrored = parse({ business_message: message(owner) });
    expect(mirrored).toMatchObject({
      sawChat: false,
      chat: { firstName: 'Ivan', lastName: 'Petrov', language: undefined },
      said: { systemLine: true, text: 'Olga K (Telegram): Hello', authorId: '1' },
    });
    expect(parse({ business_message: message({ ...owner, is_from_offline: true }) }).said!.systemLine).toBe(true);
    const echo = parse({ business_message: message({ ...owner, sender_business_bot: { id: 9, is_bot: true } }) });
    expect(echo.said!.ignored).toMatchObject({ code: 'own_echo' });
    expect(echo.telegramMessageId).toBeUndefined();
  });

  it('a Business connection is learned, with the rights of old and new servers', () => {
    const connection = { id: 'abc', user: { id: 1, first_name: 'Olga' }, user_chat_id: 1, date: 1, is_enabled: true };
    const learned = (more: object) => parse({ business_connection: { ...connection, ...more } }).connection;
    expect(learned({ rights: { can_reply: true } })).toEqual({ id: 'abc', ownerId: 1n, enabled: true, canReply: true });
    expect(learned({ rights: {} })).toMatchObject({ canReply: false });
    expect(learned({ can_reply: true })).toMatchObject({ canReply: true });
    expect(learned({ is_enabled: false })).toMatchObject({ enabled: false });
    expect(learned({ user: {} })).toBeUndefined();
  });

  it('messages that were taken back are named', () => {
    const deletion = { business_connection_id: 'x', chat: privateChat, message_ids: [4, 5, 'six'] };
    const parsed = parse({ deleted_business_messages: deletion });
    expect(parsed).toMatchObject({ deletes: [4n, 5n], chat: { externalId: 'tg:777:bx' }, sawChat: false });
    expect(parsed.said!.ignored).toMatchObject({ code: 'deletion' });
  });

  it('in the direct messages of a channel: the client is who opened the topic, the channel is its owner', () => {
    const chat = { id: -100_700, type: 'supergroup', title: 'News', is_direct_messages: true };
    const topic = { chat, direct_messages_topic: { topic_id: 777, user: ivan } };
    const client = parse({ message: message(topic) });
    expect(client.chat).toMatchObject({
      externalId: 'tg:-100700:777',
      externalUserId: 'tg:777',
      threadId: 777n,
      type: 'direct_messages',
      title: 'Ivan Petrov',
      language: 'ru',
    });
    expect(client.said!.text).toBe('Hello');
    const channel = { id: -100_7, type: 'channel', title: 'News' };
    const owner = parse({ message: message({ ...topic, from: { id: 136_817_688 }, sender_chat: channel }) });
    expect(owner).toMatchObject({ sawChat: false, said: { systemLine: true, text: 'News (Telegram): Hello' } });
  });

  it('a channel’s post in its discussion group is said by the channel', () => {
    const channel = { id: -100_7, type: 'channel', title: 'News' };
    const post = {
      chat: group,
      from: { id: 777_000, first_name: 'Telegram' },
      sender_chat: channel,
      is_automatic_forward: true,
      forward_origin: { type: 'channel', chat: channel, message_id: 3, date: 1 },
    };
    expect(parse({ message: message(post) })).toMatchObject({
      chat: { externalId: 'tg:-100500' },
      said: { text: 'News:\nHello', authorName: 'News' },
    });
  });

  it('a reaction in a forum has no topic to stand in, a post in a channel nobody to answer', () => {
    const reaction = { chat: { ...group, is_forum: true }, message_id: 5, user: ivan, date: 1 };
    expect(parse({ message_reaction: { ...reaction, new_reaction: [{ type: 'emoji', emoji: '👍' }] } })).toMatchObject({
      chat: null,
      said: { ignored: { code: 'no_dialog' } },
    });
    const channel = { id: -100_7, type: 'channel', title: 'News' };
    expect(parse({ channel_post: message({ chat: channel }) })).toMatchObject({
      chat: null,
      said: { text: 'Hello', ignored: { code: 'not_a_message' } },
    });
  });

  it('a button pressed in a group names who pressed', () => {
    const query = { id: '1', from: ivan, data: 'yes', message: { message_id: 3, date: 0, chat: group } };
    expect(parse({ callback_query: query })).toMatchObject({
      chat: { externalId: 'tg:-100500' },
      sawChat: true,
      said: { kind: 'callback', text: 'Ivan Petrov:\n🔘 Pressed button: yes' },
    });
  });

  it('people who come and go are lines of the system, bots are not told of', () => {
    const joined = parse({ message: message({ chat: group, text: undefined, new_chat_members: [ivan] }) });
    expect(joined).toMatchObject({ sawChat: false, said: { systemLine: true, text: '➕ Joined: Ivan Petrov' } });
    const bot = parse({
      message: message({ chat: group, text: undefined, new_chat_members: [{ id: 1, is_bot: true }] }),
    });
    expect(bot.said!.ignored).toMatchObject({ code: 'service_message' });
    const timer = { message_auto_delete_time: 60 };
    const quiet = parse({ message: message({ text: undefined, message_auto_delete_timer_changed: timer }) });
    expect(quiet.said!.ignored).toMatchObject({ code: 'service_message' });
  });

  it('the bot comes and goes', () => {
    const change = (was: string, is: string) =>
      parse({
        my_chat_member: {
          chat: group,
          from: ivan,
          date: 1,
          old_chat_member: { status: was },
          new_chat_member: { status: is },
        },
      });
    expect(change('left', 'member')).toMatchObject({
      blocked: false,
      said: { systemLine: true, text: '➕ The bot was added to the chat' },
    });
    expect(change('administrator', 'left')).toMatchObject({ blocked: true, said: { systemLine: true } });
    expect(change('member', 'administrator')).toMatchObject({
      blocked: false,
      said: { ignored: { code: 'no_change' } },
    });
  });
});

describe('anything else', () => {
  it('is kept with its name', () => {
    expect(parse({ poll: { id: '1' } })).toMatchObject({
      chat: null,
      said: { kind: 'poll', ignored: { code: 'not_a_message' } },
    });
    expect(parse({})).toMatchObject({ chat: null, said: { kind: 'empty' } });
  });

  it('never throws, whatever stands in it', () => {
    const field = fc.constantFrom('message', 'edited_message', 'business_message', 'callback_query', 'my_chat_member');
    fc.assert(
      fc.property(field, fc.jsonValue(), fc.jsonValue(), (name, value, inner) => {
        expect(parse({ [name]: value }).updateId).toBe(7);
        expect(parse({ [name]: { chat: inner, from: inner, message: inner } }).updateId).toBe(7);
        expect(parse({ [name]: { chat: privateChat, from: inner, date: inner, text: inner } }).updateId).toBe(7);
      }),
      { numRuns: 300 },
    );
  });
});
