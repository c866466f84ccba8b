import { describe, expect, it } from 'vitest';
import { readPage, type ForeignAnswer } from './gateway-page.js';

const NOW = Date.UTC(2026, 10, 29, 12, 0, 0);
const read = (answer: Partial<ForeignAnswer>) =>
  readPage({ status: 403, body: '', location: null, retryAfter: null, afterMs: 1, ...answer }, NOW);

describe('a page in place of an answer', () => {
  it.each([
    ['<html><head><title>a.example | 521: Web server is down</title>', 'a.example | 521: Web server is down'],
    ['<TITLE lang="en">\n  Just a\n moment&#39;s &amp; </TITLE>', "Just a moment's &"],
    ['<title></title>', null],
    ['{"error":"no"}', null],
    ['', null],
    [`<title>${'x'.repeat(500)}</title>`, 'x'.repeat(120)],
  ])('%j is called %j', (body, title) => {
    expect(read({ body }).title).toBe(title);
  });

  it('is read in no time, whatever it holds', () => {
    const began = process.cpuUsage();
    expect(read({ body: '<title'.repeat(200_000) }).title).toBeNull();
    expect(process.cpuUsage(began).user / 1000).toBeLessThan(1_000);
  });

  it.each([
    ['120', 120_000],
    [' 5 ', 5_000],
    ['Sun, 29 Nov 2026 12:01:00 GMT', 60_000],
    ['Sun, 29 Nov 2026 11:00:00 GMT', 0],
    ['soon', undefined],
    [null, undefined],
  ])('Retry-After %j is %j ms', (retryAfter, ms) => {
    expect(read({ retryAfter }).retryAfterMs).toBe(ms);
  });

  it('leads to an origin; the rest of an address may hold the token', () => {
    expect(read({ location: 'https://b.example/bot123:abc/sendMessage' }).location).toBe('https://b.example');
    expect(read({ location: 'nowhere' }).location).toBeNull();
  });
});
