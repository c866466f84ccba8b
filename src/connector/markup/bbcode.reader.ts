import { isBlank, normalise, type Mark, type MarkType, type RichText } from '../../relay/rich-text.js';
import { BARE, VALUED, VOID } from './bbcode.tags.js';
import { passagesOf, type Passage } from './quote.parser.js';

const MARKS: ReadonlyMap<string, MarkType> = new Map([
  ['b', 'bold'],
  ['i', 'italic'],
  ['u', 'underline'],
  ['s', 'strikethrough'],
  ['quote', 'quote'],
  ['spoiler', 'spoiler'],
  ['cut', 'spoiler'],
]);
/** They stand on lines of their own. */
const BLOCKS: ReadonlySet<string> = new Set(['quote', 'list', 'table', 'p', 'left', 'center', 'right', 'justify']);
const BUTTONS: ReadonlySet<string> = new Set(['put', 'send']);
const CELLS: ReadonlySet<string> = new Set(['tr', 'td', 'th']);

/** Without these a name in brackets is a word of the text: `[user]`, `[left]`, `[i 1]`. */
const NEEDS_VALUE = new RegExp(`^(?:user|chat|size|color|font|context|dialog|pch|project|department|${VOID})$`);
const NEEDS_CLOSING = /^(?:img|video|put|send|call|p|left|center|right|justify|list|table|spoiler|cut)$/;
/** The first item of a list or a table says as much. */
const ITEM = /\s*\[(?:\*|tr)\]/iy;
const HAS_VALUE = new RegExp(`^(?:${VALUED}|${VOID})$`);
const HAS_ATTRIBUTES = /^(?:img|video|disk|file|document|table)$/;

const TOKEN = new RegExp(`\\n|\\[(\\/?)(code|${BARE}|${VALUED}|${VOID})(?=[\\]= ])`, 'gi');
/** `[disk file id=n12]`, `[img size=small]`, and not `[file of mine]`. */
const ATTRIBUTES = / +(?:file +)?\w+ *=/iy;
const LONGEST_ADDRESS = 4_096;
/** An address between `[url]` and `[/url]`, which may hold what looks like tags: `?p[b]=1`. */
const WRITTEN_ADDRESS = /(?=[a-z][a-z\d+.-]*:)((?:(?!\[(?:\/|url[\]=]))\S)+)\[\/url\]/iy;

/**
 * What Bitrix24 leaves encoded in a text: HTML entities, emoji as the hexadecimal of their four bytes of UTF-8
 * (`:f09f9880:` is 😀; main/lib/text/emoji.php), and smiles as images.
 */
const ENCODED = new RegExp(
  [
    '&(?<name>quot|amp|lt|gt|nbsp|apos);',
    '&#(?<decimal>\\d{2,6});',
    '&#x(?<hexadecimal>[0-9a-f]{2,5});',
    ':(?<emoji>[0-9a-f]{8}):',
    '<img\\b(?<smile>[^<>]*)>',
  ].join('|'),
  'gi',
);
const CHARACTER_OF_ENTITY: Readonly<Record<string, string>> = {
  quot: '"',
  amp: '&',
  lt: '<',
  gt: '>',
  nbsp: '\u00A0',
  apos: "'",
};

/**
 * An operator's text in neutral form. Known tags in any case, `#BR#`, `>>` lines and dash-framed quotes are
 * understood; unknown `[x]` and closing tags without an opening one stay as typed; unclosed tags end with the text and
 * crossed ones are untangled. HTML entities and hexadecimal emoji that Bitrix24 leaves are decoded once. A link leads
 * wherever it says, be it a place that not everybody can open. Takes time in proportion to the text.
 */
export function fromBBCode(text: string): RichText {
  return fromPassages(passagesOf(text));
}

/** As {@link fromBBCode}, of a part of a text. */
export function fromPassages(passages: Passage[]): RichText {
  return new BBCodeReader(passages).read();
}

/** What Bitrix24 encoded, decoded once. */
function decode(text: string): string {
  return text.replace(ENCODED, (...match) => {
    const whole: string = match[0];
    const { name, decimal, hexadecimal, emoji, smile }: Record<string, string | undefined> = match.at(-1);
    if (name) return CHARACTER_OF_ENTITY[name.toLowerCase()] ?? whole;
    if (decimal) return String.fromCodePoint(Number(decimal));
    if (hexadecimal) return String.fromCodePoint(parseInt(hexadecimal, 16));
    if (emoji) return decodeEmoji(emoji) ?? whole;
    return decodeSmile(smile ?? '') ?? whole;
  });
}

/** Of eight digits; only characters beyond the first 65,536 are kept so. */
function decodeEmoji(hexadecimal: string): string | undefined {
  const emoji = Buffer.from(hexadecimal, 'hex').toString('utf8');
  return emoji.length === 2 && emoji.codePointAt(0)! > 0xffff ? emoji : undefined;
}

/** An image that stands for a smile; others are somebody's words. */
function decodeSmile(attributes: string): string | undefined {
  const attribute = (name: string) =>
    new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(attributes)?.slice(1).join('');
  const code = attribute('data-code');
  if (code === undefined) return undefined;
  const emoji = /^:?([0-9a-f]{8}):?$/i.exec(code)?.[1];
  return (emoji && decodeEmoji(emoji)) || attribute('alt') || code;
}

interface OpenTag {
  name: string;
  value: string;
  start: number;
  /** Which of all tags it is. */
  order: number;
  /** How many items of a list, or cells of a row, were read. */
  items: number;
  /** Of a table: what is read stands in a cell. */
  inCell: boolean;
}

/** Reads a text from its first to its last token and collects words and marks. */
class BBCodeReader {
  private readonly source: string;
  /** Line breaks of the source behind which a passage begins, and whether it is a quotation. */
  private readonly passages = new Map<number, boolean>();
  /** For every `[` where its tag ends, see {@link tagEnds}. */
  private readonly ends: Int32Array;
  /** The last closing tag of each name. */
  private readonly closings = new Map<string, number>();
  private text = '';
  /** Its last character; looking into a text that grows takes time in proportion to it. */
  private last = '';
  private readonly marks: Mark[] = [];
  /** By name, innermost last. */
  private readonly open = new Map<string, OpenTag[]>();
  private opened = 0;
  private quoteStart: number | undefined;
  private breakBeforeNext = false;

  constructor(passages: Passage[]) {
    let source = '';
    for (const [index, { header, text, quoted }] of passages.entries()) {
      if (index === 0 && quoted) this.quoteStart = 0;
      if (index > 0) this.passages.set(source.length, quoted);
      source += `${index > 0 ? '\n' : ''}${header === undefined ? '' : `${header}\n`}${text}`;
    }
    this.source = source;
    this.ends = tagEnds(source);
    for (const { index, 1: name } of source.matchAll(/\[\/(\w+)\]/g)) this.closings.set(name!.toLowerCase(), index);
  }

  read(): RichText {
    const token = new RegExp(TOKEN);
    let at = 0;
    for (let match = token.exec(this.source); match; match = token.exec(this.source)) {
      const before = this.source.slice(at, match.index);
      const end = this.token(match, () => this.append(decode(before)));
      if (end === null) continue;
      at = end;
      token.lastIndex = end;
    }
    this.append(decode(this.source.slice(at)));
    const unclosed = [...this.open.values()].flat().sort((a, b) => b.order - a.order);
    for (const tag of unclosed) this.finish(tag);
    this.endQuoteLines();
    return normalise({ text: this.text, marks: this.marks });
  }

  /** Reads one token, after `readWords`; answers where it ends, or null when it is words itself. */
  private token(match: RegExpExecArray, readWords: () => void): number | null {
    const { 0: whole, 1: slash, 2: written, index } = match;
    const name = written?.toLowerCase();
    const next = index + whole.length;
    if (name === undefined) {
      readWords();
      this.lineBreak(index);
      return next;
    }
    const isBare = this.source[next] === ']';
    if (slash === '/') return isBare && this.canEnd(name) ? (readWords(), this.end(name), next + 1) : null;
    if (name === 'code') return isBare ? (readWords(), this.code(next + 1)) : null;
    if (isBare) return this.isBareTag(name, next + 1) ? (readWords(), this.begin(name, '', next + 1)) : null;
    const end = this.ends[index]!;
    if (end === -1 || !HAS_VALUE.test(name)) return null;
    if (this.source[next] === ' ' && !(HAS_ATTRIBUTES.test(name) && matchAt(ATTRIBUTES, this.source, next)))
      return null;
    readWords();
    return this.begin(name, this.source.slice(next + 1, end), end + 1);
  }

  private isBareTag(name: string, next: number): boolean {
    if (name === '*') return this.innermost('list') !== undefined;
    if (CELLS.has(name)) return this.innermost('table') !== undefined;
    if (NEEDS_VALUE.test(name)) return false;
    if (!NEEDS_CLOSING.test(name) || (this.closings.get(name) ?? -1) >= next) return true;
    return (name === 'list' || name === 'table') && matchAt(ITEM, this.source, next) !== null;
  }

  private canEnd(name: string): boolean {
    if (name === '*') return this.innermost('list') !== undefined;
    if (CELLS.has(name)) return this.innermost('table') !== undefined;
    return this.innermost(name) !== undefined;
  }

  private innermost(name: string): OpenTag | undefined {
    return this.open.get(name)?.at(-1);
  }

  private code(start: number): number {
    const closing = /\[\/code\]/gi;
    closing.lastIndex = start;
    const found = closing.exec(this.source);
    const code = decode(withoutEdgeBreaks(this.source.slice(start, found?.index)));
    this.append(code);
    this.mark(code.includes('\n') ? 'pre' : 'code', this.text.length - code.length);
    return found ? found.index + found[0].length : this.source.length;
  }

  private lineBreak(at: number): void {
    const quoted = this.passages.get(at);
    const table = this.innermost('table');
    if (table && quoted === undefined) return this.append(table.inCell ? ' ' : '');
    this.breakBeforeNext = false;
    if (quoted !== undefined) this.endQuoteLines();
    this.write('\n');
    if (quoted) this.quoteStart = this.text.length;
  }

  /** Answers where reading goes on. */
  private begin(name: string, value: string, next: number): number {
    switch (name) {
      case 'like':
        this.append('👍');
        return next;
      case 'dislike':
        this.append('👎');
        return next;
      case 'icon':
        this.append(decode(titleOf(value)));
        return next;
      case 'timestamp':
        this.append(formatTimestamp(value));
        return next;
      case 'disk':
      case 'file':
      case 'document':
      case 'attach':
      case 'rating':
        return next;
      case '*':
        this.listItem(this.innermost('list')!);
        return next;
      case 'tr':
      case 'td':
      case 'th':
        this.cell(name, this.innermost('table')!);
        return next;
      case 'url': {
        const address = value === '' ? matchAt(WRITTEN_ADDRESS, this.source, next) : null;
        if (!address) break;
        this.append(decode(address[1]!));
        this.linkWritten(this.text.length - decode(address[1]!).length);
        return next + address[0].length;
      }
    }
    const isTitled = MARKS.get(name) === 'spoiler' && value !== '';
    if (BLOCKS.has(name) || isTitled) this.startLine();
    if (isTitled) this.write(`${decode(unquoted(value))}\n`);
    const tag = { name, value, start: this.text.length, order: this.opened++, items: 0, inCell: false };
    const others = this.open.get(name);
    if (others) others.push(tag);
    else this.open.set(name, [tag]);
    return next;
  }

  private end(name: string): void {
    if (name === '*') return;
    if (CELLS.has(name)) this.innermost('table')!.inCell = false;
    else this.finish(this.open.get(name)!.pop()!);
  }

  private finish(tag: OpenTag): void {
    const { name, start } = tag;
    const mark = MARKS.get(name);
    if (mark) this.mark(mark, start);
    else if (name === 'url') this.link(tag);
    else if (name === 'call') this.number(tag);
    else if (BUTTONS.has(name) && this.text.length === start) this.append(decode(tag.value));
    if (BLOCKS.has(name)) this.breakBeforeNext = true;
  }

  private link({ start, value }: OpenTag): void {
    const url = unquoted(decode(value));
    if (url === '') return this.linkWritten(start);
    if (isBlank(this.text.slice(start))) this.append(url);
    this.mark('link', start, linkTarget(url));
  }

  /** Telegram makes links of written-out web addresses by itself. */
  private linkWritten(start: number): void {
    if (this.text.length - start > LONGEST_ADDRESS) return;
    const address = this.text.slice(start).trim();
    if (/^(?!https?:)[a-z][a-z\d+.-]*:\S+$/i.test(address)) this.mark('link', start, address);
  }

  /** A number is read, whatever the words say. */
  private number({ start, value }: OpenTag): void {
    const number = decode(value).trim();
    const words = this.text.slice(start);
    if (number === '') return;
    if (isBlank(words)) this.append(number);
    else if (!digitsOf(words).includes(digitsOf(number) || number)) this.append(` (${number})`);
  }

  private listItem(list: OpenTag): void {
    this.startLine();
    list.items++;
    const letter = list.items <= 26 ? String.fromCodePoint(96 + list.items) : String(list.items);
    const sign = { '1': `${list.items}. `, a: `${letter}. ` }[list.value.trim().toLowerCase()];
    this.append(sign ?? '• ');
  }

  /** Rows are lines, and what stands between cells is the same everywhere. */
  private cell(name: string, table: OpenTag): void {
    table.inCell = false;
    if (name === 'tr') {
      this.startLine();
      table.items = 0;
      return;
    }
    this.breakBeforeNext = false;
    if (table.items > 0) this.write(' | ');
    table.items++;
    table.inCell = true;
  }

  private mark(type: MarkType, offset: number, url?: string): void {
    this.marks.push({ type, offset, length: this.text.length - offset, ...(url === undefined ? {} : { url }) });
  }

  private append(words: string): void {
    if (words === '') return;
    if (this.innermost('table')?.inCell === false && words.trim() === '') return;
    if (this.breakBeforeNext) this.startLine();
    this.write(words);
  }

  private write(words: string): void {
    this.text += words;
    this.last = words.at(-1) ?? this.last;
  }

  /** In a cell there are no lines. */
  private startLine(): void {
    this.breakBeforeNext = false;
    const separator = this.innermost('table')?.inCell ? ' ' : '\n';
    if (this.last !== '' && this.last !== separator) this.write(separator);
  }

  private endQuoteLines(): void {
    if (this.quoteStart !== undefined) this.mark('quote', this.quoteStart);
    this.quoteStart = undefined;
  }
}

/**
 * For every `[` the `]` that ends it on its line: the one of its pair (`[url=https://a.example/?p[]=1]`), else the
 * next one; -1 when there is none.
 */
function tagEnds(source: string): Int32Array {
  const ends = new Int32Array(source.length).fill(-1);
  let next = -1;
  for (let at = source.length - 1; at >= 0; at--) {
    if (source[at] === ']') next = at;
    else if (source[at] === '\n') next = -1;
    else if (source[at] === '[') ends[at] = next;
  }
  let open: number[] = [];
  for (let at = 0; at < source.length; at++) {
    if (source[at] === '[') open.push(at);
    else if (source[at] === '\n') open = [];
    else if (source[at] === ']') {
      const begin = open.pop();
      if (begin !== undefined) ends[begin] = at;
    }
  }
  return ends;
}

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

function digitsOf(text: string): string {
  return text.replace(/\D/g, '');
}

/** `https://a.example/i.png size=20 title=Big smile`: what a smile says. */
function titleOf(value: string): string {
  const [, title = ''] = /(?:^|\s)title=(.*)$/i.exec(value) ?? [];
  return unquoted(title.replace(/ (?:width|height|size)=.*$/i, ''));
}

function unquoted(value: string): string {
  return value.trim().replace(/^(["'])(.*)\1$/, '$2');
}

function withoutEdgeBreaks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === '\n') start++;
  while (end > start && text[end - 1] === '\n') end--;
  return text.slice(start, end);
}

/**
 * Where a link leads, as it was written: as Telegram does, an address that begins with a domain gets `http://`, and
 * white space is encoded.
 */
export function linkTarget(url: string): string {
  const encoded = url.trim().replace(/\s/g, '%20');
  return /^[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)+(?:[:/?#]|$)/u.test(encoded) ? `http://${encoded}` : encoded;
}

/** Unix seconds as `2026-03-11 22:13 UTC`; the time zone of the reader is not known here. */
function formatTimestamp(value: string): string {
  const date = new Date(parseInt(value, 10) * 1000);
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
