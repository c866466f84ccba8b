import {
  CODE_TAG,
  ENCODED_QUOTE_PREFIX,
  parseReference,
  PLAIN_BREAK,
  QUOTE_FRAME,
  QUOTE_PREFIX,
  WRITTEN_BREAK,
} from './bbcode.grammar.js';

/** One or more lines of a text: a quotation, or what stands around quotations. */
export interface Passage {
  /** BBCode whose only line break is `\n`, without the signs of a quotation. */
  text: string;
  quoted: boolean;
  /** Who wrote what a frame quotes, and when: `Name [today, 14:05]`. */
  header?: string;
  /** Of the quoted message, where the frame names it (`#chat12/345`). */
  bitrixMessageId?: string;
}

interface Line {
  text: string;
  /** It begins inside of code, where nothing is a sign of a quotation. */
  inCode: boolean;
}

const TURNS = new RegExp(`${CODE_TAG}|${PLAIN_BREAK}|${WRITTEN_BREAK}`, 'gi');

/**
 * A text of Bitrix24 in passages, in order; between two of them stands one line break. `[br]`, `#BR#`, CR and CR LF
 * are line breaks; in code only the last two are. A line of 54 dashes without a second one frames nothing.
 */
export function passagesOf(bbcode: string): Passage[] {
  const lines = linesOf(bbcode);
  const frames = framesOf(lines);
  const passages: Passage[] = [];
  for (let at = 0; at < lines.length;) {
    const end = frames.get(at);
    const next = end === undefined ? endOfPassage(lines, at, frames) : end + 1;
    if (end !== undefined) passages.push(framed(lines.slice(at + 1, end).map(unquoted)));
    else passages.push({ quoted: isQuoted(lines[at]!), text: lines.slice(at, next).map(unquoted).join('\n') });
    at = next;
  }
  return passages;
}

function endOfPassage(lines: Line[], start: number, frames: Map<number, number>): number {
  const quoted = isQuoted(lines[start]!);
  let end = start + 1;
  while (end < lines.length && !frames.has(end) && (lines[end]!.inCode || isQuoted(lines[end]!) === quoted)) end++;
  return end;
}

function linesOf(bbcode: string): Line[] {
  const lines: Line[] = [{ text: '', inCode: false }];
  let inCode = false;
  let at = 0;
  for (const match of bbcode.matchAll(TURNS)) {
    const [turn, slash] = match;
    const end = match.index + turn.length;
    if (slash !== undefined) inCode = slash === '';
    else if (!inCode || /[\r\n]/.test(turn)) {
      lines.at(-1)!.text += bbcode.slice(at, match.index);
      lines.push({ text: '', inCode });
      at = end;
    }
  }
  lines.at(-1)!.text += bbcode.slice(at);
  return lines;
}

/** Where a frame begins, and where it ends. One with nothing in it is no frame. */
function framesOf(lines: Line[]): Map<number, number> {
  const frames = new Map<number, number>();
  let begun: number | null = null;
  for (const [at, { text, inCode }] of lines.entries()) {
    if (inCode || text !== QUOTE_FRAME) continue;
    if (begun === null || at === begun + 1) begun = at;
    else {
      frames.set(begun, at);
      begun = null;
    }
  }
  return frames;
}

/** The header is known by its brackets or its reference, which may stand behind it or on the next line. */
function framed(lines: string[]): Passage {
  const [first = '', second = ''] = lines;
  const hash = first.lastIndexOf('#');
  const behind = hash === -1 ? undefined : parseReference(first.slice(hash));
  const below = behind === undefined ? parseReference(second.trim()) : undefined;
  const header = behind === undefined ? first : first.slice(0, hash).trimEnd();
  const rest = lines.slice(below === undefined ? 1 : 2);
  const bitrixMessageId = behind ?? below;
  const isHeader = bitrixMessageId !== undefined || (header.endsWith(']') && header.includes('['));
  if (!isHeader || rest.length === 0) return { quoted: true, text: lines.join('\n') };
  return { quoted: true, header, text: rest.join('\n'), ...(bitrixMessageId && { bitrixMessageId }) };
}

function isQuoted(line: Line): boolean {
  return prefixOf(line) !== '';
}

function prefixOf({ text, inCode }: Line): string {
  return (!inCode && [QUOTE_PREFIX, ENCODED_QUOTE_PREFIX].find((prefix) => text.startsWith(prefix))) || '';
}

function unquoted(line: Line): string {
  return line.text.slice(prefixOf(line).length);
}
