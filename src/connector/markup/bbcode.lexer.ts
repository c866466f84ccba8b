import { BARE, VALUED, VOID } from './bbcode.grammar.js';

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
/** An address between `[url]` and `[/url]`, which may hold what looks like tags: `?p[b]=1`. */
const WRITTEN_ADDRESS = /(?=[a-z][a-z\d+.-]*:)((?:(?!\[(?:\/|url[\]=]))\S)+)\[\/url\]/iy;
const CELLS: ReadonlySet<string> = new Set(['tr', 'td', 'th']);

/** A sign of BBCode, from `start` up to `end` in the source. Names are in small letters. */
export type Token = { start: number; end: number } & (
  | { kind: 'break' }
  | { kind: 'opening'; name: string; value: string }
  | { kind: 'closing'; name: string }
  /** A code block, as it stands in the source. */
  | { kind: 'code'; code: string }
  /** `[url]`, the address and `[/url]`. */
  | { kind: 'address'; address: string }
);

type Unplaced<Placed> = Placed extends unknown ? Omit<Placed, 'start'> : never;

/**
 * Finds the signs of a text from its first to its last, in time in proportion to it. What looks like a tag and is none
 * is left to the words.
 */
export class BBCodeLexer {
  private readonly pattern = new RegExp(TOKEN);
  /** For every `[` where its tag ends, see {@link tagEnds}. */
  private readonly ends: Int32Array;
  /** The last closing tag of each name. */
  private readonly closings = new Map<string, number>();

  /** @param isOpen whether a tag of this name was opened and not closed yet: what may stand in it depends on that */
  constructor(
    private readonly source: string,
    private readonly isOpen: (name: string) => boolean,
  ) {
    this.ends = tagEnds(source);
    for (const { index, 1: name } of source.matchAll(/\[\/(\w+)\]/g)) this.closings.set(name!.toLowerCase(), index);
  }

  /** The first sign at this place or behind it; undefined: only words are left. */
  next(from: number): Token | undefined {
    this.pattern.lastIndex = from;
    for (let match = this.pattern.exec(this.source); match; match = this.pattern.exec(this.source)) {
      const token = this.read(match);
      if (token) return { start: match.index, ...token };
    }
    return undefined;
  }

  private read({ 0: whole, 1: slash, 2: written, index }: RegExpExecArray): Unplaced<Token> | undefined {
    const name = written?.toLowerCase();
    const next = index + whole.length;
    if (name === undefined) return { kind: 'break', end: next };
    const isBare = this.source[next] === ']';
    if (slash === '/') return isBare && this.canClose(name) ? { kind: 'closing', name, end: next + 1 } : undefined;
    if (name === 'code') return isBare ? this.code(next + 1) : undefined;
    if (isBare) return this.isBareTag(name, next + 1) ? this.opening(name, '', next + 1) : undefined;
    const end = this.ends[index]!;
    if (end === -1 || !HAS_VALUE.test(name)) return undefined;
    const isAttribute = this.source[next] === ' ';
    if (isAttribute && !(HAS_ATTRIBUTES.test(name) && matchAt(ATTRIBUTES, this.source, next))) return undefined;
    return this.opening(name, this.source.slice(next + 1, end), end + 1);
  }

  private opening(name: string, value: string, end: number): Unplaced<Token> {
    const found = name === 'url' && value === '' ? matchAt(WRITTEN_ADDRESS, this.source, end) : null;
    return found
      ? { kind: 'address', address: found[1]!, end: end + found[0].length }
      : { kind: 'opening', name, value, end };
  }

  private code(start: number): Unplaced<Token> {
    const closing = /\[\/code\]/gi;
    closing.lastIndex = start;
    const found = closing.exec(this.source);
    const end = found ? found.index + found[0].length : this.source.length;
    return { kind: 'code', code: this.source.slice(start, found?.index), end };
  }

  private isBareTag(name: string, next: number): boolean {
    if (name === '*' || CELLS.has(name)) return this.isInPlace(name);
    if (NEEDS_VALUE.test(name)) return false;
    if (!NEEDS_CLOSING.test(name) || (this.closings.get(name) ?? -1) >= next) return true;
    return (name === 'list' || name === 'table') && matchAt(ITEM, this.source, next) !== null;
  }

  private canClose(name: string): boolean {
    return name === '*' || CELLS.has(name) ? this.isInPlace(name) : this.isOpen(name);
  }

  /** Of what stands in lists and tables only. */
  private isInPlace(name: string): boolean {
    return this.isOpen(name === '*' ? 'list' : 'table');
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
