import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EVENTS } from '../../../test/fixtures/bitrix24/events.js';
import { mutationsOf } from '../../../test/fixtures/mutations.js';
import { runs } from '../../../test/support/random-runs.js';
import { eventKey } from './event.key.js';
import { eventLanguage, parseLineDelete, parseStatusDelete, parseUninstall } from './lifecycle-events.parser.js';
import { MalformedEvent, parseEvent } from './event.parser.js';
import { parseOperatorChanges } from './message-changes.parser.js';
import { parseOperatorMessages } from './operator-messages.parser.js';

const CONTEXT = { portalId: 7n, connectorId: 'tg_bridge', unsigned: false };

const messagesOf = (body: unknown) => parseOperatorMessages(parseEvent(body), CONTEXT);
const changesOf = (body: unknown) => parseOperatorChanges(parseEvent(body), 7n);

/** Chat, kind or reason why it goes nowhere, words, files. */
type Row = [chat: string, what: string, text: string, ...files: string[]];

const SAID: Partial<Record<keyof typeof EVENTS, Row[]>> = {
  text: [['tg:777', 'text', 'Good afternoon! :)']],
  signed: [['tg:777', 'text', 'Samantha Johnson: \nGood afternoon!']],
  signedByOlder: [['tg:777', 'text', 'Эдди Ким:\n фывыфв']],
  quotation: [['tg:777', 'text', 'Ivan Petrov [today, 14:05]\nRed or blue?\nBlue']],
  quotedLines: [['tg:777', 'text', 'Red or blue?\nBlue']],
  file: [['tg:777', 'document', '', '📎 offer.pdf (177.78 KB)']],
  files: [['tg:777', 'photo', 'Two views', '📎 house.jpg (177.78 KB)', '📎 house.jpg (177.78 KB)']],
  fileOfOlderPortal: [['tg:777', 'video', 'Samantha Johnson: ', '📎 tour.mp4']],
  signedQuotation: [['tg:777', 'text', 'Samantha Johnson: \nIvan Petrov [today, 14:05]\nRed or blue?\nBlue']],
  card: [['tg:777', 'text', 'Your order\nOrder 5\nPay']],
  cardInMessage: [['tg:777', 'text', 'Your order\nOrder 5\nPay']],
  richLink: [['tg:777', 'text', 'Boots\nWarm']],
  linkOnly: [['tg:777', 'text', 'https://acme.example']],
  welcome: [['tg:777', 'text', 'We answer within five minutes']],
  several: [
    ['tg:777', 'text', 'one'],
    ['tg:778', 'text', 'two'],
  ],
  listWithGaps: [['tg:777', 'text', 'three']],
  otherConnector: [['tg:777', 'foreign_connector', 'not for us']],
  shortForm: [['tg:777', 'text', 'Hello']],
};

describe('an event of every kind', () => {
  it.each(Object.entries(SAID))('%s', (name, expected) => {
    const read = messagesOf(EVENTS[name as keyof typeof EVENTS]).map(({ externalChatId, said }) => [
      externalChatId,
      said.ignored?.code ?? said.kind,
      said.text,
      ...(said.attachments ?? []).map(({ label }) => label),
    ]);
    expect(read).toEqual(expected);
  });

  it('changes of messages', () => {
    expect(changesOf(EVENTS.edited)).toMatchObject([{ bitrixMessageId: '86497', words: { text: 'Good evening!' } }]);
    expect(changesOf(EVENTS.editedQuotation)).toMatchObject([{ rest: { text: 'Green' } }]);
    expect(changesOf(EVENTS.deleted)).toMatchObject([{ words: null, telegramMessageIds: [11n, 12n] }]);
    expect(changesOf(EVENTS.deletedAsDocumented)).toMatchObject([{ words: null, telegramMessageIds: [11n] }]);
  });

  it('lines and the application', () => {
    expect(parseStatusDelete(EVENTS.statusDeleted['data'])).toEqual({ connector: 'tg_bridge', lineId: '107' });
    expect(parseLineDelete(EVENTS.lineDeleted['data'])).toBe('107');
    expect(eventLanguage(parseEvent(EVENTS.installed))).toBe('ru');
    expect(parseUninstall(EVENTS.uninstalled['data'])).toEqual({ clean: false });
  });
});

describe('an event with something wrong in it', () => {
  it('is read, or refused as malformed; no message in it goes without a record', () => {
    fc.assert(
      fc.property(mutationsOf<object>(Object.values(EVENTS)), ({ mutated }) => {
        const event = unlessMalformed(() => parseEvent(mutated));
        if (!event) return;
        expect(eventKey(event)).toMatch(/:[0-9a-f]{32}$/);
        for (const change of parseOperatorChanges(event, 7n)) {
          expect(change.bitrixMessageId).not.toBe('');
          if (change.words) expectReadable(change.words);
        }
        parseStatusDelete(event.data);
        parseLineDelete(event.data);
        parseUninstall(event.data);
        eventLanguage(event);
        const messages = unlessMalformed(() => parseOperatorMessages(event, CONTEXT));
        expect(messages).not.toEqual([]);
        for (const { externalChatId, bitrixMessageId, said, quoted } of messages ?? []) {
          expect(bitrixMessageId).not.toBe('');
          expectReadable(said);
          if (quoted) expectReadable(quoted.rest);
          if (said.ignored) expect(said.ignored.detail).not.toBe('');
          else expect(externalChatId).not.toBe('');
          for (const { name, label } of said.attachments ?? []) expect([name, label]).not.toContain('');
          expect(JSON.stringify(said.raw)).not.toContain('c978cb6900705d1a006f6d4a');
        }
      }),
      { numRuns: runs(1_000) },
    );
  });
});

function unlessMalformed<Value>(read: () => Value): Value | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof MalformedEvent) return null;
    throw error;
  }
}

function expectReadable({ text, marks }: { text: string; marks: unknown }): void {
  expect(text).not.toMatch(/\0|\p{Surrogate}/u);
  for (const { offset, length } of marks as { offset: number; length: number }[]) {
    expect(offset).toBeGreaterThanOrEqual(0);
    expect(offset + length).toBeLessThanOrEqual(text.length);
  }
}
