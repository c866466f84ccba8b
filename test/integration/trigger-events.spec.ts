import { afterEach, beforeEach, expect, it } from 'vitest';
import { ClientErasureRepository } from '../../src/storage/erasure/client-erasure.repository.js';
import { PortalFeaturesRepository } from '../../src/storage/crm/portal-features.repository.js';
import { TriggerEventsRepository } from '../../src/storage/crm/trigger-events.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { DatabaseService, type Queryable } from '../../src/storage/postgres/database.service.js';
import { createTestStorage, PORTAL, update } from '../support/storage.js';

const ANN = 10;
let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let events: TriggerEventsRepository;
let statements: string[];
let updateId: number;

beforeEach(async () => {
  storage = await createTestStorage();
  statements = [];
  updateId = 0;
  intake = new IntakeRepository(counting(storage.db));
  events = new TriggerEventsRepository(storage.db);
});
afterEach(() => storage.close());

function counting(db: DatabaseService): DatabaseService {
  const noted =
    (connection: Queryable): Queryable['query'] =>
    (text, values, options) => {
      statements.push(text);
      return connection.query(text, values, options);
    };
  const transaction: DatabaseService['transaction'] = (work, options) =>
    db.transaction((connection) => work({ query: noted(connection) }), options);
  return { transaction, query: noted(db) } as DatabaseService;
}

const rowsOf = async (sql: string) => (await storage.db.query(sql)).rows;
const kept = async () =>
  (await rowsOf('SELECT event, subject, times FROM trigger_events ORDER BY event, subject')).map((row) =>
    Object.values(row).join(' ').replace('  ', ' '),
  );
const says = (text: string, more: Partial<ClientUpdateRow> = {}) =>
  intake.acceptClientUpdates([update(++updateId, ANN, text, more)]);
/** The same by the long way: a reply changes what has to be looked up. */
const replies = (text: string) => says(text, { replyTo: { telegramMessageId: 1n } });
async function wantTriggers(): Promise<void> {
  const features = new PortalFeaturesRepository(storage.db);
  await features.choose(PORTAL, 'triggers', true);
  for (const record of await features.claim(1)) {
    await features.settle(record, { state: 'ready', detail: null, stamp: null, dueInMs: 1e6 });
  }
}
const due = () =>
  storage.db.query(`UPDATE trigger_events SET due_at = now() - make_interval(secs => 0.001) WHERE due_at IS NOT NULL`);
const claimed = async () => {
  await due();
  return events.claim(10, []);
};

it('of a portal that wants no triggers nothing is kept, and no statement is made', async () => {
  await says('one');
  expect(statements).toHaveLength(1);
  await replies('two');
  await says('', { blocked: true, said: { ...update(9, ANN, 'x').said!, systemLine: true } });
  expect(await kept()).toEqual([]);
  expect(statements.slice(1).filter((text) => /INTO trigger_events/.test(text))).toEqual([]);
});

it('words are the first of a client only once, on either way in', async () => {
  await says('before triggers');
  await wantTriggers();
  await replies('after');
  expect(await kept()).toEqual(['wrote 1']);
  await intake.acceptClientUpdates([update(50, 11, 'new'), update(51, 11, 'new too')]);
  await intake.acceptClientUpdates([update(52, 12, 'new', { replyTo: { telegramMessageId: 1n } })]);
  await intake.acceptClientUpdates([update(53, 11, 'again')]);
  expect(await kept()).toEqual(['wrote 1', 'wrote 3', 'wrote 1', 'wrote_first 1', 'wrote_first 1'].toSorted());
});

it('who wrote before old messages were erased is not new', async () => {
  await says('long ago');
  await storage.db.query(`UPDATE portals SET retention_days = 30`);
  await storage.db.query(`UPDATE chat_links SET created_at = now() - interval '40 days', bitrix_chat_id = '5'`);
  await storage.db.query(`DELETE FROM messages`);
  await wantTriggers();
  await says('here I am again');
  expect(await kept()).toEqual(['wrote 1']);
});

it('what happens before it is told is told once; what happens while it is told, is told again', async () => {
  await wantTriggers();
  await says('one');
  await says('two');
  const [wrote] = (await claimed()).filter(({ event }) => event === 'wrote');
  expect(wrote).toMatchObject({ times: 2, interrupted: null });
  await says('three');
  expect(await events.begin(wrote!)).toBe(3);
  await says('four');
  await events.settle(wrote!, 3, { againInMs: null, outcome: 'executed' });
  const [again] = (await claimed()).filter(({ event }) => event === 'wrote');
  await events.settle(again!, (await events.begin(again!))!, { againInMs: null, outcome: 'executed' });
  expect((await claimed()).filter(({ event }) => event === 'wrote')).toEqual([]);
});

it('a claim that ran out before the trigger began is made again; one that ran out later is known to be', async () => {
  await wantTriggers();
  await says('one');
  const [first] = await claimed();
  const [second] = (await claimed()).filter(({ event }) => event === first!.event);
  expect(await events.begin(first!)).toBeNull();
  expect(await events.begin(second!)).toBe(1);
  // Nobody has to wait for it, and it must not be begun twice.
  await says('two');
  expect((await events.claim(10, [])).filter(({ event }) => event === first!.event)).toEqual([]);
  const [third] = (await claimed()).filter(({ event }) => event === first!.event);
  expect(third).toMatchObject({ interrupted: 1 });
  await events.settle(second!, 1, { againInMs: null, outcome: 'executed' });
  await events.settle(third!, 1, { againInMs: null, outcome: 'uncertain' });
  expect(await rowsOf(`SELECT outcome FROM trigger_events WHERE event = '${first!.event}'`)).toEqual([
    { outcome: 'uncertain' },
  ]);
});

it('what was claimed and not begun is claimed before what happened later', async () => {
  await wantTriggers();
  await says('one');
  await storage.db.query(`UPDATE trigger_events SET happened_at = happened_at - interval '2 minutes'`);
  const older = await claimed();
  await intake.acceptClientUpdates([update(++updateId, 11, 'two')]);
  await storage.db.query(
    `UPDATE trigger_events SET due_at = now() - make_interval(secs => 0.001) WHERE chat_id <> $1`,
    [older[0]!.chatId],
  );
  await events.begin(older[0]!);
  await events.settle(older[0]!, 1, { againInMs: null, outcome: 'executed' });
  await events.release(older);
  expect((await events.claim(1, [])).map(({ chatId, event }) => [chatId, event])).toEqual([
    [older[1]!.chatId, older[1]!.event],
  ]);
});

it('nothing is claimed of a portal that refused triggers, lacks something, or is busy; an erased client is forgotten', async () => {
  await wantTriggers();
  await says('one');
  await due();
  expect(await events.claim(10, [PORTAL])).toEqual([]);
  await storage.db.query(`UPDATE portal_features SET state = 'no_rights'`);
  expect(await events.claim(10, [])).toEqual([]);
  await storage.db.query(`INSERT INTO erasures (actor, subject) VALUES ('admin', 'x')`);
  const [{ id }] = (await rowsOf('SELECT id FROM chat_links')) as [{ id: bigint }];
  const [{ id: erasure }] = (await rowsOf('SELECT id FROM erasures')) as [{ id: bigint }];
  await new ClientErasureRepository(storage.db).eraseChat(erasure, id, 100);
  expect(await kept()).toEqual([]);
});
