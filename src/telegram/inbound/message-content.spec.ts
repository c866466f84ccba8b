import type { Message } from '@grammyjs/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { runs } from '../../../test/support/random-runs.js';
import { isBlank } from '../../relay/rich-text.js';
import type { MessageKind } from './message-body.js';
import { describeMessage, describeUpdate } from './message-content.js';
import { MESSAGE_LABELS } from './labels-by-language.js';

const from = { id: 7, is_bot: false, first_name: 'Ivan', last_name: 'Petrov' };
const base = { message_id: 1, date: 1_773_265_993, from, chat: { id: 7, type: 'private', first_name: 'Ivan' } };
const read = (content: object, lang: 'ru' | 'en' = 'en') => describeMessage({ ...base, ...content } as Message, lang);
const photo = [{ file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }];
const place = { latitude: 55.75, longitude: 37.61 };
const map = 'https://maps.google.com/?q=55.75,37.61';
const file = { file_id: 'f', file_unique_id: 'u' };

describe('describeMessage', () => {
  it.each<[MessageKind, object, string]>([
    ['text', { text: ' hello ' }, 'hello'],
    ['photo', { photo, caption: 'look' }, '📷 Photo\nlook'],
    ['live_photo', { photo, live_photo: file }, '📷 Live photo'],
    ['video', { video: { ...file, duration: 3_725 } }, '🎬 Video (1:02:05)'],
    ['animation', { animation: { ...file, duration: 5 }, document: file }, '🎞 Animation (0:05)'],
    ['voice', { voice: { ...file, duration: 65 } }, '🎤 Voice message, 1:05'],
    ['video_note', { video_note: { ...file, duration: 9 } }, '📹 Video message, 0:09'],
    ['audio', { audio: { ...file, duration: 60, performer: 'A', title: 'B' } }, '🎵 Audio: A – B (1:00)'],
    ['audio', { audio: { ...file, duration: 60, file_name: 'a.mp3' } }, '🎵 Audio: a.mp3 (1:00)'],
    ['document', { document: { ...file, file_name: 'a.pdf', file_size: 182_044 } }, '📎 File: a.pdf (178 KB)'],
    ['document', { document: file }, '📎 File'],
    ['sticker', { sticker: { ...file, emoji: '😀' } }, '😀 Sticker'],
    ['location', { location: place }, `📍 Location\n${map}`],
    ['live_location', { location: { ...place, live_period: 60 } }, `📍 Live location\n${map}`],
    [
      'venue',
      { venue: { location: place, title: 'Cafe', address: 'Street 1' }, location: place },
      `📍 Place: Cafe\nStreet 1\n${map}`,
    ],
    [
      'contact',
      { contact: { phone_number: '79001112233', first_name: 'A', last_name: 'B' } },
      '👤 Contact: A B\n+79001112233',
    ],
    [
      'poll',
      { poll: { question: 'Q?', options: [{ text: 'a' }, { text: 'b' }], type: 'regular' } },
      '📊 Poll: Q?\n1. a\n2. b',
    ],
    ['dice', { dice: { emoji: '🎯', value: 5 } }, '🎯 5'],
    ['game', { game: { title: 'Chess' } }, '🎮 Game: Chess'],
    ['story', { story: { id: 1, chat: { id: 2, title: 'News' } } }, '📖 Story: News'],
    [
      'checklist',
      {
        checklist: {
          title: 'L',
          tasks: [
            { id: 1, text: 'a', completion_date: 1 },
            { id: 2, text: 'b' },
          ],
        },
      },
      '📋 Checklist: L\n☑ a\n☐ b',
    ],
    [
      'invoice',
      { invoice: { title: 'T', description: 'D', currency: 'USD', total_amount: 1_299 } },
      '🧾 Invoice: T (12.99 USD)\nD',
    ],
    ['payment', { successful_payment: { currency: 'JPY', total_amount: 500 } }, '💳 Payment received: 500 JPY'],
    ['payment', { refunded_payment: { currency: 'XTR', total_amount: 5 } }, '💳 Payment refunded: 5 ⭐'],
    [
      'gift',
      { gift: { gift: { star_count: 15, sticker: { emoji: '🧸' } }, text: 'for you' } },
      '🎁 Gift 🧸 (15 ⭐)\nfor you',
    ],
    ['gift', { unique_gift: { gift: { base_name: 'Cap', number: 7 } } }, '🎁 Gift: Cap #7'],
    ['giveaway', { giveaway: { winner_count: 3, prize_description: 'Car' } }, '🎁 Giveaway (winners: 3)\nCar'],
    ['paid_media', { paid_media: { star_count: 10, paid_media: [{}, {}] } }, '⭐ Paid media (×2, 10 ⭐)'],
    ['shared', { users_shared: { users: [{ user_id: 1, first_name: 'A' }, { user_id: 2 }] } }, '👤 Shared users: A, 2'],
    ['shared', { chat_shared: { chat_id: -5, title: 'Team' } }, '👥 Shared chat: Team'],
    [
      'web_app_data',
      { web_app_data: { button_text: 'Order', data: '{"a":1}' } },
      '🌐 Data from the web app: Order\n{"a":1}',
    ],
    ['service', { new_chat_members: [{ first_name: 'A' }, { username: 'b' }] }, '➕ Joined: A, @b'],
    ['service', { left_chat_member: { first_name: 'A' } }, '➖ Left: A'],
    ['service', { new_chat_title: 'New' }, '✏️ New chat title: New'],
    ['service', { pinned_message: { ...base, text: 'rules' } }, '📌 Pinned\nrules'],
    ['service', { pinned_message: { chat: base.chat, message_id: 1, date: 0 } }, '📌 Pinned'],
    ['service', { group_chat_created: true }, 'ℹ️ The group was created'],
    ['service', { migrate_to_chat_id: -1_001 }, 'ℹ️ The group became a supergroup: -1001'],
    ['service', { forum_topic_created: { name: 'x' } }, 'ℹ️ The topic was created'],
    ['unsupported', { hologram: { a: 1 } }, '❔ Unsupported message type: hologram'],
    ['unsupported', {}, '❔ Message without content'],
  ])('%s %j', (kind, content, text) => {
    const described = read(content);
    expect(described.kind).toBe(kind);
    expect(described.rich.text).toBe(text);
  });

  it('speaks Russian', () => {
    expect(read({ document: { ...file, file_name: 'a.pdf', file_size: 2_621_440 } }, 'ru').rich.text).toBe(
      '📎 Файл: a.pdf (2.5 МБ)',
    );
    expect(read({ hologram: 1 }, 'ru').rich.text).toBe('❔ Неподдерживаемый тип сообщения: hologram');
  });

  it('has the same labels in both languages', () => {
    expect(Object.keys(MESSAGE_LABELS.ru)).toEqual(Object.keys(MESSAGE_LABELS.en));
    expect(Object.keys(MESSAGE_LABELS.ru.service)).toEqual(Object.keys(MESSAGE_LABELS.en.service));
  });

  it('keeps the formatting of text and caption', () => {
    expect(read({ text: ' hi you', entities: [{ type: 'bold', offset: 1, length: 2 }] }).rich).toEqual({
      text: 'hi you',
      marks: [{ type: 'bold', offset: 0, length: 2 }],
    });
    const { rich, words } = read({ photo, caption: 'hi', caption_entities: [{ type: 'bold', offset: 0, length: 2 }] });
    expect(rich).toEqual({ text: '📷 Photo\nhi', marks: [{ type: 'bold', offset: 9, length: 2 }] });
    expect(words).toEqual({ text: 'hi', marks: [{ type: 'bold', offset: 0, length: 2 }] });
  });

  it.each([
    [{ type: 'user', sender_user: { first_name: 'A', last_name: 'B' } }, '↪ Forwarded from A B\nhi'],
    [{ type: 'hidden_user', sender_user_name: 'Someone' }, '↪ Forwarded from Someone\nhi'],
    [{ type: 'channel', chat: { title: 'News' }, author_signature: 'Ed' }, '↪ Forwarded from News (Ed)\nhi'],
    [{ type: 'chat', sender_chat: { title: 'Team' } }, '↪ Forwarded from Team\nhi'],
    [{ type: 'telepathy' }, '↪ Forwarded from unknown sender\nhi'],
  ])('forwarded: %j', (origin, text) => {
    expect(read({ text: 'hi', forward_origin: origin }).rich.text).toBe(text);
  });

  const news = { id: -1_001_331_354_980, type: 'channel', title: 'News [RU]' };
  const shop = { ...news, username: 'shop_news' };
  const linkOf = (content: object) => read(content).rich.marks.map(({ url, offset, length }) => [url, offset, length]);

  it.each<[string, object, unknown[]]>([
    ['a post', { type: 'channel', chat: shop, message_id: 7 }, ['https://t.me/shop_news/7', 17, 9]],
    ['a post in private', { type: 'channel', chat: news, message_id: 7 }, ['https://t.me/c/1331354980/7', 17, 9]],
  ])('forwarded: %s has its link', (_, origin, link) => {
    expect(linkOf({ text: 'hi', forward_origin: origin })).toEqual([link]);
  });

  it('links to what can be looked up only', () => {
    expect(linkOf({ story: { id: 12, chat: shop } })).toEqual([['https://t.me/shop_news/s/12', 10, 9]]);
    expect(linkOf({ story: { id: 12, chat: news } })).toEqual([]);
    expect(linkOf({ story: { id: 12, chat: { username: 'ann' } } })).toEqual([['https://t.me/ann/s/12', 10, 4]]);
    for (const chat of [shop, { ...news, id: -5 }, { ...news, id: 'x' }, null])
      for (const message_id of chat === shop ? [0, -1, 1.5, '7', null] : [7])
        expect(linkOf({ text: 'hi', forward_origin: { type: 'channel', chat, message_id } })).toEqual([]);
  });

  it('a reply to a post in the discussion of a channel, or to one elsewhere, says where it stands', () => {
    const origin = { type: 'channel', chat: shop, message_id: 7 };
    const post = { ...base, sender_chat: shop, text: 'boots', is_automatic_forward: true, forward_origin: origin };
    expect(read({ text: 'a', reply_to_message: post }).quoted?.text).toBe('boots\nhttps://t.me/shop_news/7');
    const external_reply = { origin, chat: news, message_id: 9 };
    const quote = { text: 'boots', position: 0 };
    expect(read({ text: 'a', external_reply, quote }).quoted?.text).toBe('boots\nhttps://t.me/c/1331354980/9');
  });

  const at = 1_773_265_993;
  const ann = { id: 5, is_bot: false, first_name: 'Ann', last_name: 'B' };
  it.each<[string, object, object]>([
    [
      'the original, with who said it and when',
      { reply_to_message: { ...base, text: 'question', from: ann, date: at } },
      { text: 'question', name: 'Ann B', at },
    ],
    [
      'a channel by its title',
      { reply_to_message: { ...base, text: 'news', from: ann, sender_chat: { title: 'News' }, date: at } },
      { text: 'news', name: 'News', at },
    ],
    ['a placeholder', { reply_to_message: { ...base, photo, caption: 'c' } }, { text: '📷 Photo\nc' }],
    [
      'the chosen part',
      { reply_to_message: { ...base, text: 'long question' }, quote: { text: 'long', position: 0 } },
      { text: 'long' },
    ],
    ['200 characters', { reply_to_message: { ...base, text: 'x'.repeat(300) } }, { text: `${'x'.repeat(199)}…` }],
    ['whole emoji', { reply_to_message: { ...base, text: '😀'.repeat(150) } }, { text: `${'😀'.repeat(99)}…` }],
    [
      'another chat',
      { external_reply: { origin: { type: 'hidden_user', sender_user_name: 'A', date: at }, photo } },
      { text: '📷 Photo', name: 'A', at },
    ],
    ['a story', { reply_to_story: { id: 1, chat: { first_name: 'A' } } }, { text: '📖 Story: A' }],
  ])('a reply quotes %s', (_, reply, quoted) => {
    const content = read({ text: 'answer', ...reply });
    expect(content.rich.text).toBe('answer');
    expect(content.quoted).toMatchObject(quoted);
  });

  it.each<[string, object, boolean]>([
    ['words', { text: 'hi' }, false],
    ['a caption', { photo, caption: 'c' }, false],
    ['a file without words', { photo }, true],
    ['a forward', { text: 'call +79991234567', forward_origin: { type: 'hidden_user', sender_user_name: 'A' } }, true],
    ['what another bot wrote', { text: '4 °C', via_bot: { username: 'weather' } }, true],
    ['the contact of another', { from: { id: 7 }, contact: { phone_number: '79', first_name: 'A', user_id: 8 } }, true],
    ['a contact of nobody', { from: { id: 7 }, contact: { phone_number: '79', first_name: 'A' } }, true],
    ['the own contact', { from: { id: 7 }, contact: { phone_number: '79', first_name: 'A', user_id: 7 } }, false],
    ['a form', { web_app_data: { button_text: 'Order', data: '{"phone":"+7"}' } }, false],
    ['a place', { venue: { title: 'Shop', address: 'Arbat 1' } }, true],
  ])('knows whether %s is what the person wrote', (_, message, notOwnWords) => {
    expect(read(message).notOwnWords).toBe(notOwnWords);
  });

  it('quotes nothing for the first message of a forum topic', () => {
    const content = read({ text: 'hi', reply_to_message: { ...base, forum_topic_created: { name: 'x' } } });
    expect(content.quoted).toBeUndefined();
  });

  it('flattens rich messages', () => {
    const blocks = [
      { type: 'heading', size: 1, text: 'Title' },
      {
        type: 'paragraph',
        text: [
          'see ',
          { type: 'url', text: 'here', url: 'https://a.example' },
          { type: 'custom_emoji', alternative_text: '😀' },
        ],
      },
      {
        type: 'list',
        items: [
          { label: '1.', blocks: [{ type: 'paragraph', text: 'one' }] },
          { label: '•', has_checkbox: true, is_checked: true, blocks: [{ type: 'paragraph', text: 'two' }] },
        ],
      },
      { type: 'table', cells: [[{ text: 'a' }, { text: 'b' }]] },
      { type: 'blockquote', blocks: [{ type: 'paragraph', text: 'wise' }], credit: 'me' },
      { type: 'photo', photo, caption: { text: 'cap' } },
      { type: 'map', location: place },
      { type: 'novelty', text: 'new' },
    ];
    const { kind, rich } = read({ rich_message: { blocks } });
    expect(kind).toBe('rich_message');
    expect(rich.text).toBe(
      `Title\nsee here😀\n1. one\n• ☑ two\na | b\nwise\nme\n📷 Photo\ncap\n📍 Location\n${map}\nnew`,
    );
    expect(rich.marks).toEqual([
      { type: 'bold', offset: 0, length: 5 },
      { type: 'link', offset: 10, length: 4, url: 'https://a.example' },
      { type: 'quote', offset: 38, length: 7 },
    ]);
    expect(read({ rich_message: { blocks: [] } }).rich.text).toBe('📄 Formatted message');
  });

  it.each<[string, object[][], string]>([
    [
      'empty cells',
      [
        [{ text: 'a' }, {}, { text: 'c' }],
        [{}, { text: 'b' }, {}],
      ],
      'a |  | c\n | b',
    ],
    [
      'cells over columns',
      [
        [{ text: 'a', colspan: 2 }, { text: 'c' }],
        [{ text: 1 }, {}, { text: 'd' }],
      ],
      'a |  | c\n |  | d',
    ],
    [
      'cells over rows',
      [[{ text: 'a', rowspan: 2 }, { text: 'b' }], [{ text: 'c' }], [{ text: 'd' }]],
      'a | b\n | c\nd',
    ],
    ['lines in cells', [[{ text: 'a\nb' }, { text: 'c' }]], 'a b | c'],
    ['spans of nobody', [[{ text: 'a', colspan: 1e9, rowspan: -3 }, { text: 'b' }]], `a${' | '.repeat(20)}b`],
  ])('keeps the columns of a table: %s', (_, cells, text) => {
    expect(
      read({
        rich_message: {
          blocks: [
            { type: 'paragraph', text: '-' },
            { type: 'table', cells },
          ],
        },
      }).rich.text,
    ).toBe(`-\n${text}`);
  });

  it('tells 10² from 102', () => {
    const raised = (type: string, text: string) => ({ type, text });
    const text = ['10', raised('superscript', '2'), ' H', raised('subscript', '2'), 'O x', raised('superscript', 'n')];
    const blocks = [
      { type: 'paragraph', text: [...text, ' y', raised('superscript', 'a+b'), raised('subscript', '')] },
    ];
    expect(read({ rich_message: { blocks } }).rich.text).toBe('10² H₂O x^n y^(a+b)');
  });

  it('survives rich messages nested without end', () => {
    let block: object = { type: 'paragraph', text: 'deep' };
    for (let depth = 0; depth < 5_000; depth++) block = { type: 'blockquote', blocks: [block] };
    expect(read({ rich_message: { blocks: [block] } }).rich.text).toBe('📄 Formatted message');
  });

  const fields = [
    'text caption entities caption_entities photo video voice audio document animation live_photo sticker location venue',
    'contact poll dice game story checklist invoice successful_payment gift unique_gift giveaway paid_media rich_message',
    'users_shared chat_shared web_app_data new_chat_members left_chat_member new_chat_title pinned_message quote',
    'checklist_tasks_done checklist_tasks_added poll_option_added reply_to_checklist_task_id reply_to_poll_option_id',
    'migrate_to_chat_id forward_origin reply_to_message external_reply reply_to_story group_chat_created anything',
  ].flatMap((line) => line.split(' '));
  const inner =
    'vcard tasks id checklist_message message_id chat username colspan rowspan text entities type offset length url title duration file_name file_size blocks items cells emoji options question'.split(
      ' ',
    );
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 3 }),
    fc.string({ unit: 'binary' }),
    fc.dictionary(fc.constantFrom(...inner), fc.oneof(fc.jsonValue({ maxDepth: 2 }), fc.string({ unit: 'binary' }))),
    fc.array(fc.dictionary(fc.constantFrom(...inner), fc.jsonValue({ maxDepth: 1 })), { maxLength: 4 }),
  );
  const anyMessage = fc.dictionary(fc.oneof(fc.constantFrom(...fields), fc.string()), value, { maxKeys: 6 });

  it('never throws and never gives a blank or unstorable text', () => {
    fc.assert(
      fc.property(anyMessage, fc.constantFrom('ru' as const, 'en' as const), (content, lang) => {
        const { rich, words } = describeMessage({ ...base, ...content } as unknown as Message, lang);
        expect(isBlank(rich.text)).toBe(false);
        for (const { text, marks } of [rich, words]) {
          expect(text).not.toMatch(/\0|\p{Surrogate}/u);
          for (const mark of marks) expect(mark.offset + mark.length).toBeLessThanOrEqual(text.length);
        }
      }),
      { numRuns: runs(400) },
    );
  });

  it.each([null, undefined, 5, 'x', [], [[]]])('takes %j for a message without content', (junk) => {
    expect(describeMessage(junk as unknown as Message, 'en').rich.text).toBe('❔ Message without content');
  });

  it('takes any update', () => {
    const updates = fc.dictionary(
      fc.constantFrom(
        'message',
        'edited_message',
        'callback_query',
        'message_reaction',
        'my_chat_member',
        'poll_answer',
        'x',
      ),
      fc.oneof(anyMessage, fc.jsonValue()),
      { maxKeys: 2 },
    );
    fc.assert(
      fc.property(updates, (update) => {
        const described = describeUpdate({ update_id: 1, ...update }, 'ru');
        if (described) expect(isBlank(described.rich.text)).toBe(false);
      }),
    );
  });
});

describe('describeUpdate', () => {
  const chat = base.chat;
  const reactions = (before: string[], after: string[]) => ({
    chat,
    message_id: 1,
    old_reaction: before.map((emoji) => ({ type: 'emoji', emoji })),
    new_reaction: after.map((emoji) => ({ type: 'emoji', emoji })),
  });
  const membership = (was: object, is: object, type = 'private') => ({
    chat: { ...chat, type },
    from,
    old_chat_member: was,
    new_chat_member: is,
  });
  const keyboard = { inline_keyboard: [[{ text: 'Yes', callback_data: 'y' }]] };

  it.each<[object, MessageKind, string]>([
    [{ message: { ...base, text: 'hi' } }, 'text', 'hi'],
    [{ edited_message: { ...base, text: 'hi 2' } }, 'text', 'hi 2'],
    [{ business_message: { ...base, text: 'hi' } }, 'text', 'hi'],
    [
      { callback_query: { id: '1', from, data: 'y', message: { ...base, reply_markup: keyboard } } },
      'callback',
      '🔘 Pressed button: Yes (y)',
    ],
    [
      { callback_query: { id: '1', from, data: 'z', message: { ...base, reply_markup: keyboard } } },
      'callback',
      '🔘 Pressed button: z',
    ],
    [{ message_reaction: reactions([], ['👍']) }, 'reaction', 'Reaction: 👍'],
    [{ message_reaction: reactions(['👍'], ['🔥']) }, 'reaction', 'Reaction: 🔥'],
    [{ message_reaction: reactions(['👍'], []) }, 'reaction', 'Reaction removed: 👍'],
    [
      { my_chat_member: membership({ status: 'member' }, { status: 'kicked' }) },
      'membership',
      '🚫 The client blocked the bot',
    ],
    [
      { my_chat_member: membership({ status: 'kicked' }, { status: 'member' }) },
      'membership',
      '✅ The client unblocked the bot',
    ],
    [
      { my_chat_member: membership({ status: 'left' }, { status: 'member' }, 'group') },
      'membership',
      '➕ The bot was added to the chat',
    ],
    [
      { my_chat_member: membership({ status: 'member' }, { status: 'kicked' }, 'group') },
      'membership',
      '➖ The bot was removed from the chat',
    ],
    [
      { my_chat_member: membership({ status: 'member' }, { status: 'administrator' }, 'group') },
      'membership',
      'ℹ️ The rights of the bot in the chat changed',
    ],
    [{ poll_answer: { poll_id: '1', option_ids: [0, 2] } }, 'poll_answer', '🗳 Voted for option 1, 3'],
    [{ poll_answer: { poll_id: '1', option_ids: [] } }, 'poll_answer', '🗳 Took the vote back'],
    [{ telepathy: {} }, 'unsupported', '❔ Unsupported event: telepathy'],
  ])('%j', (update, kind, text) => {
    const described = describeUpdate({ update_id: 1, ...update }, 'en');
    expect([described?.kind, described?.rich.text]).toEqual([kind, text]);
  });

  it.each<object>([
    {},
    { business_connection: { id: 'x' } },
    { deleted_business_messages: { message_ids: [1] } },
    { message_reaction: reactions(['👍'], ['👍']) },
    { poll: { id: '1' } },
  ])('nobody says anything with %j', (update) => {
    expect(describeUpdate({ update_id: 1, ...update }, 'en')).toBeNull();
  });
});
