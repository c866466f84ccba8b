import { newKey } from '../new-key.js';

/** What is being written, and the key under which it is sent. */
export interface Draft {
  text: string;
  files: readonly File[];
  key: string;
}

/** Nothing written yet. */
export function newDraft(): Draft {
  return { text: '', files: [], key: newKey() };
}

/**
 * Other words or files are another message, with a key of its own; the same ones keep theirs, so that trying again after
 * an answer that never came sends nothing twice.
 */
export function redraft(draft: Draft, change: Partial<Pick<Draft, 'text' | 'files'>>, tried: boolean): Draft {
  const next = { ...draft, ...change };
  if (next.text === draft.text && next.files === draft.files) return draft;
  return { ...next, key: tried ? newKey() : draft.key };
}
