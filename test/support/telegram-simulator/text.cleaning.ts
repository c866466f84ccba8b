/** Taken out of every text (`clean_input_string` of tdlib/td, td/telegram/misc.cpp). */
const REMOVED = /\r|[\u2028-\u202E]|\u0333|\u033F|\u030A/g;
/** These become spaces, a tab too (likewise). */
// oxlint-disable-next-line no-control-regex
const CONTROL = /[\0-\t\v\f\x0E-\x1F]/g;
/** Of several direction marks in a row only the last stays one (`replace_offending_characters`, likewise). */
const DIRECTION_MARKS = /[\u200E\u200F]+(?=[\u200E\u200F])/g;

/** `strip_empty_characters` of the same file: what it counts as a space, and what it sees nothing in. */
const NOTHING = /^[ \n\u00A0\u1680\u180E\u2000-\u200F\u202E\u202F\u205F\u2800\u3000\uFEFF\uFFFC\u{E0000}-\u{E007F}]*$/u;

export interface CleanText {
  readonly text: string;
  /** Where the character at this UTF-16 offset of the given text, or the next one that is left, now stands. */
  readonly offset: (given: number) => number;
}

/** A text as the server keeps it. */
export function cleanText(text: string): CleanText {
  const removed = [...text.matchAll(REMOVED)].map(({ index }) => index);
  const clean = text
    .replace(CONTROL, ' ')
    .replace(REMOVED, '')
    .replace(DIRECTION_MARKS, (run) => '\u200C'.repeat(run.length));
  return { text: clean, offset: (given) => given - removed.filter((at) => at < given).length };
}

/** True when the server sees no text in it (`is_empty_string`). */
export function isNothing(text: string): boolean {
  return NOTHING.test(text);
}
