import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  makeBusinessKey,
  makeChatId,
  makeClientMessageId,
  makeDiskAddress,
  makeNoteId,
  makePartId,
  makeReportedId,
  makeUserId,
  parseChatId,
  parseDiskAddress,
  parseReportedId,
  parseShortMessageId,
  parseUserId,
  type ChatIdParts,
} from './external-ids.js';

const LONGEST = 10n ** 15n - 1n;
const positive = fc.bigInt({ min: 1n, max: LONGEST });
const telegramChatId = fc.oneof(positive, fc.bigInt({ min: -LONGEST, max: -1n }));
const businessKey = fc.string({ minLength: 1, maxLength: 60, unit: 'grapheme' }).map(makeBusinessKey);
const chat: fc.Arbitrary<ChatIdParts> = fc.oneof(
  fc.record({ telegramChatId }),
  fc.record({ telegramChatId, threadId: positive }),
  fc.record({ telegramChatId, businessKey }),
);
const LONG_CHAT = makeChatId({ telegramChatId: 1n, businessKey: 'k'.repeat(120) });

describe('frozen forms', () => {
  it.each([
    [makeChatId({ telegramChatId: 123456n }), 'tg:123456'],
    [makeChatId({ telegramChatId: -1001234567890n, threadId: 5n }), 'tg:-1001234567890:5'],
    [makeChatId({ telegramChatId: 123456n, businessKey: makeBusinessKey('A:b|c') }), 'tg:123456:bA_b_c'],
    [makeUserId(-42n), 'tg:-42'],
    [makeClientMessageId('tg:1', { telegramMessageId: 77n }), 'tg:1:77'],
    [makeClientMessageId('tg:1', { telegramMessageId: 77n, messageId: 5n }), 'tg:1:77:m5'],
    [makeClientMessageId('tg:1', { messageId: 5n }), 'tg:1:m5'],
    [makePartId('tg:1:77', 1), 'tg:1:77'],
    [makePartId('tg:1:77', 2), 'tg:1:77:2'],
    [makeNoteId('tg:1', 5n, 3n), 'tg:1:note5-3'],
    [makeReportedId('tg:1:5', 77n), 'tg:1:5:77'],
    [makeDiskAddress('12'), 'disk:12'],
    [parseShortMessageId('b24:1'), '1'],
    [parseShortMessageId('1'), '1'],
    [
      makeClientMessageId(LONG_CHAT, { telegramMessageId: 77n }),
      `tg:1:b${'k'.repeat(61)}.8aca7c0e860120aca57f4048fabe7e64`,
    ],
  ])('%s', (made, frozen) => {
    expect(made).toBe(frozen);
  });

  it.each(['', 'tg:', 'tg:0', 'tg:x', 'tg:1:', 'tg:1:b', 'tg:1:0', 'tg:1:2:3', 'wa:1', ' tg:1', 'tg:1234567890123456'])(
    '%j names no chat',
    (id) => expect(parseChatId(id)).toBeNull(),
  );

  it.each(['', 'tg:', 'tg:0', 'tg:x', 'tg:1:2', 'wa:1', 'tg:1234567890123456'])('%j names nobody', (id) =>
    expect(parseUserId(id)).toBeNull(),
  );
});

describe('what is made is read back', () => {
  it('chats', () => {
    fc.assert(
      fc.property(chat, (parts) => {
        expect(parseChatId(makeChatId(parts))).toEqual(parts);
      }),
    );
  });

  it('users', () => {
    fc.assert(
      fc.property(telegramChatId, (id) => {
        expect(parseUserId(makeUserId(id))).toBe(id);
      }),
    );
  });

  it('files', () => {
    fc.assert(
      fc.property(fc.string(), (id) => {
        expect(parseDiskAddress(makeDiskAddress(id))).toBe(id);
      }),
    );
    expect(parseDiskAddress('https://acme.bitrix24.com/disk:1')).toBeNull();
  });

  it('reported messages, unless a hash stands for their end', () => {
    fc.assert(
      fc.property(chat, positive, (parts, id) => {
        const chatId = makeChatId(parts);
        const isWhole = `${chatId}:${id}`.length <= 100;
        expect(parseReportedId(makeReportedId(chatId, id))).toBe(isWhole ? id : null);
      }),
    );
    expect(parseReportedId(makeReportedId(LONG_CHAT, 77n))).toBeNull();
  });
});

it('the messages of a chat have ids of their own, of at most 100 characters', () => {
  const part = fc.integer({ min: 1, max: 9 });
  const id = fc.oneof(
    fc.record({ telegramMessageId: positive, part }),
    fc.record({ telegramMessageId: positive, messageId: positive, part }),
    fc.record({ messageId: positive, part }),
    fc.record({ noteOn: positive, place: positive }),
  );
  fc.assert(
    fc.property(chat, fc.uniqueArray(id, { selector: (one) => JSON.stringify(one, text) }), (parts, messages) => {
      const chatId = makeChatId(parts);
      const ids = messages.map((one) =>
        'noteOn' in one
          ? makeNoteId(chatId, one.noteOn, one.place)
          : makePartId(makeClientMessageId(chatId, one), one.part),
      );
      expect(new Set(ids).size).toBe(messages.length);
      for (const one of ids) expect(one.length).toBeLessThanOrEqual(100);
    }),
  );
});

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
