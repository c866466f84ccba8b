import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { openableLink } from '../../src/connector/markup/bitrix-links.js';
import { BITRIX_TEXT_LIMIT, splitForBitrix, toBBCode } from '../../src/connector/markup/bbcode.writer.js';
import { normalise, type Mark, type MarkType, type RichText } from '../../src/relay/rich-text.js';
import { seenByOperator, type OperatorView } from '../support/bitrix24-simulator/operator-view.js';
import { runs } from '../support/random-runs.js';

/** What a client may write, oddities first: each is read as something by the portal or by the messenger. */
const PIECES = (
  '[b]|[/b]|[i]|[url=|[url]|[/url]|[code]|[/code]|[br]|[BR]|#BR#|BR#|#BR|>>|>|&gt;&gt;|/me|/loud|/menu|/|[cut]|[/cut]|' +
  '[cut=x]|[cutting]|[call]|[/call]|[call=+7999]|[put]|[/put]|[put=x]|[send=x]|[/send]|[user=1]|[/user]|[chat=1]|[like]|' +
  '[rating=5]|[icon=https://a.b/c.png]|[disk=1]|[timestamp=1 format=SHORT_TIME_FORMAT]|[img]|[/img]|[size=20]|[/size]|' +
  '[color=#ff0000]|[/color]|[context=chat1/2]|[pch=1]|[nomodify]|<nomodify>|<br />|<img data-code="x">|' +
  '####REPLACEMENT_MARK_0####|####REPLACEMENT_MARK_7####|####REPLACEMENT_PUT_0####|####REPLACEMENT_PUT_7####|' +
  '####REPLACEMENT_CODE_0####|####REPLACEMENT_SEND_0####|####|#|-|&amp;|&#91;|&#93;|&quot;|&#33;|&|' +
  ':f09f9880:|:f09f98:|:deadbeef:|:|$$|$&|$`|$\'|$"|$|(c)|(C)|(TM)|(R)|(|)|«|»|"|\'|\\"|\\|javascript:|{|}|[|]|.|,|!|?|;|*|' +
  'https://shop.example/a?b=1|http://x.y|https://a.b/c[1]|https://a.b/(d)|www.a.example|HTTPS://A.example/|' +
  'https://a.b/c.|https://пример.рф/я|tg://resolve?domain=a|ftp://f.example/x|skype://x|mailto:a@b.c|a@b.example|' +
  "http://|www.|https://a.b/it's|https://a.b/?q=(https://c.d)|?PHPSESSID=0123456789abcdef0123456789abcdef|" +
  'слово|word|a|я|1|0|😀|\u200B| |  |    |\n|\n\n'
).split('|');
const DASHES = ['-'.repeat(53), '-'.repeat(54), `\n${'-'.repeat(54)}\n`, '-'.repeat(55)];
const ADDRESSES = [
  'https://a.example/[b]?q="x y"&amp;lt;#BR#',
  'http://x.y',
  'https://a.b/c.',
  'HTTPS://A.example/B',
  'https://a.b/####REPLACEMENT_MARK_7####',
  'https://a.b/:f09f9880:/(C)/javascript:x',
  `https://a.b/${'-'.repeat(60)}?PHPSESSID=0123456789abcdef0123456789abcdef`,
  'mailto:a@b.c?subject=x y',
  'tel:+79991234567',
  'tg://resolve?domain=a',
  'javascript:alert(1)',
  'intranet/page',
  'http://[::1]/x',
  'http://portal/x',
];
const TYPES: MarkType[] = ['bold', 'italic', 'underline', 'strikethrough', 'spoiler', 'code', 'pre', 'quote', 'link'];

const words = fc.array(fc.constantFrom(...PIECES, ...PIECES, ...DASHES), { maxLength: 12 }).map((all) => all.join(''));
const marks = fc.array(
  fc.record({
    type: fc.constantFrom(...TYPES),
    offset: fc.nat(60),
    length: fc.nat(25),
    address: fc.constantFrom(...ADDRESSES),
  }),
  { maxLength: 6 },
);
const written = fc.record({ words, marks }).map(({ words: text, marks: chosen }): RichText => {
  const all = chosen.map(({ address, ...mark }): Mark => (mark.type === 'link' ? { ...mark, url: address } : mark));
  return normalise({ text, marks: all });
});

const bare = (text: string) => text.replaceAll('\u200B', '').replace(/\s+/g, ' ').trim();
const isCode = ({ type }: Mark) => type === 'code' || type === 'pre';
const wordsOf = ({ text }: RichText, { offset, length }: Mark) => text.slice(offset, offset + length);
const isShownAsCode = (rich: RichText, mark: Mark) =>
  isCode(mark) && !/\[br\]|#br#|\$(?:[$&<>"'`\t]| {4})/i.test(wordsOf(rich, mark)) && bare(wordsOf(rich, mark)) !== '';

/** What must be read: the words, with blocks on lines of their own and the addresses of links that nobody can open. */
function expectedWords(rich: RichText): string {
  const inserted = rich.marks.flatMap((mark): [number, string, number][] => {
    const end = mark.offset + mark.length;
    if (mark.type === 'quote' || isShownAsCode(rich, mark))
      return [
        [mark.offset, '\n', 1],
        [end, '\n', 1],
      ];
    const isSaid =
      mark.type !== 'link' ||
      openableLink(mark.url!) !== undefined ||
      wordsOf(rich, mark).trim() === mark.url ||
      rich.marks.some(({ type, url, offset }) => type === 'link' && url === mark.url && offset === end);
    return isSaid ? [] : [[end, ` (${mark.url!})`, 0]];
  });
  let text = rich.text;
  for (const [at, words] of inserted.toSorted((a, b) => b[0] - a[0] || b[2] - a[2]))
    text = text.slice(0, at) + words + text.slice(at);
  return bare(text);
}

/** Two ways to write the same address, whatever is percent-encoded in them. */
function sameAddress(a: string, b: string): boolean {
  const plain = (url: string) => {
    const { href } = new URL(url.trim().replace(/[[\]]/g, (one) => encodeURIComponent(one)));
    return decodeURIComponent(href.replace(/%(?![0-9a-f]{2})/gi, '%25')).replace(/[.,?!;]$/, '');
  };
  return URL.canParse(a) && URL.canParse(b) && plain(a) === plain(b);
}

/** The address stands in the words, and the label is it, or the part of it that has the same style. */
function isWritten({ text }: RichText, label: string, url: string): boolean {
  const plain = (words: string) =>
    decodeURIComponent(words.replace(/%(?![0-9a-f]{2})/gi, '%25'))
      .replaceAll('\u200B', '')
      .toLowerCase();
  return [url, url.replace('http://', '')].some(
    (address) => plain(text).includes(plain(address)) && plain(address).includes(plain(label)),
  );
}

function checkLinks(rich: RichText, view: OperatorView): void {
  const meant = wholeLinks(rich.marks.filter(({ type, url }) => type === 'link' && openableLink(url!) !== undefined));
  for (const { text, url } of view.links) {
    const label = bare(text);
    const isMeant = meant.some((mark) => {
      const words = bare(wordsOf(rich, mark));
      // A link and the same address written out beside it are one.
      return sameAddress(mark.url!, url) && (words.includes(label) || label.includes(words));
    });
    expect(isMeant || isWritten(rich, label, url), `${text} leads to ${url}`).toBe(true);
  }
  for (const mark of meant) {
    const label = bare(view.links.map(({ text, url }) => (sameAddress(mark.url!, url) ? text : '')).join(''));
    const words = bare(wordsOf(rich, mark));
    expect(label.replaceAll(' ', ''), `${words} leads to ${mark.url!}`).toContain(words.replaceAll(' ', ''));
  }
}

/** What a style or a quote has cut in two is one link. */
function wholeLinks(links: Mark[]): Mark[] {
  return links.reduce<Mark[]>((whole, mark) => {
    const last = whole.at(-1);
    const goesOn = last?.url === mark.url && last!.offset + last!.length === mark.offset;
    return goesOn ? [...whole.slice(0, -1), { ...last!, length: last!.length + mark.length }] : [...whole, mark];
  }, []);
}

it('random texts of clients are read by the operator as they were written', { timeout: 180_000 }, () => {
  fc.assert(
    fc.property(written, (rich) => {
      for (const part of splitForBitrix(rich)) {
        const view = seenByOperator(toBBCode(part));
        // Spoilers are not shown, so what they cut in two is whole.
        const shown = normalise({ text: part.text, marks: part.marks.filter(({ type }) => type !== 'spoiler') });
        expect(bare(view.text)).toBe(expectedWords(shown));
        checkLinks(shown, view);
        const code = bare(view.code.join('\n'));
        for (const mark of shown.marks.filter((one) => isShownAsCode(shown, one)))
          for (const line of wordsOf(shown, mark).split('\n')) expect(code).toContain(bare(line));
      }
    }),
    { numRuns: runs(2_000) },
  );
});

it.each([
  '####REPLACEMENT_MARK_7####',
  '[code]x[/code]',
  '[put]',
  '[call]x[/call]',
  'https://a.b/c[b]',
  '(https://a.b ',
  '[cut]x[/cut]',
])('20,000 characters of %j are read as they are', (piece) => {
  const text = piece.repeat(Math.floor(BITRIX_TEXT_LIMIT / piece.length));
  const seen = splitForBitrix({ text, marks: [] }).map((part) => bare(seenByOperator(toBBCode(part)).text));
  expect(seen.join('').replaceAll(' ', '')).toBe(bare(text).replaceAll(' ', ''));
});
