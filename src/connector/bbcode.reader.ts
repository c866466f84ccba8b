import { normalise, type Mark, type MarkType, type RichText } from '../relay/rich-text.js';
import { BARE, QUOTE_PREFIX, VALUED, VOID } from './bbcode.tags.js';

const STYLES: ReadonlyMap<string, MarkType> = new Map([
  ['b', 'bold'],
  ['i', 'italic'],
  ['u', 'underline'],
  ['s', 'strikethrough'],
]);
const NEEDS_VALUE = /^(?:user|chat|size|color|font|context|dialog|pch)$/;
const NEEDS_CLOSING = /^(?:img|put|send|call)$/;
const CODE = '\\[code\\]([\\s\\S]*?)(?:\\[\\/code\\]|(?![\\s\\S]))';

const TOKEN = new RegExp(
  [
    CODE,
    '\\n(>>|&gt;&gt;)?',
    `\\[(\\/?)(${BARE}|${VALUED})\\]`,
    `\\[(${VALUED}|${VOID})(?:=|(?<=\\[img) +(?=\\w+=))([^\\]\\n]*)\\]`,
  ].join('|'),
  'gi',
);

/**
 * What Bitrix24 leaves encoded in a text: HTML entities, emoji as the hexadecimal of their UTF-8 bytes (`:f09f9880:`
 * is 😀, `Emoji::encode`), and smiles as images.
 */
const ENCODED = new RegExp(
  [
    '&(?<name>quot|amp|lt|gt|nbsp|apos);',
    '&#(?<decimal>\\d{2,6});',
    '&#x(?<hexadecimal>[0-9a-f]{2,5});',
    ':(?<emoji>(?:[0-9a-f]{2}){4,}):',
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
 * crossed ones are untangled. HTML entities and hexadecimal emoji that Bitrix24 leaves are decoded once.
 */
export function fromBBCode(text: string): RichText {
  return new BBCodeReader(quoteFramed(unifyLineBreaks(text))).read();
}

/**
 * Takes off the operator's name that Bitrix24 puts before the words, once and only at the very start:
 * `[b]Name:[/b] [br]words` (2026), `[b]Name:[/b][br] words` (before, and in updates), `[b]Name:[/b] ` (only files).
 * A bold "Total:" with words on its own line is the operator's and stays.
 */
export function stripOperatorName(text: string): { name?: string; text: string } {
  const prefix = /^\[b\]((?:(?!\[\/?b\]).){1,200}?):\[\/b\] ?(?:(?:\[br\]|#BR#|\n) ?|$)/iu.exec(text);
  if (!prefix?.[1]) return { text };
  return { name: decode(prefix[1]), text: text.slice(prefix[0].length) };
}

/** `[br]`, `#BR#` and CR LF as line feeds, except in code. */
function unifyLineBreaks(text: string): string {
  return text.replace(new RegExp(`(${CODE})|\\r\\n|\\[br *\\/?\\]|#BR#`, 'gi'), (_, code?: string) => code ?? '\n');
}

/** Dash-framed quotes as `>>` lines, without the reference to a message (`#chat12/345`) that only the portal can open. */
function quoteFramed(text: string): string {
  return text.replace(new RegExp(`${CODE}|^-{54}\\n([\\s\\S]*?)\\n-{54}$`, 'gim'), (whole, _code, body?: string) => {
    if (body === undefined) return whole;
    const lines = body.replace(/^([^\n]*?)[ \t]*#(?:chat)?\d+(?::\d+)?\/\d+(?=\n|$)/i, '$1');
    return lines.replace(new RegExp(`^(?:>>)?(${CODE})?|${CODE}`, 'gim'), (found: string, atStart?: string) => {
      if (found.startsWith(QUOTE_PREFIX)) return found;
      return found !== '' && atStart === undefined ? found : QUOTE_PREFIX + found;
    });
  });
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

function decodeEmoji(hexadecimal: string): string | undefined {
  const emoji = Buffer.from(hexadecimal, 'hex').toString('utf8');
  return /^[^\p{ASCII}\uFFFD]+$/u.test(emoji) ? emoji : undefined;
}

/** An image that stands for a smile; others are somebody's words. */
function decodeSmile(attributes: string): string | undefined {
  const attribute = (name: string) =>
    new RegExp(`\\b${name}=(?:"([^"]*)"|'([^']*)'|([^\\s"'>]+))`, 'i').exec(attributes)?.slice(1).join('');
  const code = attribute('data-code');
  if (code === undefined) return undefined;
  const emoji = /^:?([0-9a-f]{8,}):?$/i.exec(code)?.[1];
  return (emoji && decodeEmoji(emoji)) || attribute('alt') || code;
}

interface OpenTag {
  name: string;
  value: string;
  start: number;
  /** How many items of a list were read. */
  items: number;
}

/** Reads a text from its first to its last token and collects words and marks. */
class BBCodeReader {
  private text = '';
  private readonly marks: Mark[] = [];
  private readonly open: OpenTag[] = [];
  private quoteStart: number | undefined;
  private breakBeforeNext = false;
  /** Which tags have a closing one anywhere in the text. */
  private readonly closed = new Map<string, boolean>();

  constructor(private readonly source: string) {}

  read(): RichText {
    const quoted = /^(?:>>|&gt;&gt;)/.exec(this.source);
    if (quoted) this.quoteStart = 0;
    const body = this.source.slice(quoted?.[0].length ?? 0);
    let at = 0;
    for (const match of body.matchAll(TOKEN)) {
      this.append(decode(body.slice(at, match.index)));
      this.token(match);
      at = match.index + match[0].length;
    }
    this.append(decode(body.slice(at)));
    for (let tag = this.open.pop(); tag; tag = this.open.pop()) this.finish(tag);
    this.endQuoteLines();
    return normalise({ text: this.text, marks: this.marks });
  }

  private token(match: RegExpMatchArray): void {
    const [whole, code, quotePrefix, slash, bare, valued, value] = match;
    if (code !== undefined) this.code(code);
    else if (whole.startsWith('\n')) this.lineBreak(quotePrefix !== undefined);
    else if (valued !== undefined) this.begin(valued.toLowerCase(), value ?? '', whole);
    else if (slash === '/') this.end((bare ?? '').toLowerCase(), whole);
    else this.beginBare((bare ?? '').toLowerCase(), whole);
  }

  private code(source: string): void {
    const code = decode(withoutEdgeBreaks(source));
    this.append(code);
    this.mark(code.includes('\n') ? 'pre' : 'code', this.text.length - code.length);
  }

  private lineBreak(quoted: boolean): void {
    this.breakBeforeNext = false;
    if (!quoted) this.endQuoteLines();
    this.text += '\n';
    if (quoted) this.quoteStart ??= this.text.length;
  }

  /** `[call]` and `[user]` may be plain words: without a value a tag needs its closing one, or is none at all. */
  private beginBare(name: string, whole: string): void {
    const isTag = !NEEDS_VALUE.test(name) && (!NEEDS_CLOSING.test(name) || this.isClosed(name));
    if (isTag) this.begin(name, '', whole);
    else this.append(whole);
  }

  private isClosed(name: string): boolean {
    const known = this.closed.get(name);
    if (known !== undefined) return known;
    const closed = this.source.toLowerCase().includes(`[/${name}]`);
    this.closed.set(name, closed);
    return closed;
  }

  private begin(name: string, value: string, whole: string): void {
    switch (name) {
      case 'like':
        return this.append('👍');
      case 'dislike':
        return this.append('👎');
      case 'icon':
        return this.append(decode(/\btitle=["']?([^"'=]*?)["']?(?:\s+\w+=|\s*$)/i.exec(value)?.[1] ?? ''));
      case 'timestamp':
        return this.append(formatTimestamp(value));
      case 'disk':
      case 'attach':
      case 'rating':
        return;
      case '*':
        return this.listItem(whole);
      case 'quote':
        this.startLine();
    }
    this.open.push({ name, value, start: this.text.length, items: 0 });
  }

  private end(name: string, whole: string): void {
    const index = this.open.findLastIndex((tag) => tag.name === name);
    const [tag] = index === -1 ? [] : this.open.splice(index, 1);
    if (tag) this.finish(tag);
    else if (name !== '*' || !this.open.some((other) => other.name === 'list')) this.append(whole);
  }

  private finish(tag: OpenTag): void {
    const style = STYLES.get(tag.name);
    if (style) this.mark(style, tag.start);
    else if (tag.name === 'url') this.link(tag);
    else if (tag.name === 'quote') this.mark('quote', tag.start);
    else if (['put', 'send', 'call'].includes(tag.name) && this.text.length === tag.start)
      this.append(decode(tag.value));
    if (tag.name === 'quote' || tag.name === 'list') this.breakBeforeNext = true;
  }

  private link(tag: OpenTag): void {
    const label = this.text.slice(tag.start);
    const url = decode(tag.value.trim().replace(/^(["'])(.*)\1$/, '$2'));
    if (url === '') {
      // Written-out web addresses are links wherever they stand.
      if (label !== '' && !/^https?:/i.test(label)) this.mark('link', tag.start, label);
      return;
    }
    if (label === '') this.append(url);
    this.mark('link', tag.start, url);
  }

  private listItem(whole: string): void {
    const list = this.open.findLast((tag) => tag.name === 'list');
    if (!list) return this.append(whole);
    this.startLine();
    list.items++;
    this.append(list.value.trim() === '1' ? `${list.items}. ` : '• ');
  }

  private mark(type: MarkType, offset: number, url?: string): void {
    this.marks.push({ type, offset, length: this.text.length - offset, ...(url === undefined ? {} : { url }) });
  }

  private append(words: string): void {
    if (words === '') return;
    if (this.breakBeforeNext) this.startLine();
    this.text += words;
  }

  private startLine(): void {
    this.breakBeforeNext = false;
    if (this.text !== '' && !this.text.endsWith('\n')) this.text += '\n';
  }

  private endQuoteLines(): void {
    if (this.quoteStart !== undefined) this.mark('quote', this.quoteStart);
    this.quoteStart = undefined;
  }
}

function withoutEdgeBreaks(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && text[start] === '\n') start++;
  while (end > start && text[end - 1] === '\n') end--;
  return text.slice(start, end);
}

/** Unix seconds as `2026-03-11 22:13 UTC`; the time zone of the reader is not known here. */
function formatTimestamp(value: string): string {
  const date = new Date(parseInt(value, 10) * 1000);
  return Number.isNaN(date.getTime()) ? '' : `${date.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
}
