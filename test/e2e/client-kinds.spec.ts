import type { Message } from '@grammyjs/types';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation, noteOf } from '../support/conversation.js';
import { contents, forwardedFrom } from '../support/telegram-simulator/client.contents.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

let bridge: Bridge;

const AT = 1_760_000_000;
const FRAME = '-'.repeat(54);
const NEWS = { id: -1_001_331_354_980, type: 'channel' as const, title: 'News', username: 'shop_news' };
const TEAM = { id: -1_001_555_296_434, type: 'supergroup' as const, title: 'Team' };
const PRIVATE = { id: NEWS.id, type: 'channel' as const, title: 'VIP' };
const CARD = [
  'BEGIN:VCARD',
  'VERSION:3.0',
  'FN:Olga',
  'ORG:Horns\\, Hooves & Co;Sales',
  'TITLE:Head',
  'TEL;type=CELL;type=pref:+7 900 111-22-33',
  'item1.TEL;type=WORK:8 (495) 123-45-67',
  'item2.EMAIL;type=INTERNET:olga@shop',
  ' .example',
  'END:VCARD',
].join('\r\n');
const row = (...cells: string[]) => cells.map((text) => ({ text, align: 'left' as const, valign: 'top' as const }));
const ANN = { id: 5, is_bot: false, first_name: 'Ann' };

/** What the client does; the kind in the history; what the operator reads; name and type of each file. */
type Row = [send: (client: SimulatedClient) => unknown, kind: string, text: string, ...files: `${string} ${string}`[]];

const KINDS: Record<string, Row> = {
  text: [(c) => c.sends('Hello 👋'), 'text', 'Hello 👋'],
  'formatted text': [
    (c) =>
      c.sends('bold, code and a link; [b]typed[/b]', {
        entities: [
          { type: 'bold', offset: 0, length: 4 },
          { type: 'italic', offset: 2, length: 2 },
          { type: 'code', offset: 6, length: 4 },
          { type: 'text_link', offset: 17, length: 4, url: 'https://shop.example/a?b=[1]' },
        ],
      }),
    'text',
    '[b]bo[i]ld[/i][/b], [code]code[/code] and a [url=https://shop.example/a?b=%5B1%5D]link[/url]; [\u200bb]typed[\u200b/b]',
  ],
  'a quotation and code of several lines': [
    (c) =>
      c.sends('they said\nso what\nlet a\nlet b', {
        entities: [
          { type: 'blockquote', offset: 10, length: 7 },
          { type: 'pre', offset: 18, length: 11, language: 'js' },
        ],
      }),
    'text',
    'they said\n>>so what\n[code]let a\nlet b[/code]',
  ],
  'a spoiler, a mention without a name and a custom emoji': [
    (c) =>
      c.sends('dark Ann 🔥', {
        entities: [
          { type: 'spoiler', offset: 0, length: 4 },
          { type: 'text_mention', offset: 5, length: 3, user: ANN },
          { type: 'custom_emoji', offset: 9, length: 2, custom_emoji_id: '5' },
        ],
      }),
    'text',
    'dark Ann 🔥',
  ],
  'nothing that can be seen': [(c) => c.sends('\u2060'), 'unsupported', '❔ Message without content'],
  photo: [(c) => c.sendsFile('photo', {}, { caption: 'cat' }), 'photo', 'cat', 'photo_1.jpg image/jpeg'],
  'photo without a caption': [(c) => c.sendsFile('photo'), 'photo', '', 'photo_1.jpg image/jpeg'],
  document: [
    (c) => c.sendsFile('document', { fileName: 'Счёт № 5.pdf' }, { caption: 'the bill' }),
    'document',
    'the bill',
    'Счёт № 5.pdf application/pdf',
  ],
  video: [(c) => c.sendsFile('video', {}, { caption: 'look' }), 'video', 'look', 'video.mp4 video/mp4'],
  animation: [(c) => c.sendsFile('animation'), 'animation', '', 'animation.mp4 video/mp4'],
  'voice message': [(c) => c.sendsFile('voice'), 'voice', '🎤 Voice message, 0:07', 'voice_1.ogg audio/ogg'],
  'voice message with a caption': [
    (c) => c.sendsFile('voice', {}, { caption: 'listen' }),
    'voice',
    'listen\n🎤 Voice message, 0:07',
    'voice_1.ogg audio/ogg',
  ],
  'video message': [
    (c) => c.sendsFile('video_note'),
    'video_note',
    '📹 Video message, 0:09',
    'video_note_1.mp4 video/mp4',
  ],
  audio: [(c) => c.sendsFile('audio'), 'audio', '🎵 Audio: Singer – Song (3:01)', 'song.mp3 audio/mpeg'],
  'static sticker': [(c) => c.sendsFile('sticker'), 'sticker', '👋', 'sticker_1.webp image/webp'],
  'animated sticker': [
    (c) => c.sendsFile('sticker', { format: 'animated' }),
    'sticker',
    '👋',
    'sticker_1.webp image/webp',
  ],
  'video sticker': [(c) => c.sendsFile('sticker', { format: 'video' }), 'sticker', '👋', 'sticker_1.webm video/webm'],
  'live photo': [
    (c) => c.sendsFile('live_photo', {}, { caption: 'alive' }),
    'live_photo',
    'alive',
    'photo_1.jpg image/jpeg',
    'video_1.mp4 video/mp4',
  ],
  'paid media': [(c) => c.sendsMessage(contents.paidMedia()), 'paid_media', '⭐ Paid media (×1, 10 ⭐)'],
  'album with a caption': [
    (c) => c.sendsAlbum([{ kind: 'photo', caption: 'three views' }, { kind: 'photo' }, { kind: 'photo' }]),
    'photo',
    'three views',
    'photo_1.jpg image/jpeg',
    'photo_2.jpg image/jpeg',
    'photo_3.jpg image/jpeg',
  ],
  location: [
    (c) => c.sendsMessage(contents.location()),
    'location',
    '📍 Location\nhttps://maps.google.com/?q=55.796127,49.106414',
  ],
  venue: [
    (c) => c.sendsMessage(contents.venue()),
    'venue',
    '📍 Place: Kremlin\nKazan, Kremlin 1\nhttps://maps.google.com/?q=55.796127,49.106414',
  ],
  "somebody else's contact": [
    (c) => c.sendsMessage(contents.contact('+1 212 555-01-00', { first_name: 'Olga' })),
    'contact',
    '👤 Contact: Olga\n+1 212 555-01-00',
  ],
  'a contact with its card': [
    (c) => c.sendsMessage(contents.contact('79001112233', { first_name: 'Olga', vcard: CARD })),
    'contact',
    '👤 Contact: Olga\n+79001112233\n8 (495) 123-45-67\nolga@shop.example\nCompany: Horns, Hooves & Co, Sales\nJob title: Head',
  ],
  poll: [(c) => c.sendsMessage(contents.poll()), 'poll', '📊 Poll: Which day?\n1. Monday\n2. Tuesday'],
  dice: [(c) => c.sendsMessage(contents.dice('🎯', 6)), 'dice', '🎯 6'],
  game: [(c) => c.sendsMessage(contents.game(bridge.bot)), 'game', '🎮 Game: Chess'],
  story: [
    (c) => c.sendsMessage(contents.story(NEWS)),
    'story',
    '📖 Story: [url=https://t.me/shop_news/s/12]News[/url]',
  ],
  invoice: [(c) => c.sendsMessage(contents.invoice()), 'invoice', '🧾 Invoice: Phone case (19.90 EUR)\nBlack'],
  checklist: [
    (c) => c.sendsMessage(contents.checklist('Move', 'Pack', 'Go')),
    'checklist',
    '📋 Checklist: Move\n☐ Pack\n☐ Go',
  ],
  'an answer to a task of a checklist': [
    (c) => {
      const { checklist } = contents.checklist('Move', 'Pack', 'Go');
      const reply_to_message = {
        message_id: 9,
        chat: privateChat(c),
        from: ANN,
        date: AT,
        checklist,
      } as unknown as NonNullable<Message['reply_to_message']>;
      c.sends('tomorrow', { reply_to_message, reply_to_checklist_task_id: 2 });
    },
    'text',
    `${FRAME}\nAnn [October 9, 2025, 08:53 UTC]\n📋 Checklist: Move\n☐ Go\n${FRAME}\ntomorrow`,
  ],
  payment: [
    (c) =>
      c.sendsMessage({
        successful_payment: {
          currency: 'JPY',
          total_amount: 500,
          invoice_payload: 'o5',
          telegram_payment_charge_id: 'c1',
          provider_payment_charge_id: 'p1',
        },
      }),
    'payment',
    '💳 Payment received: 500 JPY',
  ],
  'shared users': [
    (c) => c.sendsMessage({ users_shared: { request_id: 1, users: [{ user_id: 5, first_name: 'Ann' }] } }),
    'shared',
    '👤 Shared users: Ann',
  ],
  giveaway: [
    (c) => c.sendsMessage({ giveaway: { chats: [NEWS], winners_selection_date: AT, winner_count: 3 } }),
    'giveaway',
    '🎁 Giveaway (winners: 3)',
  ],
  'something newer than this program': [
    (c) => c.sendsMessage({ hologram: { file_id: 'x' } } as object),
    'unsupported',
    '❔ Unsupported message type: hologram',
  ],
  gift: [(c) => c.sendsMessage(contents.gift(bridge.bot, 'Thank you')), 'gift', '🎁 Gift 👋 (50 ⭐)\nThank you'],
  'rich message': [
    (c) =>
      c.sendsMessage(
        contents.richMessage([
          { type: 'heading', size: 1, text: 'Order' },
          { type: 'paragraph', text: ['Size ', { type: 'bold', text: 'M' }] },
          { type: 'table', cells: [row('Size', 'Red', 'Blue'), row('S', '', '5'), row('M', '3', '')] },
        ]),
      ),
    'rich_message',
    '[b]Order[/b]\nSize [b]M[/b]\nSize | Red | Blue\nS |  | 5\nM | 3',
  ],
  'forward of a person': [(c) => c.sends('hi', forwardedFrom.user(ANN, AT)), 'text', '↪ Forwarded from Ann\nhi'],
  'forward of somebody hidden': [
    (c) => c.sends('hi', forwardedFrom.hiddenUser('Somebody', AT)),
    'text',
    '↪ Forwarded from Somebody\nhi',
  ],
  'forward of a group': [
    (c) => c.sends('hi', forwardedFrom.chat(TEAM, AT, 'Boss')),
    'text',
    '↪ Forwarded from Team (Boss)\nhi',
  ],
  'forward of a channel, with a photo': [
    (c) => c.sendsFile('photo', {}, { caption: 'Boots', ...forwardedFrom.channel(NEWS, 7, AT) }),
    'photo',
    '↪ Forwarded from [url=https://t.me/shop_news/7]News[/url]\nBoots',
    'photo_1.jpg image/jpeg',
  ],
  'forward of a private channel with brackets in its name': [
    (c) => c.sends('Boots', forwardedFrom.channel({ ...PRIVATE, title: '[VIP] sale [/url]' }, 7, AT, 'Ed')),
    'text',
    '↪ Forwarded from [url=https://t.me/c/1331354980/7][VIP] sale [\u200b/url] (Ed)[/url]\nBoots',
  ],
  'words by way of another bot': [
    (c) => c.sends('4 °C', { via_bot: { id: 9, is_bot: true, first_name: 'Weather', username: 'weather' } }),
    'text',
    'via @weather\n4 °C',
  ],
  'an answer to something elsewhere': [
    (c) => c.sends('this one', contents.externalReply({ type: 'hidden_user', date: AT, sender_user_name: 'Bob' })),
    'text',
    `${FRAME}\nBob [October 9, 2025, 08:53 UTC]\n…\n${FRAME}\nthis one`,
  ],
  'an answer to a post of a channel': [
    (c) => {
      const origin = { type: 'channel', chat: NEWS, message_id: 100, date: AT } as const;
      c.sends('this one', contents.externalReply(origin, { chat: NEWS, message_id: 100 }));
    },
    'text',
    `${FRAME}\nNews [October 9, 2025, 08:53 UTC]\nhttps://t.me/shop_news/100\n${FRAME}\nthis one`,
  ],
  'an answer to a story': [
    (c) => c.sends('nice', { reply_to_story: { chat: NEWS, id: 12 } }),
    'text',
    `${FRAME}\n📖 Story: [url=https://t.me/shop_news/s/12]News[/url]\u200b\n${FRAME}\nnice`,
  ],
};

const privateChat = ({ id }: SimulatedClient) => ({ id, type: 'private' as const, first_name: 'Client' });

const talks = new Map<string, Conversation>();

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
  });
  for (const [index, [name, [send]]] of Object.entries(KINDS).entries()) {
    const talk = Conversation.of(bridge, 6_001 + index);
    talks.set(name, talk);
    send(talk.client);
  }
});

afterAll(async () => bridge?.stop());

const files = ({ dialog }: Conversation) => dialog.clientMessages[0]!.files;

describe('the operator reads of a client', () => {
  it.each(Object.entries(KINDS))('%s', async (name, [, kind, text, ...expected]) => {
    const talk = talks.get(name)!;
    await talk.dialog.receives(1, 30_000);
    expect(talk.received).toEqual([text]);
    expect(files(talk).map((file) => `${file.name} ${file.mime}`)).toEqual(expected);
    expect(talk.notes).toEqual([]);
    expect(talk.dialog.clientMessages[0]!.externalIds).toEqual([`tg:${talk.client.id}:1`]);
    const items = await eventually(
      async () => (await bridge.messages()).filter((item) => item['externalChatId'] === `tg:${talk.client.id}`),
      ([item]) => item?.['state'] === 'delivered',
    );
    expect(items).toMatchObject([{ kind, direction: 'inbound', error: null }]);
    // Every file has a Telegram message of its own, but for those that are two in one.
    const ids = name === 'live photo' ? 1 : Math.max(1, expected.length);
    expect(items[0]!['telegramMessageIds']).toHaveLength(ids);
  });

  it('every file with the bytes that were sent', () => {
    // What the portal has under a file's address is what the bot's server has under its id.
    const inPortal = [...talks.values()].flatMap((talk) => files(talk).map(({ sha256 }) => sha256));
    const sent = bridge.telegram.calls.filter(({ method }) => method.toLowerCase() === 'getfile');
    const inTelegram = new Set(
      sent.map(({ params }) => bridge.bot.files.find(String(params['file_id']))!.content.sha256),
    );
    expect(new Set(inPortal)).toEqual(inTelegram);
    expect(new Set(inPortal).size).toBe(inPortal.length);
  });
});

describe('a client', () => {
  it('who shares his own number is known by it in Bitrix24', async () => {
    const talk = Conversation.of(bridge, 6_201);
    talk.client.sendsMessage(contents.contact('79001112233', { id: 6_201, first_name: 'Ivan' }));
    await talk.dialog.receives(1, 10_000);
    expect(talk.received).toEqual(['👤 Contact: Ivan\n+79001112233']);
    expect(personOf(talk).phone).toBe('+79001112233');
    expect(personOf(talks.get("somebody else's contact")!).phone).toBe('');
  });

  it('who comes by a link is told of with its payload', async () => {
    const talk = Conversation.of(bridge, 6_202);
    talk.client.starts('spring_2026');
    await talk.dialog.receives(1, 10_000);
    expect(talk.received).toEqual(['🔗 The client came by the link: spring_2026']);
    expect(talk.dialog.session!.source).toBeNull();
  });

  it('keeps one user in Bitrix24 under a name that a CRM takes', async () => {
    const client = bridge.bot.client({ id: 6_203, first_name: '🌸 Анна-Мария ✨', last_name: '<b>', username: 'anna' });
    client.sends('one');
    const dialog = bridge.portal.dialog('tg:6203');
    await dialog.receives(1, 10_000);
    const person = [...bridge.portal.lines.clients.values()].find(({ id }) => id === dialog.chat!.clientId)!;
    expect(person).toMatchObject({ name: 'Анна-Мария', lastName: 'b', url: 'https://t.me/anna' });
  });

  it('whose live location moves is heard twice: where it begins and where it ends', async () => {
    const talk = Conversation.of(bridge, 6_204);
    const { message } = talk.client.startsLiveLocation({ latitude: 55.75, longitude: 37.61 });
    talk.client.moves(message.message_id, { latitude: 55.76, longitude: 37.62 });
    talk.client.stopsLiveLocation(message.message_id);
    await talk.dialog.waitFor(({ author }) => author === 'system', 10_000);
    expect(talk.received).toEqual(['📍 Live location\nhttps://maps.google.com/?q=55.75,37.61']);
    expect(talk.notes).toEqual(['📍 The live location has ended\nhttps://maps.google.com/?q=55.76,37.62']);
    const moved = await bridge.messages('&state=ignored');
    expect(moved.find(({ externalChatId }) => externalChatId === 'tg:6204')).toMatchObject({
      kind: 'live_location',
      error: { code: 'live_location_move' },
    });
  });

  it('who marks tasks of a checklist is told of with the tasks', async () => {
    const talk = await Conversation.begin(bridge, 6_207);
    const { checklist } = contents.checklist('Move', 'Pack', 'Go', 'Rest');
    const message = { message_id: 9, chat: privateChat(talk.client), date: AT, checklist } as Message;
    const marked = { marked_as_done_task_ids: [2], marked_as_not_done_task_ids: [3] };
    talk.client.sendsMessage(contents.tasksMarked(message, marked));
    await talk.hasNotes(1);
    expect(talk.notes).toEqual(['📋 Marked in the checklist: Move\n☑ Go\n☐ Rest']);
  });

  it('whose album comes in two polls still sends one message', async () => {
    const talk = await Conversation.begin(bridge, 6_205);
    const album = { media_group_id: '12543417770506682' };
    talk.client.sendsFile('photo', {}, { ...album, caption: 'both' });
    await talk.becomes('both', 'queued');
    talk.client.sendsFile('photo', {}, album);
    const message = await talk.dialog.waitFor(({ text }) => text === 'both', 10_000);
    expect(message.files.map(({ name }) => name)).toEqual(['photo_2.jpg', 'photo_3.jpg']);
    expect((await talk.becomes('both', 'delivered')).telegramMessageIds).toEqual(['2', '3']);
    expect(talk.dialog.clientMessages).toHaveLength(2);
  });

  it('who blocks the bot and comes back is announced, not quoted', async () => {
    const talk = await Conversation.begin(bridge, 6_206);
    talk.client.blocks();
    const answer = talk.answers('are you there?');
    await talk.dialog.waitFor((message) => noteOf(message).startsWith('⚠️'), 10_000);
    expect(talk.notes).toEqual([
      '🚫 The client blocked the bot',
      '⚠️ Not delivered to the client: the client blocked the bot.\n«are you there?»',
    ]);
    expect(answer.sending).toBe(true);
    talk.client.unblocks();
    talk.client.sends('back again');
    await talk.dialog.receives(2, 10_000);
    expect(talk.notes.at(-1)).toBe('✅ The client unblocked the bot');
    talk.answers('good');
    await talk.client.receives(1, 10_000);
    expect(talk.reached).toEqual(['good']);
  });
});

it('left nothing twice, out of order, or with a bot token in its address', () => {
  const { dialogs, botTokensInUrls } = bridge.portal.ledger();
  expect(dialogs.filter(({ duplicates, reordered }) => duplicates.length + reordered.length > 0)).toEqual([]);
  expect(botTokensInUrls).toEqual([]);
});

function personOf({ dialog }: Conversation) {
  return [...bridge.portal.lines.clients.values()].find(({ id }) => id === dialog.chat!.clientId)!;
}
