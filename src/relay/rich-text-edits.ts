import { normalise, type RichText } from './rich-text.js';
import { firstIndex } from './sorted-search.js';

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
