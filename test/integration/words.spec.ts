import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fromBBCode } from '../../src/connector/markup/bbcode.reader.js';
import { BITRIX_TEXT_LIMIT, splitForBitrix, toBBCode } from '../../src/connector/markup/bbcode.writer.js';
import {
  fromEntities,
  splitForTelegram,
  TELEGRAM_TEXT_LIMIT,
  toEntities,
} from '../../src/telegram/markup/telegram-markup.js';
import { runs } from '../support/random-runs.js';

const PIECES =
  '[b] [/b] [i] [/i] [u] [/u] [s] [/s] [code] [/code] [quote] [/quote] [url] [url=https://a.example/?b=1&c=2] [/url] [list] [*] [/list] ' +
  '[br] #BR# [x] [ ] >> &amp; &lt;b&gt; 👩‍👩‍👧 😀 я слово word';
const bbcode = fc
  .array(fc.oneof(fc.constantFrom(...PIECES.split(' '), ' ', '\n'), fc.string({ maxLength: 4 })), { maxLength: 24 })
  .map((pieces) => pieces.join(''));
/** Long enough to be cut in either network. */
const long = fc
  .tuple(bbcode, bbcode, fc.constantFrom('слово ', 'a[b]b[/b] ', '😀', '[i]x\n'), fc.integer({ min: 700, max: 5_000 }))
  .map(([before, after, unit, times]) => `${before}${unit.repeat(times)}${after}`);

/** As an operator wrote it, as the client has it, and back. */
const thereAndBack = (text: string) => {
  const sent = toEntities(fromBBCode(text));
  return toBBCode(fromEntities(sent.text, sent.entities));
};
const squeezed = (text: string) => text.replace(/[\s\u200b]+/g, '');

describe('words on their way through both networks', () => {
  it('settle: what came back once comes back the same', () => {
    fc.assert(
      fc.property(bbcode, (text) => {
        const once = thereAndBack(text);
        expect(thereAndBack(once)).toBe(once);
      }),
      { numRuns: runs(500), examples: [['[b][quote] [url=https://a.example/?b=1&c=2][br]']] },
    );
  });

  it('to Telegram: parts within the limit, with valid entities, that make up the whole', () => {
    fc.assert(
      fc.property(long, (text) => {
        const rich = fromBBCode(text);
        const parts = splitForTelegram(rich).map(toEntities);
        expect(squeezed(parts.map((part) => part.text).join(''))).toBe(squeezed(rich.text));
        for (const { text: words, entities } of parts) {
          expect(words.length).toBeLessThanOrEqual(TELEGRAM_TEXT_LIMIT);
          expect(words.trim()).not.toBe('');
          expect(entities.length).toBeLessThanOrEqual(100);
          for (const { offset, length } of entities) expect(offset + length).toBeLessThanOrEqual(words.length);
        }
      }),
      { numRuns: 30 },
    );
  });

  it('to Bitrix24: BBCode within the limit that makes up the whole', () => {
    fc.assert(
      fc.property(long, (text) => {
        const rich = fromBBCode(text);
        const parts = splitForBitrix(rich).map(toBBCode);
        for (const part of parts) expect(part.length).toBeLessThanOrEqual(BITRIX_TEXT_LIMIT);
        expect(squeezed(parts.map((part) => fromBBCode(part).text).join(''))).toBe(squeezed(rich.text));
      }),
      { numRuns: 30 },
    );
  });
});
