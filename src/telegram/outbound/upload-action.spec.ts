import { describe, expect, it, vi } from 'vitest';
import { announced, uploadActionOf } from './upload-action.js';

const TIMES = { firstMs: 20, repeatMs: 40 };
const rest = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('an upload that takes long', () => {
  it('is announced until it is over, and not afterwards', async () => {
    const show = vi.fn(() => Promise.resolve(true));
    expect(await announced(show, () => rest(130).then(() => 'sent'), TIMES)).toBe('sent');
    const shown = show.mock.calls.length;
    expect(shown).toBeGreaterThanOrEqual(2);
    expect(shown).toBeLessThanOrEqual(3);
    await rest(100);
    expect(show).toHaveBeenCalledTimes(shown);
  });

  it('is not announced when it is quick', async () => {
    const show = vi.fn(() => Promise.resolve(true));
    await announced(show, () => Promise.resolve(), TIMES);
    await rest(60);
    expect(show).not.toHaveBeenCalled();
  });

  it('does not care whether the announcement fails, which is then the last one', async () => {
    const show = vi.fn(() => Promise.reject(new Error('no')));
    expect(await announced(show, () => rest(150).then(() => 'sent'), TIMES)).toBe('sent');
    expect(show).toHaveBeenCalledOnce();
  });

  it('neither waits for an announcement that hangs, nor leaves it behind', async () => {
    let signal: AbortSignal | undefined;
    const show = (given: AbortSignal) => {
      signal = given;
      return new Promise<never>(() => undefined);
    };
    await announced(show, () => rest(60), TIMES);
    expect(signal?.aborted).toBe(true);
  });

  it('fails with its own failure', async () => {
    const work = () => rest(60).then(() => Promise.reject(new Error('refused')));
    await expect(announced(() => Promise.resolve(), work, TIMES)).rejects.toThrow('refused');
  });
});

it.each([
  ['photo', 'upload_photo'],
  ['video', 'upload_video'],
  ['animation', 'upload_document'],
  ['voice', 'upload_voice'],
  ['audio', 'upload_document'],
  ['document', 'upload_document'],
] as const)('a %s is announced as %s', (kind, action) => {
  expect(uploadActionOf(kind)).toBe(action);
});
