/**
 * The neutral form in which formatted text travels between Telegram and Bitrix24:
 * plain text and the marks that lie over it. Neither network's syntax appears here.
 */

import { canonicalMarks, wellFormed } from './canonical-marks.js';
import type { Mark, MarkType } from './mark.js';

export type { Mark, MarkType } from './mark.js';

/** Text with its marks, sorted by (offset, -length) and properly nested once {@link normalise}d. */
export interface RichText {
  text: string;
  marks: Mark[];
}

type MarkDetails = Pick<Mark, 'url' | 'language'>;

/** Unformatted text. */
export function plain(text: string): RichText {
  return { text, marks: [] };
}

/** The same text under one more mark that covers all of it. */
export function withMark(rich: RichText | string, type: MarkType, details: MarkDetails = {}): RichText {
  const { text, marks } = asRich(rich);
  return normalise({ text, marks: [{ type, offset: 0, length: text.length, ...details }, ...marks] });
}

/** The parts one after the other. Marks that meet at a seam and say the same become one. */
export function concat(...parts: (RichText | string)[]): RichText {
  let text = '';
  const marks: Mark[] = [];
  for (const part of parts.map(asRich)) {
    for (const mark of part.marks) marks.push({ ...mark, offset: mark.offset + text.length });
    text += part.text;
  }
  return normalise({ text, marks });
}

/** The parts that hold any text, with the separator between them. */
export function join(parts: (RichText | string)[], separator: string): RichText {
  const filled = parts.filter((part) => asRich(part).text !== '');
  return concat(...filled.flatMap((part, index) => (index === 0 ? [part] : [separator, part])));
}

/** As `String.prototype.slice` with non-negative bounds; marks are clipped and re-based. */
export function slice(rich: RichText, start: number, end: number = rich.text.length): RichText {
  return normalise(clip(rich, start, end));
}

/** Without white space at both ends. */
export function trim(rich: RichText): RichText {
  const start = rich.text.length - rich.text.trimStart().length;
  return slice(rich, start, Math.max(start, rich.text.trimEnd().length));
}

/**
 * True when a reader would see nothing: white space, characters that are not drawn, the blank of Braille and the
 * place of an object that did not come along (U+FFFC).
 */
export function isBlank(text: string): boolean {
  return /^[\s\p{Cf}\p{Cc}\p{DI}\u2800\uFFFC]*$/u.test(text);
}

/** The canonical form, see {@link canonicalMarks}. Applying it twice changes nothing more. */
export function normalise(rich: RichText): RichText {
  const text = wellFormed(rich.text);
  return { text, marks: canonicalMarks(rich.marks, text) };
}

/** A slice that is not in the canonical form yet. */
export function clip({ text, marks }: RichText, start: number, end: number): RichText {
  const to = Math.min(end, text.length);
  const clipped: Mark[] = [];
  for (const mark of marks) {
    const from = Math.max(mark.offset, start);
    const length = Math.min(mark.offset + mark.length, to) - from;
    if (length > 0) clipped.push({ ...mark, offset: from - start, length });
  }
  return { text: text.slice(start, to), marks: clipped };
}

function asRich(part: RichText | string): RichText {
  return typeof part === 'string' ? plain(part) : part;
}
