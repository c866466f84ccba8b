import type { Mark, MarkType } from './mark.js';
import { firstIndex } from './sorted-search.js';

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

/**
 * The canonical form of the marks of a text: clipped to it, empty ones dropped, equal ones that touch merged, partial
 * overlaps closed and reopened, so that the result is sorted and properly nested. Code holds no other marks (true in
 * both networks) and gives way to a link; a quote is never inside another mark and has no line breaks at its ends.
 *
 * @param text well-formed, see {@link wellFormed}
 */
export function canonicalMarks(marks: readonly Mark[], text: string): Mark[] {
  const runs = mergeRuns(marks.flatMap((mark) => toRun(mark, text)));
  const links = runs.filter((run) => run.type === 'link');
  const codes = runs.filter(isCode).flatMap((run) => subtract(run, links));
  const rest = runs.filter((run) => !isCode(run) && run.type !== 'link' && run.type !== 'quote');
  const quotes = runs.filter((run) => run.type === 'quote').flatMap((run) => withoutEdgeBreaks(run, text));
  const styles = rest.flatMap((run) => subtract(run, codes));
  const inner = [...links, ...codes, ...styles].flatMap((run) => cutAtEdges(run, quotes));
  return nest([...quotes, ...inner]);
}

/** NUL and halves of surrogate pairs, which neither PostgreSQL nor UTF-8 can carry, become U+FFFD. */
export function wellFormed(text: string): string {
  return text.replace(/\0|\p{Surrogate}/gu, '\uFFFD');
}

/** Whether a place is between the halves of a surrogate pair. */
export function isInsidePair(text: string, at: number): boolean {
  return (text.codePointAt(at - 1) ?? 0) > 0xffff;
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
