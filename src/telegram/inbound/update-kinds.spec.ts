import type { Update } from '@grammyjs/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { mutatedUpdates } from '../../../test/fixtures/telegram/mutated-updates.js';
import { UPDATES } from '../../../test/fixtures/telegram/updates.js';
import { runs } from '../../../test/support/random-runs.js';
import { isBlank } from '../../relay/rich-text.js';
import { ALLOWED_UPDATES, parseUpdate } from './update.parser.js';

/** Where it goes, how (`words`, a `line` of the system, or why nowhere), its kind, its text, its files. */
type Row = [chat: string, outcome: string, kind: string, text: string, ...files: string[]];

const EXPECTED: Record<keyof typeof UPDATES, Row> = {
  text: ['tg:250918540', 'words', 'text', 'Лол кек 😂'],
  formatted: ['tg:250918540', 'words', 'text', 'See the site, call +79001112233'],
  start: ['tg:250918540', 'words', 'start', '🔗 The client came by the link: spring_2026'],
  photo: ['tg:250918540', 'words', 'photo', 'www.example.com', 'photo_198283.jpg image/jpeg 162061 📷 Photo'],
  album: ['tg:250918540', 'words', 'video', '', 'video_198283.mp4 video/mp4 1381334 🎬 Video (0:13)'],
  livePhoto: [
    'tg:250918540',
    'words',
    'live_photo',
    '',
    'photo_198283.jpg image/jpeg 162061 📷 Live photo',
    'video_198283.mp4 video/mp4  🎬 Video (0:02)',
  ],
  video: ['tg:250918540', 'words', 'video', '', 'video_198283.mp4 video/mp4 1381334 🎬 Video (0:13)'],
  videoWithoutType: ['tg:250918540', 'words', 'video', '', 'IMG_0001.MOV video/mp4 1381334 🎬 Video (0:13)'],
  animation: ['tg:250918540', 'words', 'animation', '', 'giphy.mp4 video/mp4 48123 🎞 Animation (0:03)'],
  videoNote: [
    'tg:250918540',
    'words',
    'video_note',
    '',
    'video_note_198283.mp4 video/mp4 523001 📹 Video message, 0:07',
  ],
  voice: ['tg:250918540', 'words', 'voice', '', 'voice_198283.ogg audio/ogg 15211 🎤 Voice message, 1:05'],
  audio: ['tg:250918540', 'words', 'audio', '', 'song.mp3 audio/mpeg  🎵 Audio: Band – Song (3:35)'],
  document: [
    'tg:250918540',
    'words',
    'document',
    'the bill',
    'Счёт № 5.pdf application/pdf 182044 📎 File: Счёт № 5.pdf (178 KB)',
  ],
  documentWithoutType: ['tg:250918540', 'words', 'document', '', 'document_198283  4294967296 📎 File (4 GB)'],
  documentWithBadName: [
    'tg:250918540',
    'words',
    'document',
    '',
    '_.._etc_cvfdp.exe application/x-msdownload  📎 File: _.._etc_cvfdp.exe',
  ],
  sticker: ['tg:250918540', 'words', 'sticker', '😡', 'sticker_198283.webp image/webp 16639 Sticker'],
  animatedSticker: ['tg:250918540', 'words', 'sticker', '😡', 'sticker_198283.webp image/webp 10339 Sticker'],
  olderAnimatedSticker: ['tg:250918540', 'words', 'sticker', '😡', 'sticker_198283.webp image/webp 10339 Sticker'],
  animatedStickerWithoutThumbnail: ['tg:250918540', 'words', 'sticker', '😡 Sticker'],
  videoSticker: ['tg:250918540', 'words', 'sticker', '😡', 'sticker_198283.webm video/webm 16639 Sticker'],
  paidMedia: ['tg:250918540', 'words', 'paid_media', '⭐ Paid media (×2, 50 ⭐)'],
  location: ['tg:250918540', 'words', 'location', '📍 Location\nhttps://maps.google.com/?q=55.751244,37.618423'],
  liveLocation: [
    'tg:250918540',
    'words',
    'live_location',
    '📍 Live location\nhttps://maps.google.com/?q=55.751244,37.618423',
  ],
  liveLocationMoved: [
    'tg:250918540',
    'live_location_move',
    'live_location',
    '📍 Live location\nhttps://maps.google.com/?q=55.76,37.62',
  ],
  liveLocationEnded: [
    'tg:250918540',
    'line',
    'live_location',
    '📍 The live location has ended\nhttps://maps.google.com/?q=55.76,37.62',
  ],
  venue: ['tg:250918540', 'words', 'venue', '📍 Place: Title\nAddress\nhttps://maps.google.com/?q=55.751244,37.618423'],
  ownContact: ['tg:250918540', 'words', 'contact', '(Shop: Which size do you need?)\n👤 Contact: Иван\n+79001112233'],
  contact: ['tg:250918540', 'words', 'contact', '👤 Contact: Olga\n+1 (212) 555-01-00'],
  contactWithCard: [
    'tg:250918540',
    'words',
    'contact',
    '👤 Contact: Olga\n+79001112233\n+7 495 123-45-67\nolga@shop.example\nCompany: Shop, Sales\nJob title: Head',
  ],
  poll: ['tg:250918540', 'words', 'poll', '📊 Poll: Size?\n1. S\n2. M'],
  dice: ['tg:250918540', 'words', 'dice', '🎲 6'],
  game: ['tg:250918540', 'words', 'game', '🎮 Game: Chess'],
  story: ['tg:250918540', 'words', 'story', '📖 Story: News'],
  checklist: ['tg:250918540', 'words', 'checklist', '📋 Checklist: To do\n☑ Pay\n☐ Fetch'],
  tasksMarked: ['tg:250918540', 'line', 'service', '📋 Marked in the checklist: To do\n☑ Pay\n☐ #3'],
  tasksAdded: ['tg:250918540', 'line', 'service', '📋 Added to the checklist: To do\n☐ Call'],
  invoice: ['tg:250918540', 'words', 'invoice', '🧾 Invoice: Order 5 (129.00 EUR)\nBoots'],
  payment: ['tg:250918540', 'words', 'payment', '💳 Payment received: 129.00 EUR'],
  gift: ['tg:250918540', 'words', 'gift', '🎁 Gift 😡 (15 ⭐)\nThank you'],
  giveaway: ['tg:250918540', 'words', 'giveaway', '🎁 Giveaway (winners: 3)'],
  usersShared: ['tg:250918540', 'words', 'shared', '👤 Shared users: Olga'],
  webAppData: ['tg:250918540', 'words', 'web_app_data', '🌐 Data from the web app: Order\n{"size":"M"}'],
  richMessage: [
    'tg:250918540',
    'words',
    'rich_message',
    'Order\nSize M\n📷 Photo\n🎬 Video',
    'photo_198283_1.jpg image/jpeg 162061 📷 Photo',
    'video_198283_2.mp4 video/mp4 1381334 🎬 Video (0:13)',
  ],
  unknown: ['tg:250918540', 'words', 'unsupported', '❔ Unsupported message type: hologram'],
  joined: ['tg:-599075523', 'line', 'service', '➕ Joined: Olga'],
  left: ['tg:-599075523', 'line', 'service', '➖ Left: Olga'],
  titled: ['tg:-599075523', 'line', 'service', '✏️ New chat title: Best buyers'],
  pinned: ['tg:-1001555296434', 'line', 'service', '📌 Pinned\nRules'],
  videoChat: ['tg:-1001160242915', 'service_message', 'service', '📞 The video chat started'],
  groupText: ['tg:-599075523', 'words', 'text', 'Иван Петров:\nWhere is my order?'],
  groupAnonymous: ['tg:-1001555296434', 'words', 'text', 'Buyers:\nSoon'],
  movedTo: ['tg:-599075523', 'service_message', 'service', 'ℹ️ The group became a supergroup: -1001555296434'],
  movedFrom: ['tg:-599075523', 'service_message', 'service', 'ℹ️ The supergroup continues the group: -599075523'],
  topicCreated: ['tg:-1001160242915:7', 'service_message', 'service', 'ℹ️ The topic was created'],
  topicText: ['tg:-1001160242915:7', 'words', 'text', 'Иван Петров:\nHi'],
  channelPostInGroup: ['tg:-1001555296434', 'words', 'text', 'News:\nNew boots'],
  directMessage: ['tg:-1002222222222:250918540', 'words', 'text', 'Hello, channel'],
  directMessageAnswered: ['tg:-1002222222222:250918540', 'line', 'text', 'News (Telegram): Hello'],
  reply: ['tg:250918540', 'words', 'text', '(Shop: Which size do you need?)\nM'],
  replyToPart: ['tg:250918540', 'words', 'text', '(Shop: size)\nM'],
  externalReply: ['tg:250918540', 'words', 'text', '(News: 📷 Photo\nhttps://t.me/shop_news/100)\nThis one'],
  replyToStory: ['tg:250918540', 'words', 'text', '(: 📖 Story: News)\nNice'],
  replyToForward: ['tg:250918540', 'words', 'text', '(Иван Петров: ↪ Forwarded from News\nNew boots)\nThese'],
  replyToTask: ['tg:250918540', 'words', 'text', '(Shop: 📋 Checklist: To do\n☐ Fetch)\nTomorrow'],
  replyToOption: ['tg:250918540', 'words', 'text', '(Shop: 📊 Poll: Size?\n2. M)\nThis'],
  forwarded: ['tg:250918540', 'words', 'text', '↪ Forwarded from Someone\nhi'],
  viaBot: ['tg:250918540', 'words', 'animation', 'via @gif', 'giphy.mp4 video/mp4 48123 🎞 Animation (0:03)'],
  forwardedPost: ['tg:250918540', 'words', 'text', '↪ Forwarded from News (Ed)\nNew boots'],
  edited: ['tg:250918540', 'words', 'text', 'Лол'],
  editedCaption: ['tg:250918540', 'words', 'photo', 'better', 'photo_198283.jpg image/jpeg 162061 📷 Photo'],
  callback: ['tg:250918540', 'words', 'callback', '🔘 Pressed button: Yes (y)'],
  callbackOfInaccessible: ['tg:250918540', 'words', 'callback', '🔘 Pressed button: old'],
  callbackInline: ['', 'no_dialog', 'callback', '🔘 Pressed button: x'],
  reaction: ['tg:250918540', 'line', 'reaction', 'Reaction: 👍'],
  reactionTaken: ['tg:250918540', 'line', 'reaction', 'Reaction removed: 👍'],
  reactionCustom: ['tg:-1001555296434', 'line', 'reaction', 'Иван Петров: Reaction: custom emoji'],
  reactionAnonymous: ['tg:-1001555296434', 'line', 'reaction', 'Buyers: Reaction: 🔥'],
  reactionInForum: ['', 'no_dialog', 'reaction', 'Reaction: 👍'],
  blocked: ['tg:250918540', 'line', 'membership', '🚫 The client blocked the bot'],
  unblocked: ['tg:250918540', 'line', 'membership', '✅ The client unblocked the bot'],
  added: ['tg:-599075523', 'line', 'membership', '➕ The bot was added to the chat'],
  promoted: ['tg:-599075523', 'no_change', 'membership', 'ℹ️ The rights of the bot in the chat changed'],
  removed: ['tg:-599075523', 'line', 'membership', '➖ The bot was removed from the chat'],
  addedToChannel: ['', 'no_dialog', 'membership', '➕ The bot was added to the chat'],
  connected: ['', 'business_connection', 'business_connection', ''],
  businessClient: ['tg:250918540:bJZl0xQABgUkRDgAA', 'words', 'text', 'Are you open?'],
  businessOwner: ['tg:250918540:bJZl0xQABgUkRDgAA', 'line', 'text', 'Olga (Telegram): Yes'],
  businessGreeting: ['tg:250918540:bJZl0xQABgUkRDgAA', 'line', 'text', 'Olga (Telegram): We answer soon'],
  businessOwnerPhoto: [
    'tg:250918540:bJZl0xQABgUkRDgAA',
    'line',
    'photo',
    'Olga (Telegram):',
    'photo_198283.jpg image/jpeg 162061 📷 Photo',
  ],
  businessEcho: ['tg:250918540:bJZl0xQABgUkRDgAA', 'own_echo', 'text', 'Yes'],
  businessEdited: ['tg:250918540:bJZl0xQABgUkRDgAA', 'words', 'text', 'Are you open now?'],
  businessDeleted: ['tg:250918540:bJZl0xQABgUkRDgAA', 'deletion', 'deleted_business_messages', ''],
  channelPost: ['', 'not_a_message', 'text', 'New boots'],
  editedChannelPost: ['', 'not_a_message', 'text', 'Boots'],
  pollAnswer: ['', 'not_a_message', 'poll_answer', '🗳 Voted for option 2'],
  pollState: ['', 'not_a_message', 'poll', ''],
  inlineQuery: ['', 'not_a_message', 'inline_query', ''],
  reactionCount: ['', 'not_a_message', 'message_reaction_count', ''],
  joinRequest: ['', 'not_a_message', 'chat_join_request', ''],
  guest: ['', 'not_a_message', 'text', '@shop_bot price?'],
  ofTomorrow: ['', 'not_a_message', 'unsupported', '❔ Unsupported event: telepathy'],
};

const parse = (update: object) => parseUpdate(update as Update, 1n, 'en');

describe('an update of every kind', () => {
  it.each(Object.entries(EXPECTED))('%s', (name, expected) => {
    const { said, chat } = parse(UPDATES[name as keyof typeof UPDATES]);
    const outcome = said!.ignored?.code ?? (said!.systemLine ? 'line' : 'words');
    const files = (said!.attachments ?? []).map(
      ({ name, mime = '', size = '', label }) => `${name} ${mime} ${size} ${label}`,
    );
    const quoted = said!.quoted ? `(${said!.quoted.name ?? ''}: ${said!.quoted.text})\n` : '';
    expect([chat?.externalId ?? '', outcome, said!.kind, quoted + said!.text, ...files]).toEqual(expected);
  });

  it('is there for every type that is asked for', () => {
    const types = new Set(Object.values(UPDATES).flatMap((update) => Object.keys(update)));
    expect(ALLOWED_UPDATES.filter((type) => !types.has(type))).toEqual([]);
  });
});

describe('an update with something wrong in it', () => {
  it('is relayed with something to read, or kept with a reason; it never throws', () => {
    fc.assert(
      fc.property(mutatedUpdates, fc.constantFrom('en' as const, 'ru' as const), (update, language) => {
        const parsed = parseUpdate(update as unknown as Update, 1n, language);
        const { chat, said, edits, telegramMessageId, replyTo, connection } = parsed;
        expect(said!.raw).toBe(update);
        expect(said!.kind).not.toBe('');
        expect(said!.text).not.toMatch(/\0|\p{Surrogate}/u);
        for (const mark of said!.marks) expect(mark.offset + mark.length).toBeLessThanOrEqual(said!.text.length);
        if (chat) expect(chat.externalId).toMatch(/^tg:-?\d+(?::\d+|:b[^:|]+)?$/);
        if (chat) expect(isBlank(chat.title) && chat.title === '').toBe(false);
        if (said!.ignored) {
          expect(said!.ignored.detail).not.toBe('');
          expect(edits ?? telegramMessageId).toBeUndefined();
        } else {
          expect(chat).not.toBeNull();
          const files = said!.attachments ?? [];
          if (!edits) expect(isBlank(said!.text) && files.length === 0).toBe(false);
          for (const { name, label, telegramFileId } of files) {
            expect(name).toMatch(/^[^/\\\p{Cc}]{1,100}$/u);
            expect(isBlank(label)).toBe(false);
            expect(telegramFileId).not.toBe('');
          }
        }
        if (edits) expect(telegramMessageId).toBeGreaterThan(0n);
        if (replyTo) expect(replyTo.telegramMessageId).toBeTypeOf('bigint');
        if (connection) expect(connection.ownerId).toBeTypeOf('bigint');
      }),
      { numRuns: runs(1_000) },
    );
  });
});
