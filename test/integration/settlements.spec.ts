import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { GroupCommit } from '../../src/relay/group-commit.js';
import { DatabaseService } from '../../src/storage/database.service.js';
import { EndpointsRepository } from '../../src/storage/endpoints.repository.js';
import type { StoredAttachment } from '../../src/storage/intake.rows.js';
import { IntakeRepository } from '../../src/storage/intake.repository.js';
import type { ClaimedLane } from '../../src/storage/claimed-lane.js';
import { LanesRepository } from '../../src/storage/lanes.repository.js';
import type { EndpointSettlements } from '../../src/storage/settlement.js';
import { LeaseLostError, type Lease } from '../../src/storage/lease.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { endHolds } from '../support/storage.js';

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

  it('name the endpoints that have work due: what waits behind, and what follows', async () => {
    await clientWrites('two');
    const [inbound] = await lanes.claim(portal, 10, 1);
    expect(await lanes.settle([{ lease: portal, lanes: [delivered(inbound!)] }], OWNER)).toEqual([portal.endpoint]);
    const [second] = await lanes.claim(portal, 10, 1);
    expect(await lanes.settle([{ lease: portal, lanes: [delivered(second!)] }], OWNER)).toEqual([]);

    const [outbound] = await lanes.claim(bot, 10, 1);
    const reported = delivered(outbound!);
    const deliveries = reported.deliveries.map((each) => ({ ...each, reportDelivery: true }));
    expect(await lanes.settle([{ lease: bot, lanes: [{ ...reported, deliveries }] }], OWNER)).toEqual([
      portal.endpoint,
    ]);
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
