import { isInsidePair } from './canonical-marks.js';
import { clip, concat, isBlank, normalise, slice, trim, type Mark, type RichText } from './rich-text.js';
import { firstIndex } from './sorted-search.js';

/**
 * Cuts a text into parts of at most `limit` units: at an empty line if one stands in the last three quarters, else at
 * a line, else at a space, else between two characters. A cut never falls inside a character as people see it
 * (surrogate pair, joined emoji, combining mark) nor inside a link that fits into one part. White space at the cuts
 * and at both ends is removed, indentation of code kept; parts without any words are left out.
 *
 * @param size measures a part; by default its UTF-16 length
 */
export function split(rich: RichText, limit: number, size = (part: RichText) => part.text.length): RichText[] {
  const parts: RichText[] = [];
  const { text, marks } = trim(normalise(rich));
  let left = marks;
  for (let at = 0; at < text.length;) {
    // As far as a cut can look ahead; the rest is not copied for every part.
    const ahead = at + 2 * Math.max(1, limit);
    const window = clip({ text, marks: before(left, ahead) }, at, ahead);
    const end = fittingEnd(window, limit, size);
    parts.push(slice(window, 0, window.text.slice(0, end).trimEnd().length));
    at = afterCut(text, before(left, at + end + 1), at + end);
    left = left.filter(({ offset, length }) => offset + length > at);
  }
  return parts.filter((part) => !isBlank(part.text));
}

/** The first `limit` units at most, never half a character, with an ellipsis when something was left out. */
export function truncate(rich: RichText, limit: number): RichText {
  if (rich.text.length <= limit) return rich;
  return concat(trimEnd(slice(rich, 0, characterBoundary(rich.text, limit - 1))), '…');
}

/** Of sorted marks those that begin before a place. */
function before(marks: readonly Mark[], place: number): Mark[] {
  return marks.slice(
    0,
    firstIndex(marks, ({ offset }) => offset >= place),
  );
}

function trimEnd(rich: RichText): RichText {
  return slice(rich, 0, rich.text.trimEnd().length);
}

/** Where the next part begins: behind the white space at a cut; inside code only behind whole blank lines. */
function afterCut(text: string, marks: readonly Mark[], cut: number): number {
  const inCode = marks.some(
    ({ type, offset, length }) => (type === 'pre' || type === 'code') && offset <= cut && cut < offset + length,
  );
  const blank = inCode ? /(?:[^\S\n]*\n)+/y : /\s+/y;
  blank.lastIndex = cut;
  return cut + (blank.exec(text)?.[0].length ?? 0);
}

/** The cut that leaves the longest well-cut beginning whose measured size is within the limit. */
function fittingEnd(rich: RichText, limit: number, size: (part: RichText) => number): number {
  let units = Math.max(1, limit);
  for (;;) {
    const end = cutAt(rich, units);
    const begun = { text: rich.text, marks: before(rich.marks, end) };
    const excess = size(clip(begun, 0, rich.text.slice(0, end).trimEnd().length)) / limit;
    if (excess <= 1 || end <= 1) return end;
    units = Math.min(end - 1, Math.floor(end / excess));
    if (units < 1) return end;
  }
}

function cutAt({ text, marks }: RichText, limit: number): number {
  if (text.length <= limit) return text.length;
  const links = protectedSpans(text, marks, limit);
  const linked = new Uint8Array(limit + 1);
  for (const [start, end] of links) linked.fill(1, start + 1, end);
  const window = text.slice(0, limit + 1);
  const breaks = [/\n\s*\n/g, /\n/g, /[^\S\n]+/g].map((pattern) =>
    [...window.matchAll(pattern)].map((match) => match.index),
  );
  const segments = characters.segment(text);
  const isBoundary = (at: number) => at >= text.length || segments.containing(at)?.index === at;
  for (const least of [limit / 4, 1]) {
    for (const places of breaks) {
      const last = places.findLast((at) => at >= least && !linked[at] && isBoundary(afterSpace(text, at)));
      if (last !== undefined) return last;
    }
  }
  const at = characterBoundary(text, limit);
  const link = links.find(([start, end]) => start < at && at < end);
  return link && link[0] > 0 ? link[0] : at;
}

/** Links, marked or written out, that must stay in one piece because they fit into one part. */
function protectedSpans(text: string, marks: Mark[], limit: number): [number, number][] {
  const marked = marks
    .filter((mark) => mark.type === 'link')
    .map((mark): [number, number] => [mark.offset, mark.offset + mark.length]);
  const written = [...text.slice(0, limit * 2).matchAll(/(?:https?|tg):\/\/\S+/gi)].map((match): [number, number] => [
    match.index,
    match.index + match[0].length,
  ]);
  return [...marked, ...written].filter(([start, end]) => end - start <= limit);
}

const characters = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

function afterSpace(text: string, at: number): number {
  const space = /\s+/y;
  space.lastIndex = at;
  return at + (space.exec(text)?.[0].length ?? 0);
}

/** The last place at or before `at` between two characters; inside a character longer than that, between two code points. */
function characterBoundary(text: string, at: number): number {
  const start = characters.segment(text).containing(at)?.index ?? text.length;
  if (start > 0) return start;
  if (!isInsidePair(text, at)) return at;
  return at > 1 ? at - 1 : 2;
}
