import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { EndpointDriver } from '../../src/relay/endpoint-driver.js';
import { EndpointWorker } from '../../src/relay/endpoint-worker.js';
import { GroupCommit } from '../../src/relay/group-commit.js';
import { LaneClaims } from '../../src/relay/lane-claims.js';
import { LaneSettlements } from '../../src/relay/lane-settlements.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import type { StoredAttachment } from '../../src/storage/intake/intake.rows.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { EndpointSettlements, LaneSettlement, Settlement } from '../../src/storage/work/settlement.js';
import { LeaseLostError, type Lease } from '../../src/storage/work/lease.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { endHolds } from '../support/storage.js';
import { TcpProxy } from '../support/tcp-proxy.js';

const OWNER = 'this-replica';
let testDatabase: TestDatabase;
let db: DatabaseService;
let endpoints: EndpointsRepository;
let intake: IntakeRepository;
let lanes: LanesRepository;
let portal: Lease;
let bot: Lease;
let updateId = 1;

beforeAll(async () => {
  testDatabase = await createTestDatabase();
  db = new DatabaseService(testDatabase.url);
  endpoints = new EndpointsRepository(db);
  intake = new IntakeRepository(db);
  lanes = new LanesRepository(db);
});
afterAll(async () => {
  await db.onApplicationShutdown();
  await testDatabase.drop();
});

beforeEach(async () => {
  await db.query('TRUNCATE portals, bots, endpoints, processed_events CASCADE');
  const { rows: portals } = await db.query<{ id: bigint }>(
    `INSERT INTO portals (member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
     VALUES ('m', 'acme', 'https://acme/rest/', 'https://oauth', 'local.1', 'tg_1') RETURNING id`,
  );
  const portalId = portals[0]!.id;
  await db.query(`INSERT INTO bots (key, telegram_id, token, portal_id, line_id) VALUES ('k', 1, 't', $1, '7')`, [
    portalId,
  ]);
  const leases = await endpoints.acquire(OWNER, 10);
  await endHolds(db);
  portal = leases.find(({ endpoint }) => endpoint.startsWith('portal:'))!;
  bot = leases.find(({ endpoint }) => endpoint.startsWith('bot:'))!;
  await clientWrites('one');
  await operatorWrites('b1');
});

const idOf = ({ endpoint }: Lease) => BigInt(endpoint.split(':')[1]!);
const words = (text: string) => ({ kind: 'text', text, marks: [], raw: {} });

function clientWrites(text: string, sawChat = false) {
  const chat = { externalId: 'tg:5', externalUserId: 'tg:5', telegramChatId: 5n, type: 'private', title: 'Ivan' };
  return intake.acceptClientUpdates([
    {
      botId: idOf(bot),
      updateId: updateId++,
      chat,
      said: words(text),
      telegramMessageId: BigInt(updateId),
      sawChat,
    },
  ]);
}

function operatorWrites(id: string, attachments?: StoredAttachment[]) {
  return intake.acceptOperatorMessages([
    {
      portalId: idOf(portal),
      connector: 'tg_1',
      lineId: '7',
      externalChatId: 'tg:5',
      bitrixMessageId: id,
      bitrixChatId: null,
      said: { ...words('hello'), ...(attachments ? { attachments } : {}) },
      unsigned: false,
    },
  ]);
}

const delivered = (lane: ClaimedLane, more: object = {}) => ({
  lane,
  deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const })),
  dueInMs: 0,
  ...more,
});

const states = async () =>
  (await db.query<{ state: string }>('SELECT state FROM messages ORDER BY id')).rows.map(({ state }) => state);

describe('lanes of several endpoints, settled together', () => {
  it('learn about their chat from both directions', async () => {
    const [inbound] = await lanes.claim(portal, 10, 1);
    const [outbound] = await lanes.claim(bot, 10, 1);
    const learned = { chat: { bitrixChatId: '42', bitrixSessionId: '43' } };
    await lanes.settle(
      [
        { lease: portal, lanes: [delivered(inbound!, learned)] },
        { lease: bot, lanes: [delivered(outbound!)] },
      ],
      OWNER,
    );
    expect(await states()).toEqual(['delivered', 'delivered']);
    const { rows } = await db.query('SELECT bitrix_chat_id, bitrix_session_id, unseen_message_id FROM chat_links');
    const unseen = outbound!.deliveries[0]!.message.id;
    expect(rows).toEqual([{ bitrix_chat_id: '42', bitrix_session_id: '43', unseen_message_id: unseen }]);
  });

  it('mark as seen what reached the client before their next words, however much others wrote meanwhile', async () => {
    const reach = async () => {
      const [outbound] = await lanes.claim(bot, 10, 1);
      await lanes.settle([{ lease: bot, lanes: [delivered(outbound!)] }], OWNER);
    };
    const seen = async () =>
      (
        await db.query<{ seen: boolean }>(
          `SELECT seen_at IS NOT NULL AS seen FROM messages WHERE direction = 'outbound' ORDER BY id`,
        )
      ).rows.map((row) => row.seen);
    await reach();
    await db.query(`SELECT setval(pg_get_serial_sequence('messages', 'id'), 1000000)`);
    await operatorWrites('b2');
    await reach();
    await operatorWrites('b3');
    await clientWrites('thanks', true);
    expect(await seen()).toEqual([true, true, false]);
    await reach();
    await clientWrites('thanks again', true);
    expect(await seen()).toEqual([true, true, true]);
  });

  it('name the endpoints that have work due: what waits behind, and not what is reported without a lane', async () => {
    await clientWrites('two');
    const [inbound] = await lanes.claim(portal, 10, 1);
    expect(await lanes.settle([{ lease: portal, lanes: [delivered(inbound!)] }], OWNER)).toEqual([portal.endpoint]);
    const [second] = await lanes.claim(portal, 10, 1);
    expect(await lanes.settle([{ lease: portal, lanes: [delivered(second!)] }], OWNER)).toEqual([]);

    const [outbound] = await lanes.claim(bot, 10, 1);
    const reported = delivered(outbound!);
    const deliveries = reported.deliveries.map((each) => ({ ...each, reportDelivery: true }));
    expect(await lanes.settle([{ lease: bot, lanes: [{ ...reported, deliveries }] }], OWNER)).toEqual([]);
  });

  it('name no endpoint whose lane waits for a retry', async () => {
    const [inbound] = await lanes.claim(portal, 10, 1);
    const deliveries = inbound!.deliveries.map(({ seq }) => ({ seq, outcome: 'retry' as const, code: '503' }));
    expect(
      await lanes.settle([{ lease: portal, lanes: [{ lane: inbound!, deliveries, dueInMs: 60_000 }] }], OWNER),
    ).toEqual([]);
    expect(await lanes.claim(portal, 10, 1)).toEqual([]);
  });

  it('write nothing when one lease is lost, and do not suffer from it when committed as a group', async () => {
    const [inbound] = await lanes.claim(portal, 10, 1);
    const [outbound] = await lanes.claim(bot, 10, 1);
    await db.query(`UPDATE endpoints SET fence = fence + 1, owner = 'another' WHERE id = $1`, [bot.endpoint]);
    const mine = { lease: portal, lanes: [delivered(inbound!)] };
    const lost = { lease: bot, lanes: [delivered(outbound!)] };
    await expect(lanes.settle([mine, lost], OWNER)).rejects.toBeInstanceOf(LeaseLostError);
    expect(await states()).toEqual(['queued', 'queued']);

    const group = new GroupCommit<EndpointSettlements>((settlements) => lanes.settle(settlements, OWNER));
    const [kept, refused] = await Promise.allSettled([group.add(mine), group.add(lost)]);
    expect(kept.status).toBe('fulfilled');
    expect(refused).toMatchObject({ status: 'rejected', reason: expect.any(LeaseLostError) });
    expect(await states()).toEqual(['delivered', 'queued']);
  });
});

describe('parts of an operator’s message in Telegram', () => {
  const partsOf = async (id: bigint) =>
    (
      await db.query<{ part: number; telegram_message_id: bigint }>(
        'SELECT part, telegram_message_id FROM message_links WHERE message_id = $1 ORDER BY part',
        [id],
      )
    ).rows.map(({ part, telegram_message_id }) => [part, telegram_message_id]);

  it('keep their numbers from one attempt to the next, and go when they are removed', async () => {
    const [first] = await lanes.claim(bot, 10, 1);
    await lanes.settle([{ lease: bot, lanes: [delivered(first!)] }], OWNER);
    const file = { kind: 'document', name: 'a.pdf', label: 'a.pdf', url: 'https://acme/a' };
    await operatorWrites('b2', [file, { ...file, name: 'b.pdf' }]);
    const [begun] = await lanes.claim(bot, 10, 1);
    const [{ seq, message }] = begun!.deliveries as [ClaimedLane['deliveries'][number]];
    expect(message).toMatchObject({ telegramMessageIds: [], telegramParts: [] });
    const files = [{ name: 'a.pdf', code: 'file_gone', detail: '' }];
    const note = { code: 'files_left_out', detail: '', about: 'message' as const, files };
    const retry = { seq, outcome: 'retry' as const, telegramMessageIds: [71n], telegramParts: [1], note };
    await lanes.settle([{ lease: bot, lanes: [{ lane: begun!, deliveries: [retry], dueInMs: 0 }] }], OWNER);

    const [again] = await lanes.claim(bot, 10, 1);
    expect(again!.deliveries[0]!.message).toMatchObject({ telegramMessageIds: [71n], telegramParts: [1] });
    const done = { seq, outcome: 'delivered' as const, telegramMessageIds: [71n, 72n], telegramParts: [1, 2] };
    await lanes.settle([{ lease: bot, lanes: [{ lane: again!, deliveries: [done], dueInMs: 0 }] }], OWNER);
    expect(await partsOf(message.id)).toEqual([
      [1, 71n],
      [2, 72n],
    ]);
    const { rows: notes } = await db.query(`SELECT message_id, payload FROM deliveries WHERE kind = 'note'`);
    expect(notes).toEqual([{ message_id: message.id, payload: note }]);

    const raw = {};
    const edit = { portalId: idOf(portal), bitrixMessageId: 'b2', telegramMessageIds: [], raw, name: 'X' };
    await intake.acceptOperatorChanges([{ ...edit, words: { text: '', marks: [] }, source: 's', key: 'k' }]);
    const [change] = await lanes.claim(bot, 10, 1);
    const shorter = { ...done, seq: change!.deliveries[0]!.seq, telegramMessageIds: [71n], telegramParts: [1] };
    const settled = { lane: change!, deliveries: [{ ...shorter, removedMessageIds: [72n] }], dueInMs: 0 };
    await lanes.settle([{ lease: bot, lanes: [settled] }], OWNER);
    expect(await partsOf(message.id)).toEqual([[1, 71n]]);
  });
});

describe('the heartbeat', () => {
  it('does not deadlock with settlements of many endpoints', async () => {
    const [inbound] = await lanes.claim(portal, 10, 1);
    const empty = (lease: Lease) => ({ lease, lanes: [] });
    await Promise.all(
      Array.from({ length: 40 }, (_, n) =>
        n % 2
          ? endpoints.heartbeat(OWNER)
          : lanes.settle(n % 4 ? [empty(bot), empty(portal)] : [empty(portal), empty(bot)], OWNER),
      ),
    );
    await lanes.settle([{ lease: portal, lanes: [delivered(inbound!)] }], OWNER);
    expect((await states())[0]).toBe('delivered');
  });
});

describe('a settlement', () => {
  const attempts = async () =>
    (
      await db.query(
        `SELECT m.bitrix_message_id AS id, a.kind, a.number, a.outcome
           FROM attempts a JOIN messages m ON m.id = a.message_id ORDER BY a.id`,
      )
    ).rows;

  it('that is repeated changes nothing, neither at once nor when the lane was claimed again', async () => {
    await operatorWrites('b2');
    const [first] = await lanes.claim(bot, 10, 1);
    const file = { name: 'a.pdf', code: 'file_gone', detail: '' };
    const note = { code: 'files_left_out', detail: '', about: 'message' as const, files: [file] };
    const settled = delivered(first!, { dueInMs: 0, chat: { blockedReason: 'gone' } });
    settled.deliveries = settled.deliveries.map((each) => ({ ...each, telegramMessageIds: [71n], note }));
    const settlement = [{ lease: bot, lanes: [settled] }];
    expect(await lanes.settle(settlement, OWNER)).toContain(bot.endpoint);
    const all = async () => [
      (await db.query(`SELECT * FROM lanes ORDER BY id`)).rows,
      (await db.query(`SELECT * FROM deliveries ORDER BY lane_id, seq`)).rows,
      (await db.query(`SELECT * FROM messages ORDER BY id`)).rows,
      (await db.query(`SELECT * FROM message_links ORDER BY message_id`)).rows,
      (await db.query(`SELECT * FROM chat_links`)).rows,
      await attempts(),
    ];
    const after = await all();
    expect(await lanes.settle(settlement, OWNER)).toEqual([]);
    expect(await all()).toEqual(after);

    const [second] = await lanes.claim(bot, 10, 1);
    expect([second!.id, second!.deliveries[0]!.message.bitrixMessageId]).toEqual([first!.id, 'b2']);
    const busy = await all();
    expect(await lanes.settle(settlement, OWNER)).toEqual([]);
    expect(await all()).toEqual(busy);
    await lanes.settle([{ lease: bot, lanes: [delivered(second!)] }], OWNER);
    expect(await attempts()).toEqual([
      { id: 'b1', kind: 'message', number: 1, outcome: 'delivered' },
      { id: 'b2', kind: 'message', number: 1, outcome: 'delivered' },
    ]);
  });

  it('whose answer to COMMIT is lost lets every message go once, in order', async () => {
    const proxy = await TcpProxy.before(testDatabase.directUrl);
    const cutDb = new DatabaseService(proxy.through(testDatabase.directUrl));
    const cutLanes = new LanesRepository(cutDb);
    const events = new RelayEvents();
    for (const id of ['b2', 'b3']) await operatorWrites(id);
    const sent: (string | null)[] = [];
    let cut: Promise<void> | undefined;
    const driver: EndpointDriver = {
      concurrency: 30,
      inDoubt: 8,
      headsPerLane: 1,
      permits: (max) => Promise.resolve({ granted: max, retryInMs: 0 }),
      giveBack: () => undefined,
      start: () => undefined,
      stop: () => Promise.resolve(),
      refresh: () => undefined,
      health: () => ({ healthy: true }),
      send: (claimed) =>
        claimed.map(async ({ deliveries: [delivery] }) => {
          sent.push(delivery!.message.bitrixMessageId);
          cut ??= proxy.loseAnswerToCommit();
          // Longer than it takes until the settlement before it is repeated.
          if (sent.length > 1) await new Promise((resolve) => setTimeout(resolve, 1_200));
          return {
            deliveries: [{ seq: delivery!.seq, delivered: true as const, telegramMessageIds: [BigInt(sent.length)] }],
          };
        }),
    };
    const controller = new AbortController();
    const held = { lease: bot, held: true, signal: controller.signal };
    const worker = new EndpointWorker(held, driver, cutLanes, events, {
      policy: 'hold',
      claims: new LaneClaims(cutLanes, events),
      settlements: new LaneSettlements(cutLanes, events, OWNER),
    });
    events.on('work', () => worker.wake());
    const look = setInterval(() => worker.wake(), 200);
    worker.start();
    const toBeSent = async () =>
      (await db.query(`SELECT FROM messages WHERE direction = 'outbound' AND state = 'queued'`)).rowCount;
    await expect.poll(toBeSent, { timeout: 15_000 }).toBe(0);
    await cut;
    await new Promise((resolve) => setTimeout(resolve, 600));
    clearInterval(look);
    controller.abort();
    await worker.stop(2_000);
    await cutDb.onApplicationShutdown();
    await proxy.stop();
    expect(sent).toEqual(['b1', 'b2', 'b3']);
    expect(await attempts()).toEqual(
      ['b1', 'b2', 'b3'].map((id) => ({ id, kind: 'message', number: 1, outcome: 'delivered' })),
    );
    const { rows } = await db.query(
      `SELECT m.bitrix_message_id AS id, m.attempts, l.telegram_message_id AS part
         FROM messages m JOIN message_links l ON l.message_id = m.id WHERE direction = 'outbound' ORDER BY m.id`,
    );
    expect(rows).toEqual(['b1', 'b2', 'b3'].map((id, n) => ({ id, attempts: 1, part: BigInt(n + 1) })));
  });

  it('never deadlocks with traffic in both directions', async () => {
    // Their ids in the tables are in another order than their names.
    const clients = Array.from({ length: 60 }, (_, n) => 100 + ((n * 37) % 60) * 7);
    const some = () => [...clients].sort(() => Math.random() - 0.5).slice(0, 12);
    const say = (client: number) => ({
      botId: idOf(bot),
      updateId: updateId++,
      chat: {
        externalId: `tg:${client}`,
        externalUserId: `tg:${client}`,
        telegramChatId: BigInt(client),
        type: 'private',
        title: `Client ${client}`,
      },
      said: words('hello'),
      telegramMessageId: BigInt(updateId),
      sawChat: true,
    });
    const answer = (client: number) => ({
      portalId: idOf(portal),
      connector: 'tg_1',
      lineId: '7',
      externalChatId: `tg:${client}`,
      bitrixMessageId: `both${updateId++}`,
      bitrixChatId: null,
      said: words('answer'),
      unsigned: false,
    });
    for (const client of clients) await intake.acceptClientUpdates([say(client)]);
    const deadlocks = async () =>
      (
        await db.query<{ deadlocks: bigint }>(
          `SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`,
        )
      ).rows[0]!.deadlocks;
    const before = await deadlocks();
    const until = performance.now() + 8_000;
    const again = async (work: () => Promise<unknown>) => {
      while (performance.now() < until) await work();
    };
    let settled = 0;
    const drive = (lease: Lease, outcome: (seq: bigint) => Settlement) =>
      again(async () => {
        const claimed = await lanes.claim(lease, 12, 2);
        const done = claimed.map((lane): LaneSettlement => ({
          lane,
          deliveries: lane.deliveries.map(({ seq }) => outcome(seq)),
          dueInMs: 0,
          ...(lease === portal ? { chat: { bitrixChatId: '1', bitrixSessionId: '1' } } : {}),
        }));
        settled += done.length;
        await lanes.settle([{ lease, lanes: done }], OWNER);
      });
    const note = { code: 'x', detail: '', about: 'message' as const };
    await Promise.all([
      again(() => intake.acceptClientUpdates(some().map(say))),
      again(() => intake.acceptClientUpdates(some().map(say))),
      again(() => intake.acceptOperatorMessages(some().map(answer))),
      again(() => lanes.wake(portal.endpoint)),
      drive(portal, (seq) => ({ seq, outcome: 'delivered' })),
      drive(bot, (seq) =>
        seq % 3n ? { seq, outcome: 'delivered', reportDelivery: true } : { seq, outcome: 'failed', note },
      ),
    ]);
    // The server counts a second late.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(settled).toBeGreaterThan(60);
    expect(await deadlocks()).toBe(before);
  });
});
