import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import type { DatabaseService, Queryable } from '../../src/storage/postgres/database.service.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { BOT, createTestStorage, operatorMessage, PORTAL, update } from '../support/storage.js';

const NEW_PORTAL = 2n;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let db: DatabaseService;
let intake: IntakeRepository;
let bots: BotsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  ({ db } = storage);
  intake = new IntakeRepository(db);
  bots = new BotsRepository(db);
  await db.query(
    `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
     VALUES (2, 'm2', 'b.bitrix24.com', 'https://b.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`,
  );
  await intake.acceptClientUpdates([update(1, 10, 'before the move')]);
});

afterEach(() => storage.close());

async function somebodyWaits(): Promise<void> {
  const waiting = async () =>
    (await db.query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`))
      .rowCount;
  await expect.poll(waiting, { timeout: 5_000, interval: 10 }).toBeGreaterThan(0);
}

/** Begins `work` while a transaction is open that has done `first`, and lets that one commit once `work` waits for it. */
async function during(
  first: (repository: BotsRepository) => Promise<void>,
  work: () => Promise<unknown>,
): Promise<void> {
  let open = () => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  const stalled = {
    transaction: (step: (connection: Queryable) => Promise<void>) =>
      db.transaction(async (connection) => {
        await step(connection);
        open();
        await somebodyWaits();
      }),
  } as unknown as DatabaseService;
  const moving = first(new BotsRepository(stalled));
  await opened;
  await work();
  await moving;
}

const move = (repository: BotsRepository) => repository.assign(BOT, { portalId: NEW_PORTAL, lineId: '7' });
const rowsOf = async (sql: string) => (await db.query(sql)).rows;

describe('while a bot moves to another portal', () => {
  it.each([
    ['plain words', {}],
    ['an answer', { replyTo: { telegramMessageId: 1n } }],
  ])('%s of its clients go to the new one', async (_, more) => {
    await during(move, () =>
      intake.acceptClientUpdates([update(2, 10, 'known client', more), update(3, 11, 'new client', more)]),
    );
    expect(await rowsOf(`SELECT DISTINCT portal_id FROM chat_links`)).toEqual([{ portal_id: NEW_PORTAL }]);
    expect(await rowsOf(`SELECT DISTINCT portal_id FROM messages`)).toEqual([{ portal_id: NEW_PORTAL }]);
    expect(await rowsOf(`SELECT DISTINCT endpoint FROM lanes`)).toEqual([{ endpoint: 'portal:2' }]);
    expect(await rowsOf(`SELECT sum(pending)::int AS pending FROM lanes`)).toEqual([{ pending: 3 }]);
  });

  it('what an answer from the old one tells of the dialog is not kept', async () => {
    await during(move, () => intake.acceptOperatorMessages([operatorMessage(1, 10, 'answer')]));
    expect(await rowsOf(`SELECT bitrix_chat_id FROM chat_links`)).toEqual([{ bitrix_chat_id: null }]);
  });

  it('the move waits for words that are being kept', async () => {
    let kept = () => {};
    const isKept = new Promise<void>((resolve) => (kept = resolve));
    let end = () => {};
    const keeping = db.transaction(async (connection) => {
      const stalled = {
        query: connection.query.bind(connection),
        transaction: (step: never) => (step as (c: Queryable) => never)(connection),
      };
      await new IntakeRepository(stalled as unknown as DatabaseService).acceptClientUpdates([
        update(2, 10, 'under way'),
      ]);
      const ended = new Promise<void>((resolve) => (end = resolve));
      kept();
      await ended;
    });
    await isKept;
    const moving = move(bots);
    await somebodyWaits();
    end();
    await Promise.all([keeping, moving]);
    expect(await rowsOf(`SELECT DISTINCT portal_id FROM messages`)).toEqual([{ portal_id: NEW_PORTAL }]);
    expect(await rowsOf(`SELECT DISTINCT endpoint FROM lanes`)).toEqual([{ endpoint: 'portal:2' }]);
  });
});

describe('after a bot moved to another portal', () => {
  const delivered = () =>
    db.query(
      `WITH gone AS (DELETE FROM deliveries), free AS (UPDATE lanes SET pending = 0) UPDATE messages SET state = 'delivered'`,
    );
  const work = () =>
    rowsOf(`SELECT l.endpoint, m.text, d.kind FROM deliveries d JOIN lanes l ON l.id = d.lane_id
                               JOIN messages m ON m.id = d.message_id ORDER BY d.seq`);

  it('words that the old one has are edited into new ones, and taken back there only', async () => {
    await delivered();
    await move(bots);
    await intake.acceptClientUpdates([update(2, 10, 'edited since', { edits: true, telegramMessageId: 1n })]);
    expect(await work()).toEqual([{ endpoint: 'portal:2', text: 'edited since', kind: 'message' }]);
    await storage.db.query(`DELETE FROM message_links WHERE message_id <> (SELECT min(message_id) FROM message_links)`);
    await intake.acceptClientUpdates([update(3, 10, '', { said: null, deletes: [1n] })]);
    expect(await work()).toHaveLength(1);
    expect(await rowsOf(`SELECT text FROM messages WHERE deleted_at IS NOT NULL`)).toEqual([
      { text: 'before the move' },
    ]);
    expect(await rowsOf(`SELECT DISTINCT endpoint FROM lanes`)).toEqual([{ endpoint: 'portal:2' }]);
  });

  it('words that still wait are edited where they go now', async () => {
    await bots.assign(BOT, null);
    await intake.acceptClientUpdates([update(2, 10, 'edited once', { edits: true, telegramMessageId: 1n })]);
    await move(bots);
    await intake.acceptClientUpdates([update(3, 10, 'edited twice', { edits: true, telegramMessageId: 1n })]);
    expect(await work()).toEqual([
      { endpoint: 'portal:2', text: 'edited twice', kind: 'message' },
      { endpoint: 'portal:2', text: 'edited twice', kind: 'edit' },
      { endpoint: 'portal:2', text: 'edited twice', kind: 'edit' },
    ]);
  });
});

describe('the default bot', () => {
  it('adopts a line of a company, and then no line of another one', async () => {
    await bots.assign(BOT, null);
    expect(await bots.adoptUnassigned(PORTAL, '7')).toMatchObject({ id: BOT });
    expect(await bots.adoptUnassigned(NEW_PORTAL, '7')).toBeNull();
    expect(await bots.find(BOT)).toMatchObject({ portalId: PORTAL, lineId: '7' });
  });

  it('is adopted although an older one is free too, and among several without it none', async () => {
    await bots.assign(BOT, null);
    await db.query(`INSERT INTO bots (id, key, telegram_id, token) VALUES (2, 'k2', 2, 't')`);
    expect(await bots.adoptUnassigned(PORTAL, '7')).toBeNull();
    await bots.setDefault(2n);
    expect(await bots.adoptUnassigned(PORTAL, '7')).toMatchObject({ id: 2n });
  });
});
