import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LaneClaims, type Claimant } from '../../src/relay/lane-claims.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import { LeaseLostError, type Lease } from '../../src/storage/work/lease.js';
import { BULK } from '../../src/storage/work/outbox.js';
import { createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let endpoints: EndpointsRepository;
let intake: IntakeRepository;
let lanes: LanesRepository;
let events: RelayEvents;
let claims: LaneClaims;
let portal: Lease;
let bot: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  endpoints = new EndpointsRepository(storage.db);
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  events = new RelayEvents();
  claims = new LaneClaims(lanes, events);
  [bot, portal] = await acquire('me', 'bot:1', 'portal:1');
});

afterEach(() => storage.close());

async function acquire(owner: string, ...ids: string[]): Promise<Lease[] & [Lease, Lease]> {
  const leases = await endpoints.acquire(owner, 100);
  await endHolds(storage.db);
  return ids.map((id) => leases.find(({ endpoint }) => endpoint === id)!) as Lease[] & [Lease, Lease];
}

/** Whoever owned anything is dead; what they drove is free. */
const kill = () => storage.db.query(`UPDATE endpoints SET expires_at = now() - interval '1 s'`);

const secondPortal = () =>
  storage.db
    .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, scope)
    VALUES (2, 'm2', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c2', 'tg_2', '')`);

const moveBot = () => new BotsRepository(storage.db).assign(1n, { portalId: 2n, lineId: '9' });

const ask = (lease: Lease, limit = 10, bulkFirst = false) => claims.claim({ lease, limit, heads: 1, bulkFirst });
const words = (claimed: ClaimedLane[]) => claimed.map(({ deliveries }) => deliveries[0]!.message.text).sort();

function claimant(lease: Lease): Claimant & { interrupted: ClaimedLane[] } {
  const interrupted: ClaimedLane[] = [];
  return { lease, interrupted, takeInterrupted: (taken) => void interrupted.push(...taken) };
}

const delivered = (lane: ClaimedLane) => ({
  lane,
  dueInMs: 0,
  deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const })),
});

/** Records that what was claimed arrived, as a worker does. */
async function settle(lease: Lease, claimed: ClaimedLane[]): Promise<void> {
  await lanes.settle([{ lease, lanes: claimed.map(delivered) }], 'me');
  for (const lane of claimed) claims.close(lane, { recorded: true });
}

const tried = async () => (await storage.db.query(`SELECT state, attempts FROM deliveries ORDER BY lane_id, seq`)).rows;

describe('claims of one process', () => {
  it('share one statement, and each gets its own', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a'), update(2, 11, 'b')]);
    await intake.acceptOperatorMessages([operatorMessage(5, 10, 'to a'), operatorMessage(6, 11, 'to b')]);
    let statements = 0;
    const together = lanes.claimTogether.bind(lanes);
    lanes.claimTogether = (requests) => {
      statements++;
      return together(requests);
    };
    const [forPortal, forBot] = await Promise.all([ask(portal, 1), ask(bot)]);
    expect(words(forPortal)).toEqual(['a']);
    expect(words(forBot)).toEqual(['to a', 'to b']);
    expect(statements).toBe(1);
  });

  it('that are wrong, lost or paused take nothing from the others', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a')]);
    await intake.acceptOperatorMessages([operatorMessage(5, 10, 'to a')]);
    await storage.db.query(`UPDATE portals SET hold_outbound_until = now() + interval '1 minute'`);
    const [right, wrong, lost, paused] = await Promise.allSettled([
      ask(portal),
      ask(portal, -1),
      ask({ ...portal, fence: portal.fence - 1n }),
      ask(bot),
    ]);
    expect(wrong.status).toBe('rejected');
    expect([lost, paused]).toMatchObject([
      { status: 'fulfilled', value: [] },
      { status: 'fulfilled', value: [] },
    ]);
    expect(right.status === 'fulfilled' && words(right.value)).toEqual(['a']);
    await endHolds(storage.db);
    expect(words(await ask(bot))).toEqual(['to a']);
  });

  it('leave an album that grows at the same moment to the next claim, whole', async () => {
    const part = (id: number, name: string) =>
      update(id, 10, '', {
        albumId: 'album',
        said: { kind: 'photo', text: '', marks: [], raw: {}, attachments: [{ kind: 'photo', name, label: '' }] },
      });
    await intake.acceptClientUpdates([part(1, 'one'), update(2, 10, 'and words')]);
    await storage.db.query(`UPDATE lanes SET due_at = now() - make_interval(secs => 0.001)`);
    // The claim has its snapshot and waits for the advisory lock before it looks at the lanes.
    const stalled = Object.create(storage.db) as typeof storage.db;
    stalled.query = (text, values) =>
      storage.db.query(
        text.replace('WHERE NOT EXISTS', `WHERE pg_advisory_xact_lock(7)::text = '' AND NOT EXISTS`),
        values,
      );
    const waiting = async () =>
      (await storage.db.query(`SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted`)).rowCount;
    const claim = await storage.db.transaction(async (connection) => {
      await connection.query(`SELECT pg_advisory_xact_lock(7)`);
      const claiming = new LanesRepository(stalled).claim(portal, 10, 1);
      await expect.poll(waiting, { timeout: 5_000, interval: 10 }).toBe(1);
      await intake.acceptClientUpdates([part(3, 'two')]);
      return { claiming };
    });
    const files = (claimed: ClaimedLane[]) =>
      claimed.flatMap(({ deliveries }) => deliveries[0]!.message.attachments.map(({ name }) => name));
    const claimed = [...(await claim.claiming), ...(await lanes.claim(portal, 10, 1))];
    expect(files(claimed)).toEqual(['one', 'two']);
  });

  it('find an endpoint that is about to change hands empty, and do not wait for it', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a')]);
    await intake.acceptOperatorMessages([operatorMessage(5, 10, 'to a')]);
    let commit = () => {};
    const committed = new Promise<void>((resolve) => (commit = resolve));
    let locked = () => {};
    const taken = new Promise<void>((resolve) => (locked = resolve));
    const taking = storage.db.transaction(async (connection) => {
      await connection.query(`SELECT FROM endpoints WHERE id = 'bot:1' FOR UPDATE`);
      locked();
      await committed;
    });
    await taken;
    const [forBot, forPortal] = await Promise.all([ask(bot), ask(portal)]);
    expect([words(forBot), words(forPortal)]).toEqual([[], ['a']]);
    commit();
    await taking;
  });

  it('take live lanes before automatic texts however long those waited, and for once the other way round', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'hello'), update(2, 11, 'hello'), update(3, 12, 'hello')]);
    await intake.acceptOperatorMessages([
      operatorMessage(5, 10, 'newsletter'),
      operatorMessage(6, 11, 'newsletter'),
      operatorMessage(7, 12, 'answer'),
    ]);
    await storage.db.query(
      `UPDATE lanes SET priority = ${BULK}, due_at = now() - interval '1 day'
         FROM chat_links c WHERE c.id = chat_id AND channel = 'outbound' AND c.external_id <> 'tg:12'`,
    );
    expect(await lanes.withWorkDue(['bot:1'])).toEqual(['bot:1']);
    expect(words(await ask(bot, 1, true))).toEqual(['newsletter']);
    expect(words(await ask(bot, 1))).toEqual(['answer']);
    expect(words(await ask(bot, 1))).toEqual(['newsletter']);
    expect(await lanes.withWorkDue(['bot:1'])).toEqual([]);
  });

  it('take among lanes of one kind the more urgent, unless another waits longer than its head start', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'urgent'), update(2, 11, 'can wait')]);
    const age = (externalId: string, priority: number, seconds: number) =>
      storage.db.query(
        `UPDATE lanes SET priority = $2, due_at = now() - make_interval(secs => $3), busy_fence = NULL
           FROM chat_links c WHERE c.id = chat_id AND c.external_id = $1`,
        [externalId, priority, seconds],
      );
    await age('tg:10', 5, 1);
    await age('tg:11', 9, 4);
    expect(words(await ask(portal, 1))).toEqual(['urgent']);
    await storage.db.query(`UPDATE deliveries SET state = 'queued'`);
    await age('tg:10', 5, 1);
    await age('tg:11', 9, 6);
    expect(words(await ask(portal, 1))).toEqual(['can wait']);
  });
});

describe('a claim whose answer never came', () => {
  beforeEach(async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a'), update(2, 11, 'b')]);
  });

  it('is undone, with its attempt, however late it was committed', async () => {
    await claims.reconcile([claimant(portal)]);
    await lanes.claim(portal, 1, 1);
    const woken: string[] = [];
    events.on('work', (work) => woken.push(...work));
    await claims.reconcile([claimant(bot)]);
    expect(await tried()).toMatchObject([{ state: 'sending', attempts: 1 }, { state: 'queued' }]);
    await claims.reconcile([claimant(bot), claimant(portal)]);
    expect(woken).toEqual(['portal:1']);
    expect(await tried()).toMatchObject([
      { state: 'queued', attempts: 0 },
      { state: 'queued', attempts: 0 },
    ]);
    expect(words(await ask(portal))).toEqual(['a', 'b']);
  });

  it('is undone before the next claim', async () => {
    const together = lanes.claimTogether.bind(lanes);
    lanes.claimTogether = async (requests) => {
      lanes.claimTogether = together;
      await together(requests);
      throw new Error('Connection terminated unexpectedly');
    };
    await expect(ask(portal)).rejects.toThrow('terminated');
    const again = await ask(portal);
    expect(words(again)).toEqual(['a', 'b']);
    expect(again.map(({ deliveries }) => deliveries[0]!.attempt)).toEqual([1, 1]);
  });

  it('is undone although its bot moved meanwhile', async () => {
    await secondPortal();
    await lanes.claim(portal, 10, 1);
    await moveBot();
    await claims.reconcile([claimant(portal)]);
    const [other] = await acquire('other', 'portal:2');
    expect(words(await ask(other))).toEqual(['a', 'b']);
  });

  it('is told from what is in flight, what is not recorded yet, and a claim under way', async () => {
    const first = await ask(portal, 1);
    await claims.reconcile([claimant(portal)]);
    expect(await tried()).toMatchObject([{ state: 'sending' }, { state: 'queued' }]);
    const [second] = await Promise.all([ask(portal, 1), claims.reconcile([claimant(portal)])]);
    await Promise.all([claims.reconcile([claimant(portal)]), claims.reconcile([claimant(portal)])]);
    expect(await tried()).toMatchObject([{ state: 'sending' }, { state: 'sending' }]);
    await settle(portal, [...first, ...second]);
    expect(await tried()).toEqual([]);
  });

  it('never takes back what another claim of this process holds, whatever runs at the same time', async () => {
    await intake.acceptClientUpdates(Array.from({ length: 60 }, (_, n) => update(n + 10, 100 + n, `m${n}`)));
    const taken: ClaimedLane[] = [];
    const over = new AbortController();
    const reconciling = (async () => {
      while (!over.signal.aborted) await claims.reconcile([claimant(portal)]);
    })();
    for (let more = await ask(portal, 4); more.length > 0; more = await ask(portal, 4)) taken.push(...more);
    over.abort();
    await reconciling;
    await claims.reconcile([claimant(portal)]);
    expect(new Set(taken.map(({ id }) => id)).size).toBe(taken.length);
    expect(taken).toHaveLength(62);
    expect(taken.every(({ deliveries }) => deliveries[0]!.attempt === 1)).toBe(true);
    expect((await tried()).every(({ state }) => state === 'sending')).toBe(true);
  });
});

describe('what an owner left in the middle of a send', () => {
  beforeEach(async () => {
    await intake.acceptClientUpdates([update(1, 10, 'in flight')]);
  });

  it('goes to the heir once, whenever that looks', async () => {
    const [left] = await lanes.claim(portal, 1, 1);
    await kill();
    const [heir] = await acquire('heir', 'portal:1');
    const worker = claimant(heir);
    await claims.reconcile([worker]);
    await claims.reconcile([worker]);
    expect(worker.interrupted.map(({ id, claim }) => ({ id, claim }))).toEqual([{ id: left!.id, claim: left!.claim }]);
    await expect(settle(portal, [left!])).rejects.toThrow(LeaseLostError);
    await settle(heir, worker.interrupted);
    expect(await tried()).toEqual([]);
  });

  it('goes to this replica itself, when it was its own earlier lease', async () => {
    const [own] = await ask(portal);
    await kill();
    const [again] = await acquire('me', 'portal:1');
    expect(again.owner).toBe(portal.owner);
    const worker = claimant(again);
    await claims.reconcile([worker]);
    expect(worker.interrupted.map(({ id }) => id)).toEqual([own!.id]);
    await expect(settle(portal, [own!])).rejects.toThrow(LeaseLostError);
  });

  it('goes to whoever drives the portal to which the bot moved meanwhile', async () => {
    await secondPortal();
    const [other] = await acquire('other', 'portal:2');
    const neighbour = claimant(other);
    await claims.reconcile([neighbour]);
    const [left] = await lanes.claim(portal, 1, 1);
    await moveBot();
    await kill();
    // Long after both portals' drivers have begun.
    const [heir] = await acquire('heir', 'portal:1');
    const former = claimant(heir);
    await storage.db.query(`UPDATE endpoints SET owner = 'other', fence = $1 WHERE id = 'portal:2'`, [other.fence]);
    await claims.reconcile([neighbour, former]);
    expect([neighbour.interrupted.map(({ id }) => id), former.interrupted]).toEqual([[left!.id], []]);
  });

  it('is the owner’s as long as there is one, although its bot moved', async () => {
    await secondPortal();
    const [other] = await acquire('other', 'portal:2');
    const left = await ask(portal);
    await moveBot();
    const neighbour = claimant(other);
    const theirs = new LaneClaims(lanes, events);
    await theirs.reconcile([neighbour]);
    expect(neighbour.interrupted).toEqual([]);
    expect(await lanes.claim(other, 10, 1)).toEqual([]);
    await settle(portal, left);
    expect(await tried()).toEqual([]);
  });

  it('goes to the driver, and is not sent, when its lane was set free all the same', async () => {
    await lanes.claim(portal, 1, 1);
    await storage.db.query(`UPDATE lanes SET busy_fence = NULL`);
    await intake.acceptClientUpdates([update(2, 10, 'behind'), update(3, 11, 'other')]);
    expect(words(await ask(portal))).toEqual(['other']);
    const worker = claimant(portal);
    await claims.putRight({ all: false });
    await claims.reconcile([worker]);
    expect(words(worker.interrupted)).toEqual(['in flight']);
    await settle(portal, worker.interrupted);
    expect(words(await ask(portal))).toEqual(['behind']);
  });
});

describe('a lane that lies where its bot does not belong', () => {
  beforeEach(async () => {
    await secondPortal();
    await intake.acceptClientUpdates([update(1, 10, 'for the other portal')]);
    await moveBot();
    await storage.db.query(`UPDATE lanes SET endpoint = 'portal:1'`);
  });

  it('is not sent there, but where it belongs', async () => {
    const [other] = await acquire('other', 'portal:2');
    const woken: string[] = [];
    events.on('work', (work) => woken.push(...work));
    expect(await ask(portal)).toEqual([]);
    await claims.putRight({ all: false });
    expect(woken).toEqual(['portal:2']);
    expect(words(await ask(other))).toEqual(['for the other portal']);
    expect(await tried()).toEqual([{ state: 'sending', attempts: 1 }]);
  });

  it('is found also where nobody claims', async () => {
    await storage.db.query(`UPDATE lanes SET endpoint = 'portal:99'`);
    await claims.putRight({ all: false });
    const [other] = await acquire('other', 'portal:2');
    expect(await ask(other)).toEqual([]);
    await claims.putRight({ all: true });
    expect(words(await ask(other))).toEqual(['for the other portal']);
  });
});

describe('a lane whose chat is gone', () => {
  const left = async () =>
    (await storage.db.query(`SELECT (SELECT count(*) FROM lanes) AS lanes, (SELECT count(*) FROM deliveries) AS work`))
      .rows[0];

  beforeEach(async () => {
    await intake.acceptClientUpdates([update(1, 10, 'hello')]);
    await intake.acceptOperatorMessages([operatorMessage(5, 10, 'answer')]);
  });

  it('is deleted once it was claimed', async () => {
    await storage.db.query(`DELETE FROM chat_links`);
    expect(await ask(portal)).toEqual([]);
    expect(await left()).toEqual({ lanes: 2n, work: 2n });
    await claims.putRight({ all: false });
    expect(await left()).toEqual({ lanes: 1n, work: 1n });
  });

  it('is deleted although nobody claims it, or it is busy', async () => {
    await ask(bot);
    await storage.db.query(`DELETE FROM chat_links`);
    await claims.putRight({ all: true });
    expect(await left()).toEqual({ lanes: 0n, work: 0n });
  });
});
