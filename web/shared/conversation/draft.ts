import { newKey } from '../new-key.js';

/** What is being written, and the key under which it is sent. */
export interface Draft {
  text: string;
  key: string;
}

/** Nothing written yet. */
export function newDraft(): Draft {
  return { text: '', key: newKey() };
}

/**
 * Other words are another message, with a key of its own; the same words keep theirs, so that trying again after an
 * answer that never came sends nothing twice.
 */
export function redraft(draft: Draft, text: string, tried: boolean): Draft {
  if (text === draft.text) return draft;
  return { text, key: tried ? newKey() : draft.key };
}
