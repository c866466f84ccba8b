/** Tags of the editors of the CRM and of letters: by one of them a text is known to be HTML. */
const TAGS =
  'a|b|blockquote|br|center|del|div|em|font|h[1-6]|hr|i|img|ins|li|ol|p|pre|s|small|span|strike|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul';
const TAG = String.raw`<\/?(?:${TAGS})(?:\s[^<>]*)?\/?>`;
const HTML = new RegExp(TAG, 'i');
/** Begins, and ends, of what nobody sees. */
const UNSEEN_EDGES = /<!--|-->|<(\/?)(style|script|head|title)\b[^<>]*>/gi;
const LINE_ENDS = /<br\s*\/?>|<hr(?:\s[^<>]*)?\/?>|<\/(?:blockquote|div|h[1-6]|li|p|pre|tr)>/gi;
const CELL_ENDS = /<\/t[dh]>(?=\s*<t[dh]\b)/gi;
const LINK = /<a\s([^<>]*)>((?:(?!<a\s)[^])*?)<\/a>/gi;
const HREF = /(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i;
/** What editors write for signs; https://html.spec.whatwg.org/multipage/named-characters.html has all. */
const CHARACTERS: Readonly<Record<string, string>> = {
  amp: '&',
  apos: "'",
  bdquo: '„',
  bull: '•',
  copy: '©',
  deg: '°',
  emsp: ' ',
  ensp: ' ',
  euro: '€',
  gt: '>',
  hellip: '…',
  laquo: '«',
  ldquo: '“',
  lsquo: '‘',
  lt: '<',
  mdash: '—',
  middot: '·',
  minus: '−',
  nbsp: ' ',
  ndash: '–',
  numero: '№',
  plusmn: '±',
  pound: '£',
  quot: '"',
  raquo: '»',
  rarr: '→',
  rdquo: '”',
  reg: '®',
  rsquo: '’',
  shy: '',
  thinsp: ' ',
  times: '×',
  trade: '™',
};

/**
 * A text in which a field of the CRM has put HTML, in words and BBCode: lines and links stay, looks go. Only where there
 * are tags: a text of a person may hold "<" and "&amp;". Takes time in proportion to the text, whatever it holds.
 */
export function withoutHtml(text: string): string {
  if (!HTML.test(text)) return text;
  return withoutUnseen(text)
    .replace(/\s+/g, (space) => (space.includes('\n') ? ' ' : space))
    .replace(LINK, (whole, attributes: string, label: string) => {
      const [, double, single, bare] = HREF.exec(attributes) ?? [];
      const address = double ?? single ?? bare;
      return address === undefined ? whole : linkOf(characters(address).trim(), label);
    })
    .replace(LINE_ENDS, '\n')
    .replace(CELL_ENDS, ' ')
    .replace(new RegExp(TAG, 'gi'), '')
    .replace(/&#(?:39|x27);/gi, "'")
    .replace(/&[a-z]+;/gi, characters)
    .replace(/[ \t\n]+/g, (space) => (space.includes('\n') ? space.replace(/[ \t]/g, '') : space))
    .trim();
}

/** Without comments, and elements that nobody sees; what does not end stays. */
function withoutUnseen(text: string): string {
  const edges = [...text.matchAll(UNSEEN_EDGES)].map(({ 0: edge, 1: slash, 2: name = '-->', index }) => ({
    of: name.toLowerCase(),
    isEnd: edge === '-->' || slash === '/',
    from: index,
    to: index + edge.length,
  }));
  const lastEnds = new Map(edges.filter(({ isEnd }) => isEnd).map(({ of, from }) => [of, from]));
  let seen = '';
  let shownFrom = 0;
  let inside: string | null = null;
  for (const { of, isEnd, from, to } of edges) {
    if (inside === null && !isEnd && lastEnds.get(of)! > from) {
      seen += text.slice(shownFrom, from);
      inside = of;
    } else if (inside === of && isEnd) {
      shownFrom = to;
      inside = null;
    }
  }
  return seen + text.slice(shownFrom);
}

function characters(encoded: string): string {
  return encoded.replace(/&([a-z]+);/gi, (whole, name: string) => CHARACTERS[name.toLowerCase()] ?? whole);
}

/** Nothing where it leads nowhere outside: an anchor, a script. */
function linkOf(address: string, label: string): string {
  if (!/^https?:\/\/[^\s[\]]+$/i.test(address)) return label;
  return label.replace(/<[^<>]*>/g, '').trim() === '' ? address : `[url=${address}]${label}[/url]`;
}
