/**
 * The neutral form in which formatted text travels between Telegram and Bitrix24:
 * plain text and the marks that lie over it. Neither network's syntax appears here.
 */

/** What a {@link Mark} says about the words it covers. */
export type MarkType =
  'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler' | 'code' | 'pre' | 'quote' | 'link';

/** A stretch of formatted text. Offsets and lengths count UTF-16 code units, as Telegram and JavaScript do. */
export interface Mark {
  type: MarkType;
  offset: number;
  length: number;
  /** Where a `link` leads, as it was written: each network decides which ones it shows as a link. */
  url?: string;
  /** The programming language of a `pre`. */
  language?: string;
}

/** Text with its marks, sorted by (offset, -length) and properly nested once {@link normalise}d. */
export interface RichText {
  text: string;
  marks: Mark[];
}

type MarkDetails = Pick<Mark, 'url' | 'language'>;
type Run = Omit<Mark, 'length'> & { end: number };

/** The order of marks over exactly the same words, outermost first. */
const NESTING: readonly MarkType[] = [
  'quote',
  'link',
  'bold',
  'italic',
  'underline',
  'strikethrough',
  'spoiler',
  'pre',
  'code',
];

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

/** A stretch of a text, in UTF-16 code units, and what stands in its place; where it is empty, something is put in. */
export interface Edit {
  start: number;
  end: number;
  text: string;
}

/**
 * The text with its edits, which are sorted and do not overlap. Marks follow: an edge inside a changed stretch moves to
 * the stretch's outer side, and what is put in belongs to the marks that reach its place from before.
 */
export function edited(rich: RichText, edits: readonly Edit[]): RichText {
  if (edits.length === 0) return rich;
  const { text, marks } = rich;
  const pieces: string[] = [];
  const shifts: number[] = [];
  let at = 0;
  let shift = 0;
  for (const edit of edits) {
    pieces.push(text.slice(at, edit.start), edit.text);
    shifts.push(shift);
    shift += edit.text.length - (edit.end - edit.start);
    at = edit.end;
  }
  shifts.push(shift);
  pieces.push(text.slice(at));

  const moved = (place: number, outer: 'start' | 'end') => {
    const index = firstIndex(edits, ({ end }) => end > place);
    const edit = edits[index];
    const isInside = edit !== undefined && edit.start < place;
    if (!isInside) return place + shifts[index]!;
    return edit.start + shifts[index]! + (outer === 'end' ? edit.text.length : 0);
  };
  const followed = marks.map((mark) => {
    const offset = moved(mark.offset, 'start');
    return { ...mark, offset, length: moved(mark.offset + mark.length, 'end') - offset };
  });
  return normalise({ text: pieces.join(''), marks: followed });
}

/** The first index from which on all items pass the test; the length when none does. */
function firstIndex<Item>(items: readonly Item[], passes: (item: Item) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (passes(items[middle]!)) high = middle;
    else low = middle + 1;
  }
  return low;
}

/**
 * True when a reader would see nothing: white space, characters that are not drawn, the blank of Braille and the
 * place of an object that did not come along (U+FFFC).
 */
export function isBlank(text: string): boolean {
  return /^[\s\p{Cf}\p{Cc}\p{DI}\u2800\uFFFC]*$/u.test(text);
}

/**
 * The canonical form: marks are clipped to the text, empty ones dropped, equal ones that touch merged, partial
 * overlaps closed and reopened, so that the result is sorted and properly nested. Code holds no other marks (true in
 * both networks) and gives way to a link; a quote is never inside
 * another mark and has no line breaks at its ends. NUL and halves of surrogate pairs, which neither PostgreSQL nor UTF-8 can
 * carry, become U+FFFD. Applying it twice changes nothing more.
 */
export function normalise(rich: RichText): RichText {
  const text = wellFormed(rich.text);
  const runs = mergeRuns(rich.marks.flatMap((mark) => toRun(mark, text)));
  const links = runs.filter((run) => run.type === 'link');
  const codes = runs.filter(isCode).flatMap((run) => subtract(run, links));
  const rest = runs.filter((run) => !isCode(run) && run.type !== 'link' && run.type !== 'quote');
  const quotes = runs.filter((run) => run.type === 'quote').flatMap((run) => withoutEdgeBreaks(run, text));
  const styles = rest.flatMap((run) => subtract(run, codes));
  const inner = [...links, ...codes, ...styles].flatMap((run) => cutAtEdges(run, quotes));
  return { text, marks: nest([...quotes, ...inner]) };
}

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

/** A slice that is not in the canonical form yet. */
function clip({ text, marks }: RichText, start: number, end: number): RichText {
  const to = Math.min(end, text.length);
  const clipped: Mark[] = [];
  for (const mark of marks) {
    const from = Math.max(mark.offset, start);
    const length = Math.min(mark.offset + mark.length, to) - from;
    if (length > 0) clipped.push({ ...mark, offset: from - start, length });
  }
  return { text: text.slice(start, to), marks: clipped };
}

/** Of sorted marks those that begin before a place. */
function before(marks: readonly Mark[], place: number): Mark[] {
  return marks.slice(
    0,
    firstIndex(marks, ({ offset }) => offset >= place),
  );
}

function wellFormed(text: string): string {
  return text.replace(/\0|\p{Surrogate}/gu, '\uFFFD');
}

function asRich(part: RichText | string): RichText {
  return typeof part === 'string' ? plain(part) : part;
}

function isCode(run: Run): boolean {
  return run.type === 'code' || run.type === 'pre';
}

/** In bounds and never from or to the middle of a surrogate pair. */
function toRun({ length, ...mark }: Mark, text: string): Run[] {
  if (!Number.isInteger(mark.offset) || !Number.isInteger(length)) return [];
  const start = Math.max(0, mark.offset);
  const stop = Math.min(text.length, mark.offset + length);
  if (start >= stop) return [];
  const offset = isInsidePair(text, start) ? start - 1 : start;
  const end = isInsidePair(text, stop) ? stop + 1 : stop;
  return [{ ...mark, ...(mark.url === undefined ? {} : { url: wellFormed(mark.url) }), offset, end }];
}

function byOffset(a: Run, b: Run): number {
  return a.offset - b.offset || b.end - a.end || NESTING.indexOf(a.type) - NESTING.indexOf(b.type);
}

/** Leaves at most one mark of a kind on every word: equal ones become one, of different ones the earlier stays. */
function mergeRuns(runs: Run[]): Run[] {
  const latest = new Map<string, Run>();
  const merged: Run[] = [];
  for (const run of [...runs].sort(byOffset)) {
    const lane = isCode(run) ? 'code' : run.type;
    const last = latest.get(lane);
    const equal = last?.type === run.type && last.url === run.url && last.language === run.language;
    if (last && equal && run.offset <= last.end) {
      last.end = Math.max(last.end, run.end);
      continue;
    }
    const kept = { ...run, offset: Math.max(run.offset, last?.end ?? 0) };
    if (kept.offset >= kept.end) continue;
    latest.set(lane, kept);
    merged.push(kept);
  }
  return merged;
}

/** What is left of a run outside the given holes, which are sorted and do not overlap. */
function subtract(run: Run, holes: Run[]): Run[] {
  const left: Run[] = [];
  let offset = run.offset;
  for (const hole of overlapping(run, holes)) {
    if (hole.offset > offset) left.push({ ...run, offset, end: hole.offset });
    offset = hole.end;
  }
  if (offset < run.end) left.push({ ...run, offset });
  return left;
}

/** Those of the runs, sorted and apart from each other, that share words with the run. */
function overlapping(run: Run, runs: Run[]): Run[] {
  const first = firstIndex(runs, ({ end }) => end > run.offset);
  const behind = firstIndex(runs, ({ offset }) => offset >= run.end);
  return runs.slice(first, behind);
}

function withoutEdgeBreaks(run: Run, text: string): Run[] {
  let { offset, end } = run;
  while (offset < end && text[offset] === '\n') offset++;
  while (end > offset && text[end - 1] === '\n') end--;
  return offset < end ? [{ ...run, offset, end }] : [];
}

/** The run in pieces, none of which reaches over the edge of a quote. */
function cutAtEdges(run: Run, quotes: Run[]): Run[] {
  const inside = overlapping(run, quotes).map((quote) => ({
    ...run,
    offset: Math.max(run.offset, quote.offset),
    end: Math.min(run.end, quote.end),
  }));
  return [...subtract(run, quotes), ...inside];
}

/** Where two runs overlap in part, the later one is closed at the end of the earlier and opened again behind it. */
function nest(runs: Run[]): Mark[] {
  const queue = [...runs].sort(byOffset);
  const open: Run[] = [];
  const marks: Mark[] = [];
  for (let index = 0; index < queue.length; index++) {
    const run = queue[index]!;
    while ((open.at(-1)?.end ?? Infinity) <= run.offset) open.pop();
    const around = open.at(-1);
    if (around && run.end > around.end) {
      const remainder = { ...run, offset: around.end };
      queue.splice(
        firstIndex(queue, (other) => byOffset(remainder, other) < 0),
        0,
        remainder,
      );
      run.end = around.end;
    }
    open.push(run);
    const { end, ...mark } = run;
    marks.push({ ...mark, length: end - run.offset });
  }
  return marks;
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

function isInsidePair(text: string, at: number): boolean {
  return (text.codePointAt(at - 1) ?? 0) > 0xffff;
}
