import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { FileLinks, LinkedFile } from './file-links.js';
import { ViewingLinks } from './viewing-links.js';

beforeEach(() => vi.useFakeTimers({ now: new Date('2026-05-01T12:00:10Z') }));
afterEach(() => vi.useRealTimers());

it('stay the same from one look to the next, and work for an hour at least', () => {
  const expiring = { to: (_: LinkedFile, at: Date) => at.toISOString() } as FileLinks;
  const links = new ViewingLinks(expiring);
  const file: LinkedFile = { of: 'message', messageId: 1n, ordinal: 0 };
  const first = links.to(file);
  expect(new Date(first!).getTime() - Date.now()).toBeGreaterThanOrEqual(3_600_000);
  vi.advanceTimersByTime(20 * 60_000);
  expect(links.to(file)).toBe(first);
  vi.advanceTimersByTime(10 * 60_000);
  expect(links.to(file)).not.toBe(first);
  expect(new Date(links.to(file)!).getTime() - Date.now()).toBeGreaterThanOrEqual(3_600_000);
});
