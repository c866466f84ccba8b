import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectLinear } from '../../../test/fixtures/growth.js';
import { runs } from '../../../test/support/random-runs.js';
import { isBlank, normalise, plain, type Mark, type MarkType } from '../../relay/rich-text.js';
import { fromBBCode } from './bbcode.reader.js';
import { BITRIX_TEXT_LIMIT, splitForBitrix, toBBCode } from './bbcode.writer.js';

const Z = '\u200B';
const DASHES = '-'.repeat(54);

const typed = fc.string({
  unit: fc.oneof(
    fc.constantFrom(
      '[b]',
      '[/b]',
      '[i]',
      '[url=',
      '[url]',
      '[/url]',
      '[code]',
      '[/code]',
      '[quote]',
      '[/quote]',
      '[list]',
      '[*]',
      '[br]',
      '#BR#',
      '>>',
      '>',
      '\n',
      '\n>>',
      ']',
      '[',
      '/',
      '&amp;',
      '&#91;',
      '&',
      '#',
      ':f09f9880:',
      ':',
      '<img data-code="x">',
      DASHES,
      `\n${DASHES}\n`,
      '-',
      'http://x.y',
      '[user=1]',
      '[timestamp=1]',
      '[icon=a title=b]',
      '[table]',
      '[tr]',
      '[td]',
      '[/td]',
      '[/table]',
      '[p]',
      '[/p]',
      '[spoiler=a]',
      '[/spoiler]',
      '[call=1]',
      '[/call]',
      '[disk=1]',
      '😀',
      'a',
      ' ',
      'b]',
      'я',
      Z,
    ),
    fc.string({ maxLength: 3 }),
  ),
  maxLength: 14,
});
const types: MarkType[] = ['bold', 'italic', 'underline', 'strikethrough', 'spoiler', 'code', 'pre', 'quote', 'link'];
const marks = fc.array(
  fc
    .record({ type: fc.constantFrom(...types), offset: fc.nat(40), length: fc.nat(20) })
    .map((mark): Mark => (mark.type === 'link' ? { ...mark, url: 'https://a.example/[b]?q="x y"&amp;lt;#BR#' } : mark)),
  { maxLength: 6 },
);
const visible = (text: string) => text.replaceAll(Z, '');

describe('round trips', () => {
  it("show a client's words as he typed them", () => {
    fc.assert(
      fc.property(typed, (text) => {
        const clean = normalise(plain(text.replaceAll('\r', ''))).text;
        expect(visible(fromBBCode(toBBCode(plain(clean))).text)).toBe(visible(clean));
      }),
      { numRuns: runs(700) },
    );
  });

  it('keep the words of formatted text, line breaks around quotes aside', () => {
    const squeeze = (text: string) => visible(text).replace(/\s+/g, '');
    fc.assert(
      fc.property(typed, marks, (text, marks) => {
        const given = normalise({ text: text.replaceAll('\r', ''), marks });
        // Of a link that nobody sees the address is read.
        const seen = ({ type, offset, length }: Mark) =>
          type !== 'link' || !isBlank(given.text.slice(offset, offset + length));
        const rich = { ...given, marks: given.marks.filter(seen) };
        expect(squeeze(fromBBCode(toBBCode(rich)).text)).toBe(squeeze(rich.text));
      }),
      { numRuns: runs(700) },
    );
  });

  it('are stable from BBCode to BBCode', () => {
    fc.assert(
      fc.property(typed, (bbcode) => {
        const once = toBBCode(fromBBCode(bbcode));
        expect(toBBCode(fromBBCode(once))).toBe(once);
      }),
      { numRuns: runs(700) },
    );
  });
});

describe('hostile texts', () => {
  it.each([
    '[b]',
    '[b]a',
    '[i][b]',
    '[/b]',
    '[code]',
    '[code]a[/code]',
    '[code]\n',
    '[url=',
    '[url=[',
    '[url=]',
    '[url]',
    '[url] ',
    '[url]a:',
    '[url]a:[/url]',
    '[url=a.b]c',
    '[url=a.b]c[/url]',
    '[call=1]2[/call]',
    '[',
    '[[]',
    ']',
    '-',
    `${DASHES}\n`,
    `${DASHES}\na [`,
    `${DASHES}\na\n`,
    '#',
    ':aa',
    '&',
    '<img data-code=',
    '<img data-code="',
    '[quote]',
    'a[quote]',
    '[list]',
    '[list][*]',
    '[list][*]a[/list]b',
    '[*]',
    '[table][tr][td]',
    '[table][tr][td]a[/td][/tr][/table]',
    '[p]a[/p]',
    '[spoiler=a]b[/spoiler]',
    '[disk ',
    '[disk file id=',
    '>>[b]a\n',
    '>>a\nb\n',
    '[icon=a title=" ',
    '[icon=a title= ]',
    '[br',
    '[br ',
    '#BR#',
  ])('%j is read in linear time', (unit) => {
    expectLinear(unit, fromBBCode);
  });

  it.each([
    '[b]',
    '[code]',
    '[url=',
    '[',
    '-',
    ':aa',
    '&',
    '<img data-code=',
    '[quote]',
    '[list][*]',
    '>>[b]a\n',
    '[icon=a title=" ',
  ])('20,000 characters of %j are read, written and cut quickly', (unit) => {
    const text = unit.repeat(BITRIX_TEXT_LIMIT / unit.length);
    const started = process.cpuUsage();
    splitForBitrix(fromBBCode(text));
    toBBCode(plain(text));
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(2_000);
  });
});
