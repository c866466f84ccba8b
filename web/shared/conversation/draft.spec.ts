import { expect, it } from 'vitest';
import { newDraft, redraft } from './draft.js';

it('keeps its key while the same words are tried again, and takes another for other words', () => {
  const draft = redraft(newDraft(), 'Hello', false);
  expect(draft.key).toMatch(/^[\da-f]{32}$/);
  expect(redraft(draft, 'Hello', true)).toBe(draft);
  const typed = redraft(draft, 'Hello!', false);
  expect(typed).toEqual({ text: 'Hello!', key: draft.key });
  const other = redraft(typed, 'Hello?', true);
  expect(other.key).not.toBe(draft.key);
  expect(newDraft().key).not.toBe(newDraft().key);
});
