/** Tags of the editors of the CRM and of letters: by one of them a text is known to be HTML. */
const TAGS =
  'a|b|blockquote|br|center|del|div|em|font|h[1-6]|hr|i|img|ins|li|ol|p|pre|s|small|span|strike|strong|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul';
const TAG = String.raw`<\/?(?:${TAGS})(?:\s[^<>]*)?\/?>`;
const HTML = new RegExp(TAG, 'i');
/** Nobody sees what stands in these. */
const UNSEEN = /<!--[^]*?-->|<(style|script|head|title)\b[^>]*>[^]*?<\/\1\s*>/gi;
const LINE_ENDS = /<br\s*\/?>|<hr(?:\s[^<>]*)?\/?>|<\/(?:blockquote|div|h[1-6]|li|p|pre|tr)>/gi;
const CELL_ENDS = /<\/t[dh]>(?=\s*<t[dh]\b)/gi;
const LINK = /<a\s(?:[^<>]*?\s)?href\s*=\s*(?:"([^"<>]*)"|'([^'<>]*)'|([^\s"'<>]+))[^<>]*>([^]*?)<\/a>/gi;
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
 * are tags: a text of a person may hold "<" and "&amp;".
 */
export function withoutHtml(text: string): string {
  if (!HTML.test(text)) return text;
  return text
    .replace(UNSEEN, '')
    .replace(/\s*\r?\n\s*/g, ' ')
    .replace(LINK, (_, double?: string, single?: string, bare?: string, label?: string) =>
      linkOf(characters(double ?? single ?? bare ?? '').trim(), label ?? ''),
    )
    .replace(LINE_ENDS, '\n')
    .replace(CELL_ENDS, ' ')
    .replace(new RegExp(TAG, 'gi'), '')
    .replace(/&#(?:39|x27);/gi, "'")
    .replace(/&[a-z]+;/gi, characters)
    .replace(/[ \t]+\n/g, '\n')
    .replace(/\n[ \t]+/g, '\n')
    .trim();
}

function characters(encoded: string): string {
  return encoded.replace(/&([a-z]+);/gi, (whole, name: string) => CHARACTERS[name.toLowerCase()] ?? whole);
}

/** Nothing where it leads nowhere outside: an anchor, a script. */
function linkOf(address: string, label: string): string {
  if (!/^https?:\/\/[^\s[\]]+$/i.test(address)) return label;
  return label.replace(/<[^<>]*>/g, '').trim() === '' ? address : `[url=${address}]${label}[/url]`;
}
