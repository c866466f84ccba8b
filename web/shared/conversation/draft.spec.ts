import { expect, it } from 'vitest';
import { newDraft, redraft } from './draft.js';

it('keeps its key while the same words are tried again, and takes another for other words or files', () => {
  const draft = redraft(newDraft(), { text: 'Hello' }, false);
  expect(draft.key).toMatch(/^[\da-f]{32}$/);
  expect(redraft(draft, { text: 'Hello' }, true)).toBe(draft);
  const typed = redraft(draft, { text: 'Hello!' }, false);
  expect(typed).toEqual({ text: 'Hello!', files: [], key: draft.key });
  const other = redraft(typed, { text: 'Hello?' }, true);
  expect(other.key).not.toBe(draft.key);
  const withFile = redraft(other, { files: [new File(['x'], 'x.txt')] }, true);
  expect([withFile.text, withFile.key === other.key]).toEqual(['Hello?', false]);
  expect(newDraft().key).not.toBe(newDraft().key);
});
