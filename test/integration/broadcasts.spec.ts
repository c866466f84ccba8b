import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BroadcastFanOut } from '../../src/crm/broadcasts/broadcast-fan-out.service.js';
import { Broadcasts } from '../../src/crm/broadcasts/broadcasts.service.js';
import type { KeptFiles } from '../../src/crm/files/kept-files.service.js';
import type { SendRequests } from '../../src/crm/requests/send-requests.service.js';
import type { IntakeService } from '../../src/relay/intake.service.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { BroadcastsRepository } from '../../src/storage/crm/broadcasts.repository.js';
import { BroadcastPortionsRepository } from '../../src/storage/intake/broadcast-portions.repository.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { createTestStorage, endHolds, PORTAL } from '../support/storage.js';

const DEPTH = 60;
const words = () => ({ text: 'News', marks: [] });

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let broadcasts: BroadcastsRepository;
let portions: BroadcastPortionsRepository;
let lanes: LanesRepository;
let bot: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  broadcasts = new BroadcastsRepository(storage.db);
  portions = new BroadcastPortionsRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  bot = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  await endHolds(storage.db);
});

afterEach(() => storage.close());

const rowsOf = async (sql: string) => (await storage.db.query(sql)).rows;
const number = async (sql: string) => Number((await rowsOf(sql))[0]!['count']);

/** Clients of the bot who have written to it. */
const clients = (count: number, { bot: botId = 1, first = 1, portal = 1 } = {}) =>
  storage.db.query(
    `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, last_inbound_at)
     SELECT $1, $4, 'tg:' || n, 'tg:' || n, n, 'Client ' || n, now() FROM generate_series($2::int, $2::int + $3::int - 1) n`,
    [botId, first, count, portal],
  );

async function started(portalId = PORTAL) {
  const written = { text: 'News', buttons: '', file: '', hasUnsubscribe: true };
  const id = await broadcasts.create({ portalId, name: 'News', audience: {}, createdBy: 'me', ...written });
  return { id, portalId, size: await broadcasts.start(id) };
}

async function portion(broadcast: { id: bigint; portalId: bigint }): Promise<number> {
  await portions.noteEnds();
  const next = await portions.next(broadcast, DEPTH);
  if (next.length > 0) await portions.begin(broadcast, next, words);
  return next.length;
}

/** Telegram takes what waits. */
async function telegram(limit = 100): Promise<void> {
  const claimed = await lanes.claim(bot, limit, 1, { bulk: limit });
  const settled = claimed.map((lane) => ({
    lane,
    dueInMs: 0,
    deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const })),
  }));
  await lanes.settle([{ lease: bot, lanes: settled }], 'me');
}

describe('10,000 recipients', () => {
  it('are fixed at the start in a moment, and a portion costs the same at the end as at the beginning', async () => {
    await clients(10_000);
    const began = performance.now();
    const broadcast = await started();
    expect(broadcast.size).toBe(10_000);
    expect(performance.now() - began).toBeLessThan(5_000);
    // Who comes after the start is not among them.
    await clients(1, { first: 20_000 });
    const first: number[] = [];
    for (let at = 0; at < 5; at++) {
      const from = performance.now();
      expect(await portion(broadcast)).toBe(DEPTH);
      first.push(performance.now() - from);
      await telegram();
    }
    expect(await number(`SELECT count(*) FROM messages`)).toBe(5 * DEPTH);
    await storage.db.query(
      `UPDATE broadcast_recipients SET state = 'delivered' WHERE state = 'waiting' AND id < (SELECT max(id) - 300 FROM broadcast_recipients)`,
    );
    const last: number[] = [];
    for (let at = 0; at < 5; at++) {
      const from = performance.now();
      expect(await portion(broadcast)).toBe(DEPTH);
      last.push(performance.now() - from);
      await telegram();
    }
    const median = (values: number[]) => values.toSorted((a, b) => a - b)[2]!;
    expect(median(last)).toBeLessThan(median(first) * 5 + 100);
    expect(await number(`SELECT count(*) FROM broadcast_recipients WHERE state = 'waiting'`)).toBeLessThanOrEqual(1);
    const counting = performance.now();
    expect((await broadcasts.counts([broadcast.id])).get(broadcast.id)).toMatchObject({ failed: 0 });
    await broadcasts.noteEffects(broadcast.id);
    expect(performance.now() - counting).toBeLessThan(3_000);
  }, 60_000);
});

describe('a portion', () => {
  it('is begun once, also when several replicas begin it at once', async () => {
    await clients(100);
    const broadcast = await started();
    const next = await portions.next(broadcast, DEPTH);
    await Promise.all([1, 2, 3].map(() => portions.begin(broadcast, next, words)));
    expect(await number('SELECT count(*) FROM messages')).toBe(DEPTH);
    expect(await number('SELECT count(DISTINCT chat_id) FROM messages')).toBe(DEPTH);
    // The queue is as deep as it may be.
    expect(await portion(broadcast)).toBe(0);
    await telegram(10);
    expect(await portion(broadcast)).toBe(10);
  });

  it('is taken back by a pause, whoever begins it just then', async () => {
    await clients(30);
    const broadcast = await started();
    const next = await portions.next(broadcast, DEPTH);
    await Promise.all([
      portions.begin(broadcast, next, words),
      broadcasts.setState(broadcast.id, ['running'], 'paused').then(() => portions.withdraw(broadcast.id)),
    ]);
    expect(await rowsOf('SELECT state::text, count(*)::int FROM broadcast_recipients GROUP BY 1')).toEqual([
      { state: 'waiting', count: 30 },
    ]);
    expect(await number('SELECT count(*) FROM messages')).toBe(0);
    expect(await number('SELECT count(*) FROM deliveries')).toBe(0);
    expect(await number('SELECT coalesce(sum(pending), 0) AS count FROM lanes')).toBe(0);
  });

  it('of one bot does not wait for another one, nor one of a portal for another portal', async () => {
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'k2', 2, 't', 1, '8')`,
    );
    await clients(80);
    await clients(80, { bot: 2, first: 1_000 });
    const broadcast = await started();
    expect(await portion(broadcast)).toBe(2 * DEPTH);
    // The first bot stands still; the second one goes on.
    const next = await portions.next(broadcast, DEPTH);
    expect(next).toEqual([]);
    await storage.db.query(`UPDATE messages SET state = 'delivered', delivered_at = now() WHERE bot_id = 2`);
    expect(await portion(broadcast)).toBe(20);
    await storage.db
      .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
      VALUES (2, 'n', 'b', 'https://b/rest/', 'https://o', 'c', 'tg_bridge')`);
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (3, 'k3', 3, 't', 2, '7')`,
    );
    await clients(5, { bot: 3, portal: 2 });
    const other = await started(2n);
    expect(other.size).toBe(5);
    expect(await portion(other)).toBe(5);
  });

  it('leaves nobody out: those of a bot that has left the portal, and clients who were erased, are counted as gone', async () => {
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'k2', 2, 't', 1, '8')`,
    );
    await clients(3);
    await clients(2, { bot: 2, first: 1_000 });
    const broadcast = await started();
    await new BotsRepository(storage.db).assign(2n, null);
    await storage.db.query(`DELETE FROM chat_links WHERE bot_id = 1 AND external_id = 'tg:3'`);
    expect(await portion(broadcast)).toBe(3);
    await telegram();
    expect(await portion(broadcast)).toBe(2);
    expect(await portion(broadcast)).toBe(0);
    expect((await portions.active())[0]).toMatchObject({ isOver: true });
    expect((await broadcasts.counts([broadcast.id])).get(broadcast.id)).toMatchObject({
      delivered: 2,
      gone: 3,
      waiting: 0,
    });
  });
});

describe('a person with several bots of the portal', () => {
  const bots = () =>
    storage.db.query(`INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES
      (2, 'k2', 2, 't', 1, '8'), (3, 'k3', 3, 't', 1, '9')`);
  const chat = (id: number, bot: number, client: number, more = '') =>
    storage.db.query(
      `UPDATE chat_links SET last_inbound_at = now() - make_interval(hours => $3)${more}
        WHERE bot_id = $1 AND external_id = 'tg:' || $2`,
      [bot, client, id],
    );
  const chosen = async () =>
    (await rowsOf('SELECT r.bot_id, c.external_id FROM broadcast_recipients r JOIN chat_links c ON c.id = r.chat_id'))
      .map((row) => `${String(row['external_id'])}@${String(row['bot_id'])}`)
      .toSorted();

  it('has it once, from the bot that they wrote to last of those that may write to them; the count agrees', async () => {
    await bots();
    for (const bot of [1, 2, 3]) await clients(4, { bot });
    // 1: last with bot 2. 2: last with bot 3, which they blocked. 3: unsubscribed from all. 4: blocked all.
    await chat(1, 2, 1);
    for (const bot of [1, 3]) await chat(2, bot, 1);
    await chat(1, 3, 2, `, state = 'blocked'`);
    await chat(2, 1, 2);
    await chat(3, 2, 2);
    for (const bot of [1, 2, 3]) await chat(1, bot, 3, `, unsubscribed_at = now()`);
    for (const bot of [1, 2, 3]) await chat(1, bot, 4, `, state = 'blocked'`);
    const count = await broadcasts.count(PORTAL, {}, 5);
    expect(count).toMatchObject({ unsubscribed: 1, blocked: 1 });
    expect(count.bots.reduce((sum, { clients: theirs }) => sum + theirs, 0)).toBe(2);
    expect(count.sample).toHaveLength(2);
    expect((await started()).size).toBe(2);
    expect(await chosen()).toEqual(['tg:1@2', 'tg:2@1']);
  });
});

describe('the report', () => {
  const countsOf = async ({ id }: { id: bigint }) => {
    await broadcasts.noteEffects(id);
    return (await broadcasts.counts([id])).get(id);
  };

  it('follows what people decide about messages that failed or whose outcome is unknown', async () => {
    await clients(4);
    const broadcast = await started();
    await portion(broadcast);
    await storage.db.query(`DELETE FROM deliveries`);
    await storage.db.query(`UPDATE lanes SET pending = 0`);
    const ids = (await rowsOf('SELECT id FROM messages ORDER BY id')).map((row) => row['id'] as bigint);
    const end = (id: bigint, state: string, code: string | null = null) =>
      storage.db.query(`UPDATE messages SET state = $2::"MessageState", error_code = $3 WHERE id = $1`, [
        id,
        state,
        code,
      ]);
    await end(ids[0]!, 'uncertain');
    await end(ids[1]!, 'uncertain');
    await end(ids[2]!, 'failed', 'x');
    await end(ids[3]!, 'failed', 'bot_blocked');
    await portions.noteEnds();
    expect(await countsOf(broadcast)).toMatchObject({ uncertain: 2, failed: 1, blocked: 1 });
    const decisions = new DecisionsRepository(storage.db);
    await decisions.resolve(ids[0]!, 'delivered');
    await decisions.resolve(ids[1]!, 'failed');
    await decisions.retry([ids[2]!]);
    expect(await countsOf(broadcast)).toMatchObject({ delivered: 1, failed: 2, blocked: 1, uncertain: 0 });
    await telegram();
    expect(await countsOf(broadcast)).toMatchObject({ delivered: 2, failed: 1, blocked: 1, sending: 0 });
    await decisions.discard([ids[1]!]);
    expect(await countsOf(broadcast)).toMatchObject({ delivered: 2, failed: 1, blocked: 1 });
  });

  it('is there in a moment, and so is who comes next, however many there are', async () => {
    const many = 100_000;
    await storage.db.transaction(async ({ query }) => {
      await query(
        `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, last_inbound_at)
         SELECT 1, 1, 'tg:' || n, 'tg:' || n, n, 'x', now() - interval '2 days' FROM generate_series(1, $1::int) n`,
        [many],
      );
      await query(
        `INSERT INTO messages (portal_id, bot_id, chat_id, direction, state, kind, text, raw, delivered_at)
         SELECT 1, 1, id, 'outbound', 'delivered', 'broadcast', 'x', '{}', now() FROM chat_links`,
      );
    });
    const broadcast = await started();
    const { id } = broadcast;
    expect(await portion(broadcast)).toBe(DEPTH);
    await storage.db.query('ANALYZE broadcast_recipients');
    const looking = performance.now();
    // While nothing more fits, it is looked at several times a second.
    for (let at = 0; at < 10; at++) expect(await portions.next(broadcast, DEPTH)).toEqual([]);
    expect(performance.now() - looking).toBeLessThan(250);
    await storage.db.transaction(({ query }) =>
      query(
        `UPDATE broadcast_recipients r SET state = 'delivered', delivered_at = now(), message_id = m.id
           FROM messages m WHERE m.chat_id = r.chat_id AND m.id <= $1`,
        [many],
      ),
    );
    await storage.db.query('ANALYZE');
    const began = performance.now();
    await countsOf({ id });
    expect(performance.now() - began).toBeLessThan(3_000);
  }, 180_000);
});

it('of one that is deleted nothing is sent afterwards', async () => {
  await clients(3);
  const broadcast = await started();
  await portion(broadcast);
  const [lane] = await lanes.claim(bot, 1, 1, { bulk: 1 });
  // A kill comes before anything is taken back.
  await broadcasts.setState(broadcast.id, ['running'], 'paused');
  const others = [{}, {}, {}, {}] as unknown as [PortalsRepository, SendRequests, KeptFiles, BroadcastFanOut];
  const service = new Broadcasts(broadcasts, portions, ...others);
  const row = (await broadcasts.find(broadcast.id))!;
  await expect(service.remove(row)).rejects.toMatchObject({ code: 'broadcast_sending' });
  const deliveries = lane!.deliveries.map(({ seq }) => ({ seq, outcome: 'retry' as const, code: 'rate_limited' }));
  await lanes.settle([{ lease: bot, lanes: [{ lane: lane!, dueInMs: 0, deliveries }] }], 'me');
  await service.remove(row);
  expect(await number('SELECT count(*) FROM broadcasts')).toBe(0);
  expect(await number('SELECT count(*) FROM deliveries')).toBe(0);
  expect(await number('SELECT count(*) FROM messages')).toBe(0);
});

describe('what people must decide', () => {
  const look = async () => {
    const service = new BroadcastFanOut(
      portions,
      broadcasts,
      { acceptPortion: (accept: () => Promise<unknown>) => accept() } as unknown as IntakeService,
      new RelayEvents(),
    ) as unknown as { look(): Promise<void>; underWay: Map<bigint, Promise<void>> };
    await service.look();
    await Promise.all(service.underWay.values());
  };
  const stateOf = async (id: bigint) => {
    const { state, pauseReason } = (await broadcasts.find(id))!;
    return [state, pauseReason];
  };
  const pauses = () => rowsOf(`SELECT actor, subject, detail FROM audit_entries WHERE action = 'broadcast.pause'`);

  it('a portal that is removed has its broadcasts paused, and they stay so when it comes back', async () => {
    await clients(3);
    const { id } = await started();
    await look();
    const portals = new PortalsRepository(storage.db);
    await portals.recordUninstalled(PORTAL, 'removed', { clean: false });
    expect(await stateOf(id)).toEqual(['paused', 'portal_removed']);
    expect(await pauses()).toEqual([
      { actor: 'program', subject: `broadcast:${id}`, detail: { reason: 'portal_removed' } },
    ]);
    await look();
    expect(await number(`SELECT count(*) FROM messages`)).toBe(0);
    expect(await broadcasts.resume(id)).toBe('portal_removed');
    await portals.setState(PORTAL, 'active', null);
    await look();
    expect(await stateOf(id)).toEqual(['paused', 'portal_removed']);
    expect(await broadcasts.resume(id)).toBe('resumed');
    await look();
    expect(await stateOf(id)).toEqual(['running', null]);
    expect(await number(`SELECT count(*) FROM messages`)).toBe(3);
  });

  it('nothing is started for a portal that is removed just then', async () => {
    await clients(3);
    const written = { text: 'News', buttons: '', file: '', hasUnsubscribe: true };
    const id = await broadcasts.create({ portalId: PORTAL, name: 'News', audience: {}, createdBy: 'me', ...written });
    await Promise.all([
      broadcasts.start(id),
      new PortalsRepository(storage.db).setState(PORTAL, 'uninstalled', 'removed'),
    ]);
    expect((await stateOf(id))[0]).not.toBe('running');
    expect(await broadcasts.start(id)).not.toBe(3);
  });

  it.each([
    ['is switched off', `UPDATE bots SET state = 'disabled' WHERE id = 1`],
    ['is refused by Telegram', `UPDATE bots SET state = 'unauthorised' WHERE id = 1`],
    [
      'serves a line that is switched off',
      `INSERT INTO lines (portal_id, line_id, state, updated_at) SELECT portal_id, line_id, 'inactive', now() FROM bots WHERE id = 1
       ON CONFLICT (portal_id, line_id) DO UPDATE SET state = 'inactive'`,
    ],
  ])('clients of a bot that %s wait for it, and nobody else for them', async (_, sql) => {
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'k2', 2, 't', 1, '8')`,
    );
    await clients(3);
    await clients(3, { bot: 2, first: 1_000 });
    const { id } = await started();
    await look();
    expect(await number(`SELECT count(*) FROM messages`)).toBe(6);
    await storage.db.query(sql);
    await look();
    expect(await stateOf(id)).toEqual(['running', null]);
    await storage.db.query(`UPDATE messages SET state = 'delivered', delivered_at = now() WHERE bot_id = 2`);
    await look();
    await look();
    expect(await stateOf(id)).toEqual(['paused', 'bots_off']);
    await look();
    expect((await broadcasts.counts([id])).get(id)).toMatchObject({ delivered: 3, waiting: 3, sending: 0 });
    expect(await pauses()).toHaveLength(1);
  });

  it('a bot that moves to another portal takes nothing of the broadcast there', async () => {
    await storage.db.query(
      `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
       VALUES (2, 'n', 'b', 'https://b/rest/', 'https://o', 'c', 'tg_bridge')`,
    );
    await clients(3);
    const { id } = await started();
    await look();
    expect(await number(`SELECT count(*) FROM messages`)).toBe(3);
    await new BotsRepository(storage.db).assign(1n, { portalId: 2n, lineId: '9' });
    expect(await number(`SELECT count(*) FROM messages`)).toBe(0);
    expect(await number(`SELECT coalesce(sum(pending), 0) AS count FROM lanes WHERE channel = 'outbound'`)).toBe(0);
    await look();
    expect((await broadcasts.counts([id])).get(id)).toMatchObject({ gone: 3 });
    expect((await stateOf(id))[0]).toBe('done');
  });

  it('one that was stopped ends also where a kill came before it was told to those who wait', async () => {
    await clients(3);
    const { id } = await started();
    await broadcasts.setState(id, ['running'], 'stopped');
    await look();
    expect((await broadcasts.counts([id])).get(id)).toMatchObject({ stopped: 3, waiting: 0 });
  });
});
