import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { DeliveryReportsRepository } from '../../src/storage/work/delivery-reports.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Settlement } from '../../src/storage/work/settlement.js';
import { LeaseLostError, type Lease } from '../../src/storage/work/lease.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let endpoints: EndpointsRepository;
let intake: IntakeRepository;
let lanes: LanesRepository;
let decisions: DecisionsRepository;
let portal: Lease;
let bot: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  endpoints = new EndpointsRepository(storage.db);
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  decisions = new DecisionsRepository(storage.db);
  const held = await endpoints.acquire('me', 10);
  await endHolds(storage.db);
  [bot, portal] = ['bot:1', 'portal:1'].map((id) => held.find(({ endpoint }) => endpoint === id)!) as [Lease, Lease];
});

afterEach(() => storage.close());

const rows = async (sql: string) => (await storage.db.query(sql)).rows;
const heads = (claimed: ClaimedLane[]) => claimed.map(({ deliveries }) => deliveries[0]?.message.text).sort();
const settle = (lease: Lease, claimed: ClaimedLane[], outcome: Partial<Settlement>, dueInMs = 0) =>
  lanes.settle(
    [
      {
        lease,
        lanes: claimed.map((lane) => ({
          lane,
          dueInMs,
          deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const, ...outcome })),
        })),
      },
    ],
    'instance',
  );

describe('lanes', () => {
  it('hands out the head of each chat, and the next one only after that is settled', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a1'), update(2, 10, 'a2'), update(3, 11, 'b1')]);
    const first = await lanes.claim(portal, 10, 1);
    expect(heads(first)).toEqual(['a1', 'b1']);
    expect(await lanes.claim(portal, 10, 1)).toEqual([]);
    await settle(portal, first, {});
    expect(heads(await lanes.claim(portal, 10, 1))).toEqual(['a2']);
  });

  it('never hands a lane to two who claim at the same time', async () => {
    await intake.acceptClientUpdates(Array.from({ length: 60 }, (_, n) => update(n, 100 + n, `m${n}`)));
    const claims = await Promise.all(Array.from({ length: 6 }, () => lanes.claim(portal, 15, 1)));
    const ids = claims.flat().map(({ id }) => id);
    expect(ids.length).toBeGreaterThan(0);
    expect(new Set(ids).size).toBe(ids.length);
  });

  it('claims and settles nothing for one who lost the lease', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a'), update(2, 11, 'b')]);
    const claimed = await lanes.claim(portal, 1, 1);
    await storage.db.query(`UPDATE endpoints SET expires_at = now() - interval '1 ms'`);
    const heir = (await endpoints.acquire('heir', 10)).find(({ endpoint }) => endpoint === 'portal:1')!;
    expect(await lanes.claim(portal, 10, 1)).toEqual([]);
    await expect(settle(portal, claimed, {})).rejects.toThrow(LeaseLostError);
    expect(await rows(`SELECT FROM messages WHERE state = 'delivered'`)).toEqual([]);
    const [interrupted] = (await lanes.interrupted([heir], [])) as [ClaimedLane[]];
    expect(heads(interrupted)).toEqual(heads(claimed));
    await settle(heir, interrupted, { outcome: 'retry', doubt: 'earlier' });
    const [again] = (await lanes.claim(heir, 10, 1)).filter(({ id }) => id === claimed[0]!.id);
    expect(again!.deliveries[0]).toMatchObject({ attempt: 2, unknown: true });
    expect(await lanes.interrupted([heir], [])).toEqual([[]]);
  });

  it('lets a chat wait for its retry and goes on with others', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'slow')]);
    await settle(portal, await lanes.claim(portal, 1, 1), { outcome: 'retry', code: '500' }, 60_000);
    await intake.acceptClientUpdates([update(2, 10, 'behind'), update(3, 11, 'other')]);
    expect(heads(await lanes.claim(portal, 10, 1))).toEqual(['other']);
    expect(await lanes.withWorkDue(['portal:1', 'bot:1'])).toEqual([]);
    await lanes.wake('portal:1', [0n]);
    expect(await lanes.withWorkDue(['portal:1'])).toEqual([]);
    await lanes.wake('portal:1');
    expect(await lanes.withWorkDue(['portal:1'])).toEqual(['portal:1']);
    expect(heads(await lanes.claim(portal, 10, 1))).toEqual(['slow']);
  });

  it('keeps the parts that arrived, reports a delivery and writes every attempt down', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'hello')]);
    await intake.acceptOperatorMessages([operatorMessage(5, 10, 'long')]);
    await settle(bot, await lanes.claim(bot, 1, 1), { outcome: 'retry', code: '429', telegramMessageIds: [71n] });
    const again = await lanes.claim(bot, 1, 1);
    expect(again[0]!.deliveries[0]!.message.telegramMessageIds).toEqual([71n]);
    await settle(bot, again, { telegramMessageIds: [71n, 72n], reportDelivery: true });
    const [due] = await new DeliveryReportsRepository(storage.db).due([{ portalId: 1n, from: null }], 10);
    expect(due!.reports.map(({ deliveries }) => deliveries[0]!.message.telegramMessageIds)).toEqual([[71n, 72n]]);
    expect(await rows(`SELECT number, outcome, code FROM attempts ORDER BY id`)).toEqual([
      { number: 1, outcome: 'retry', code: '429' },
      { number: 2, outcome: 'delivered', code: null },
    ]);
  });

  it('puts a note into the dialog for what failed, and the lane goes on', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'hello')]);
    await settle(portal, await lanes.claim(portal, 1, 1), {});
    await intake.acceptOperatorMessages([operatorMessage(5, 10, 'in vain'), operatorMessage(6, 10, 'next')]);
    const note = { code: 'bot_blocked', detail: 'why', about: 'message' as const };
    await settle(bot, await lanes.claim(bot, 1, 1), { outcome: 'failed', code: 'bot_blocked', note });
    const [lane] = await lanes.claim(portal, 10, 1);
    expect(lane!.deliveries).toMatchObject([{ kind: 'note', payload: note, message: { text: 'in vain' } }]);
    expect(heads(await lanes.claim(bot, 1, 1))).toEqual(['next']);
  });

  it('retries what failed or is uncertain, and nothing else', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a'), update(2, 10, 'b'), update(3, 10, 'c')]);
    await settle(portal, await lanes.claim(portal, 1, 1), { outcome: 'failed' });
    await settle(portal, await lanes.claim(portal, 1, 1), {});
    const ids = (await rows(`SELECT id FROM messages ORDER BY id`)).map(({ id }) => id as bigint);
    expect(await decisions.retry(ids)).toEqual({ retried: 1, endpoints: ['portal:1'] });
    expect(await decisions.retry(ids)).toEqual({ retried: 0, endpoints: [] });
    const order: unknown[] = [];
    for (let n = 0; n < 2; n++) {
      const claimed = await lanes.claim(portal, 1, 1);
      order.push(...heads(claimed));
      await settle(portal, claimed, {});
    }
    expect(order).toEqual(['c', 'a']);
    expect(await rows(`SELECT pending FROM lanes WHERE channel = 'inbound'`)).toEqual([{ pending: 0 }]);
  });

  it('a chat that was removed while it was sent does not block the others', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'hello')]);
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'k2', 2, 't', 1, '8')`,
    );
    await intake.acceptClientUpdates([{ ...update(1, 20, 'stays'), botId: 2n }]);
    const claimed = await lanes.claim(portal, 10, 1);
    expect(claimed).toHaveLength(2);
    await new BotsRepository(storage.db).remove(1n);
    await settle(portal, claimed, { reportDelivery: true, telegramMessageIds: [1n] });
    expect(await rows(`SELECT text, state FROM messages`)).toEqual([{ text: 'stays', state: 'delivered' }]);
  });

  it('sends nothing again that its author took back', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'kept'), update(2, 11, 'taken back')]);
    await settle(portal, await lanes.claim(portal, 10, 1), { outcome: 'failed', code: 'ERROR_ARGUMENT' });
    await intake.acceptClientUpdates([update(3, 11, '', { said: null, deletes: [2n] })]);
    const ids = (await rows(`SELECT id FROM messages`)).map(({ id }) => id as bigint);
    expect(await decisions.retry(ids)).toMatchObject({ retried: 1 });
    expect(heads(await lanes.claim(portal, 10, 1))).toEqual(['kept']);
    expect(await decisions.discard(ids)).toBe(1);
  });
});
