import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Caller } from '../../src/admin/access/caller.js';
import { StatisticsController } from '../../src/admin/numbers/statistics.controller.js';
import { rangeOf, StatisticsService } from '../../src/admin/numbers/statistics.service.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { StatisticsRepository } from '../../src/storage/history/statistics.repository.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const FROM = '2026-11-20T10:00:00.000Z';
const TO = '2026-11-20T13:00:00.000Z';

let database: TestDatabase;
let db: DatabaseService;

beforeAll(async () => {
  database = await createTestDatabase();
  db = new DatabaseService(database.url);
  await db.query(`
    INSERT INTO messages (portal_id, bot_id, direction, state, kind, text, raw, created_at, delivered_at)
    VALUES (1, 1, 'inbound', 'delivered', 'text', '', '{}', '2026-11-20T10:00:00Z', '2026-11-20T10:00:00.100Z'),
           (1, 1, 'inbound', 'delivered', 'text', '', '{}', '2026-11-20T10:30:00Z', '2026-11-20T10:30:02Z'),
           (1, 1, 'inbound', 'failed', 'text', '', '{}', '2026-11-20T10:59:59.999Z', NULL),
           (1, 1, 'outbound', 'delivered', 'text', '', '{}', '2026-11-20T12:00:00Z', '2026-11-20T12:00:00Z'),
           (1, 1, 'outbound', 'uncertain', 'text', '', '{}', '2026-11-20T12:00:01Z', NULL),
           (2, 2, 'outbound', 'delivered', 'text', '', '{}', '2026-11-20T12:00:02Z', '2026-11-20T12:01:42Z'),
           (1, 1, 'inbound', 'delivered', 'text', '', '{}', '2026-11-20T13:00:00Z', '2026-11-20T13:00:01Z'),
           (1, 1, 'inbound', 'delivered', 'text', '', '{}', '2026-11-20T09:59:59.999Z', '2026-11-20T13:00:01Z');
    INSERT INTO messages (portal_id, bot_id, direction, state, kind, text, raw, created_at, delivered_at)
    SELECT 3, 3, 'inbound', 'delivered', 'text', '', '{}', '2026-11-20T10:00:00Z'::timestamptz, '2026-11-20T10:00:00Z'::timestamptz + n * interval '10 ms'
      FROM generate_series(1, 1000) n`);
});

afterAll(async () => {
  await db?.onApplicationShutdown();
  await database?.drop();
});

const owner = (portalId: bigint | null): Caller => ({ name: 'k', role: 'read_only', portalId });
const ask = (query: object, caller = owner(null)) =>
  new StatisticsController(new StatisticsService(new StatisticsRepository(db))).over(query, caller);

describe('statistics', () => {
  it('count what was stored in each step, and how it ended', async () => {
    const { from, to, stepSeconds, items } = await ask({ from: FROM, to: TO, step: 3_600, portal: '1' });
    expect([from.toISOString(), to.toISOString(), stepSeconds]).toEqual([FROM, TO, 3_600]);
    expect(items).toEqual([
      {
        at: new Date(FROM),
        inbound: 3,
        outbound: 0,
        failed: 1,
        uncertain: 0,
        inboundLatencyMs: { p50: expect.closeTo(100, -1), p95: expect.closeTo(2_000, -2) },
        outboundLatencyMs: null,
      },
      expect.objectContaining({ inbound: 0, outbound: 0, failed: 0, inboundLatencyMs: null }),
      expect.objectContaining({ outbound: 2, uncertain: 1, outboundLatencyMs: { p50: 0, p95: 0 } }),
    ]);
  });

  it('tell latencies within 1 %', async () => {
    const { items } = await ask({ from: FROM, to: TO, step: 10_800, portal: '3' });
    const { p50, p95 } = items[0]!.inboundLatencyMs!;
    expect(Math.abs(p50 / 5_000 - 1)).toBeLessThan(0.011);
    expect(Math.abs(p95 / 9_500 - 1)).toBeLessThan(0.011);
  });

  it('are those of the caller’s portal, or of the one asked for', async () => {
    const outbound = async (query: object, caller?: Caller) =>
      (await ask({ from: FROM, to: TO, step: 10_800, ...query }, caller)).items[0]!.outbound;
    expect([await outbound({}), await outbound({ portal: '2' }), await outbound({ bot: '1' })]).toEqual([3, 1, 2]);
    expect([await outbound({}, owner(2n)), await outbound({ bot: '1' }, owner(2n))]).toEqual([1, 0]);
    expect(() => ask({ portal: '1' }, owner(2n))).toThrow('No portal has the id 1');
  });

  it('are kept for ten seconds', async () => {
    let reads = 0;
    const repository = { steps: () => Promise.resolve((reads++, [])) } as unknown as StatisticsRepository;
    const service = new StatisticsService(repository);
    await Promise.all([service.statistics({}), service.statistics({}), service.statistics({ portalId: 1n })]);
    await service.statistics({});
    expect(reads).toBe(2);
    for (let n = 0; n < 200; n++) await service.statistics({ portalId: BigInt(n) });
    expect((service as unknown as { kept: Map<string, unknown> }).kept.size).toBeLessThanOrEqual(50);
  });

  it('give up when PostgreSQL would count too long', async () => {
    const canceled = { transaction: () => Promise.reject(Object.assign(new Error('canceled'), { code: '57014' })) };
    const service = new StatisticsService(new StatisticsRepository(canceled as unknown as DatabaseService));
    await expect(service.statistics({})).rejects.toMatchObject({ code: 'range_too_long', status: 422 });
  });
});

describe('the range', () => {
  const now = new Date('2026-11-22T10:07:30Z');

  it('is the last day, in quarters of an hour, unless asked otherwise', () => {
    expect(rangeOf({}, now)).toEqual({ from: new Date('2026-11-21T10:15:00Z'), to: now, stepSeconds: 900 });
    expect(rangeOf({ from: new Date('2026-11-22T10:00:00Z') }, now).stepSeconds).toBe(60);
    expect(rangeOf({ from: new Date('2026-08-23T00:00:00Z') }, now).stepSeconds).toBe(86_400);
  });

  it.each([
    [{ from: now, to: now }],
    [{ from: new Date('2026-08-22T00:00:00Z') }],
    [{ from: new Date('2026-11-20T00:00:00Z'), stepSeconds: 1 }],
  ])('is refused when it is none or too long: %o', (query) => {
    expect(() => rangeOf(query, now)).toThrow(expect.objectContaining({ code: 'invalid_range' }));
  });
});
