import { isBlank, normalise, type Mark, type MarkType, type RichText } from '../../relay/rich-text.js';
import { decode } from './bbcode.encoding.js';
import { BBCodeLexer, type Token } from './bbcode.lexer.js';
import { digitsOf, formatTimestamp, linkTarget, titleOf, unquoted, withoutEdgeBreaks } from './bbcode.values.js';
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

const LONGEST_ADDRESS = 4_096;
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
  private readonly lexer: BBCodeLexer;
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
    this.lexer = new BBCodeLexer(source, (name) => this.innermost(name) !== undefined);
  }

  read(): RichText {
    let at = 0;
    for (let token = this.lexer.next(at); token; token = this.lexer.next(at)) {
      this.append(decode(this.source.slice(at, token.start)));
      this.take(token);
      at = token.end;
    }
    this.append(decode(this.source.slice(at)));
    const unclosed = [...this.open.values()].flat().sort((a, b) => b.order - a.order);
    for (const tag of unclosed) this.finish(tag);
    this.endQuoteLines();
    return normalise({ text: this.text, marks: this.marks });
  }

  private take(token: Token): void {
    switch (token.kind) {
      case 'break':
        return this.lineBreak(token.start);
      case 'opening':
        return this.begin(token.name, token.value);
      case 'closing':
        return this.end(token.name);
      case 'code':
        return this.code(token.code);
      case 'address':
        return this.writtenLink(decode(token.address));
    }
  }

  private innermost(name: string): OpenTag | undefined {
    return this.open.get(name)?.at(-1);
  }

  private code(source: string): void {
    const code = decode(withoutEdgeBreaks(source));
    this.append(code);
    this.mark(code.includes('\n') ? 'pre' : 'code', this.text.length - code.length);
  }

  private writtenLink(address: string): void {
    this.append(address);
    this.linkWritten(this.text.length - address.length);
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

  private begin(name: string, value: string): void {
    switch (name) {
      case 'like':
        return this.append('👍');
      case 'dislike':
        return this.append('👎');
      case 'icon':
        return this.append(decode(titleOf(value)));
      case 'timestamp':
        return this.append(formatTimestamp(value));
      case 'disk':
      case 'file':
      case 'document':
      case 'attach':
      case 'rating':
        return;
      case '*':
        return this.listItem(this.innermost('list')!);
      case 'tr':
      case 'td':
      case 'th':
        return this.cell(name, this.innermost('table')!);
    }
    const isTitled = MARKS.get(name) === 'spoiler' && value !== '';
    if (BLOCKS.has(name) || isTitled) this.startLine();
    if (isTitled) this.write(`${decode(unquoted(value))}\n`);
    const tag = { name, value, start: this.text.length, order: this.opened++, items: 0, inCell: false };
    const others = this.open.get(name);
    if (others) others.push(tag);
    else this.open.set(name, [tag]);
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
