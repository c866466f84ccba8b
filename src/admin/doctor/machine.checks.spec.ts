import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { attentionCheck, clockCheck, diskCheck, disksOf, portalClockCheck } from './machine.checks.js';

const GIB = 1024 ** 3;

describe('the clock', () => {
  it.each([
    [{ database: 0.2, telegram: -0.9 }, true, 'Clocks agree (database, Telegram is 1 s behind)'],
    [{ database: 30, telegram: null }, true, 'Clocks agree (database is 30 s ahead)'],
    [{ database: -31, telegram: null }, false, 'Clocks differ (database is 31 s behind)'],
    [{ database: 0, telegram: 300 }, false, 'Clocks differ (database, Telegram is 300 s ahead)'],
    [{ database: null, telegram: null }, true, 'No clock could be read'],
  ])('%j', (ahead, ok, words) => {
    const found = clockCheck(ahead);
    expect(found.ok).toBe(ok);
    expect(found.what).toContain(words);
    expect(found.advice === '').toBe(ok);
  });

  it('of a portal is that of its answer, if it tells', () => {
    const portal = { id: 7n, domain: 'acme.bitrix24.com' };
    expect(portalClockCheck(portal, 1_000.5, 1_000_000)).toMatchObject([{ id: 'portal:7:clock', ok: true }]);
    expect(portalClockCheck(portal, 1_060, 1_000_000)).toMatchObject([{ ok: false }]);
    expect(portalClockCheck(portal, undefined, 1_000_000)).toEqual([]);
  });
});

describe('the disk', () => {
  it.each([
    [0.5, 100, false],
    [2, 100, false],
    [6, 100, true],
    [30, 2_000, true],
    [10, 2_000, false],
  ])('%d GiB free of %d: %s', (free, total, ok) => {
    const found = diskCheck([{ path: '/data', freeBytes: free * GIB, totalBytes: total * GIB }], null);
    expect(found.ok).toBe(ok);
    if (!ok) expect(found.advice).toContain('/data');
  });

  it('says how large an external database is', () => {
    expect(diskCheck([], 3 * GIB)).toMatchObject({ ok: true, what: 'the database holds 3.0 GiB' });
  });

  it('is looked at also before the folder is made', async () => {
    const found = await disksOf({ DATA_DIR: `${tmpdir()}/not-there-yet`, DATABASE_URL: undefined });
    expect(found).toHaveLength(2);
    for (const { freeBytes, totalBytes } of found) expect(totalBytes).toBeGreaterThanOrEqual(freeBytes);
  });
});

it('messages that wait for a person make nobody ill', () => {
  expect(
    attentionCheck([
      { failed: 1, uncertain: 1 },
      { failed: 1, uncertain: 0 },
    ]),
  ).toMatchObject({ ok: true });
  expect(
    attentionCheck([
      { failed: 1, uncertain: 1 },
      { failed: 1, uncertain: 0 },
    ]).what,
  ).toContain('2 failed and 1 uncertain');
});

it('messages of clients that nobody can read turn the doctor', () => {
  const found = [
    { failed: 5, uncertain: 1 },
    { unread: 1, unreadSince: new Date('2026-03-02T00:00:00Z') },
    { unread: 2, unreadSince: new Date('2026-03-01T00:00:00Z') },
  ];
  expect(attentionCheck(found)).toMatchObject({
    ok: false,
    what: expect.stringMatching(/^3 messages of clients have failed since 2026-03-01 00:00 UTC/),
    advice: expect.stringContaining('state=failed&direction=inbound'),
  });
  expect(attentionCheck(found.slice(1, 2)).what).toMatch(/^1 message of a client has failed/);
});
