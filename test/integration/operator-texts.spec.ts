import * as fc from 'fast-check';
import type { MessageEntity } from '@grammyjs/types';
import { expect, it } from 'vitest';
import { fromBBCode } from '../../src/connector/markup/bbcode.reader.js';
import type { MediaKind } from '../../src/telegram/outbound/media-kind.js';
import { planMessage } from '../../src/telegram/outbound/message-plan.js';
import { toEntities, withoutEntities } from '../../src/telegram/markup/telegram-markup.js';
import { checkLink, LinkFault } from '../support/telegram-simulator/link.check.js';
import { runs } from '../support/random-runs.js';
import {
  formatCaption,
  formatText,
  readEntities,
  type FormattedText,
} from '../support/telegram-simulator/message.entities.js';

const TEXTS = runs(2_000);

const from = (...values: string[]) => fc.constantFrom(...values);
const url = fc.oneof(
  {
    weight: 3,
    arbitrary: from('https://a.example/b?c=1&d=2#e', 'http://a.example', 'a.example/b', 'tg://resolve?domain=x'),
  },
  {
    weight: 2,
    arbitrary: from(
      'tel:+74951234567',
      'mailto:a@b.example',
      'http://portal/crm/deal/5/',
      'localhost:8080',
      '/crm/deal/5/',
      'ftp://a.example/b',
      'javascript:alert(1)',
      'sip:a@b.example',
      'a@b.example',
      'tg://a.example',
      'https:a.example',
    ),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(
        from('http://', 'https://', 'HTTPS://', '', 'tg:', 'ton://', 'ftp://'),
        from('', '', '', 'u@', 'u:p@', 'u%41@', 'u|@', 'u%4@', 'é@'),
        from(
          'a.example',
          'portal',
          'пример.рф',
          '10.0.0.1',
          '(::1)',
          'a_b.example',
          'a,b.example',
          'a|b.example',
          '.',
          '',
          'a%4.example',
        ),
        from('', '', '', ':80', ':0', ':65535', ':65536', ':x', ':'),
        from('', '/', '/b/c', '?q=1', '#f', '/я', '/%zz', "/'kicked'"),
      )
      .map((parts) => parts.join('')),
  },
);
const odd = fc.constantFrom(
  ...'\u2028 \u2029 \u202E \u202A \u0001 \u030A A\u030A e\u0301 \u0333 \uFFFC \u200B \u2800 \u{E0041} \u3164'.split(
    ' ',
  ),
  ...'😀 👩‍👩‍👧 [ ] &amp;'.split(' '),
  ...'\r\n\t\v \u00A0\uFEFF',
);
const tag = from(
  '[b]',
  '[/b]',
  '[i]',
  '[/i]',
  '[s]',
  '[/s]',
  '[quote]',
  '[/quote]',
  '\n>>',
  '\n',
  '[list][*]',
  '[/list]',
);
/** `W` becomes a word of its own in every place; its letters have no accented forms. */
const piece = fc.oneof(
  { weight: 4, arbitrary: from('W', ' W', 'W ', '[code]W[/code]', '[u]W[/u]', 'W\nW') },
  { weight: 3, arbitrary: url.map((address) => `[url=${address}]W[/url]`) },
  { weight: 1, arbitrary: url.map((address) => `[b]W [url=${address}]W[/b] W[/url]`) },
  { weight: 2, arbitrary: odd },
  { weight: 2, arbitrary: tag },
);
const repeated = fc.tuple(piece, fc.integer({ min: 20, max: 200 })).map(([text, times]) => `${text} `.repeat(times));
const text = fc
  .array(fc.oneof({ weight: 250, arbitrary: piece }, { weight: 1, arbitrary: repeated }), { maxLength: 10 })
  .map((pieces) => {
    let count = 0;
    return pieces.join('').replace(/W/g, () => `q${count++}q`);
  });
const files = fc.constantFrom<MediaKind[]>([], [], ['photo'], ['photo', 'video']);

/** What Telegram makes of every call that the program plans; it throws when one is refused. */
function received(bbcode: string, kinds: MediaKind[]): { sent: string; got: FormattedText }[] {
  const calls = planMessage({
    words: fromBBCode(bbcode),
    heading: null,
    attached: kinds.length,
    files: kinds.map((kind, ordinal) => ({ ordinal, kind })),
    sent: new Set(),
  });
  return calls.flatMap((call) => {
    const words = call.type === 'text' ? call.words : call.caption;
    if (words === null) return [];
    const format = call.type === 'text' ? formatText : formatCaption;
    const bare = withoutEntities(words, call.type === 'text' ? 4096 : 1024);
    format(bare.text, []);
    const { text: sent, entities } = toEntities(words);
    return [{ sent, got: format(sent, readEntities(JSON.parse(JSON.stringify(entities)))) }];
  });
}

/** The address that a reader of these words is led to. */
function target(words: string, { text: whole, entities }: FormattedText): string | undefined {
  const at = whole.indexOf(words);
  const isOver = ({ offset, length }: MessageEntity) => offset <= at && at + words.length <= offset + length;
  const link = entities.find((entity) => entity.type === 'text_link' && isOver(entity));
  return link && 'url' in link ? link.url : undefined;
}

function isTaken(address: string): boolean {
  try {
    checkLink(address);
    return true;
  } catch (error) {
    if (error instanceof LinkFault) return false;
    throw error;
  }
}

const isOfTheWeb = (address: string) => /^https?:\/\//i.test(address);
/** Where a browser goes. */
const opened = (address: string) => (URL.canParse(address) ? new URL(address).href : address);

it(`${TEXTS} texts of operators: none is refused, no word is lost, links lead where they say`, () => {
  fc.assert(
    fc.property(text, files, (bbcode, kinds) => {
      const messages = received(bbcode, kinds);
      for (const { sent, got } of messages) expect(got.text).toBe(sent);

      const whole = messages.map(({ got }) => got.text).join('');
      let at = 0;
      for (const [word] of bbcode.matchAll(/q\d+q/g)) {
        at = whole.indexOf(word, at);
        expect(at, `${word} in ${JSON.stringify(whole)}`).toBeGreaterThanOrEqual(0);
      }

      for (const [, address, word] of bbcode.matchAll(/\[url=([^\]]+)\](q\d+q)/g)) {
        const message = messages.find(({ got }) => got.text.includes(word!))!;
        const led = target(word!, message.got);
        if (led === undefined) {
          expect(isOfTheWeb(address!) && isTaken(address!), `${address} is no link`).toBe(false);
          // One that begins with a domain is read as Telegram reads it.
          const written = address!.replace('&amp;', '&');
          expect(
            [`(${written})`, `(http://${written})`].some((shown) => whole.includes(shown)),
            written,
          ).toBe(true);
        } else if (isOfTheWeb(address!)) {
          expect(opened(led)).toBe(opened(address!));
        } else {
          expect(led.replace(/^http:\/\/|\/$/g, '')).toBe(checkLink(address!).replace(/^http:\/\/|\/$/g, ''));
        }
      }
    }),
    { numRuns: TEXTS },
  );
}, 180_000);
