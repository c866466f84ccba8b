import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { RetentionService } from '../../src/relay/retention.service.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { ChatsRepository } from '../../src/storage/history/chats.repository.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { MessageCountsRepository } from '../../src/storage/history/message-counts.repository.js';
import { type Expiry, MessageRetentionRepository } from '../../src/storage/history/message-retention.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { RestRequestsRepository } from '../../src/storage/work/rest-requests.repository.js';
import { UploadsRepository } from '../../src/storage/work/uploads.repository.js';
import { BOT, createTestStorage, operatorMessage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let retention: MessageRetentionRepository;
let service: RetentionService;
let updateId = 0;

beforeAll(async () => {
  storage = await createTestStorage();
  const { db } = storage;
  intake = new IntakeRepository(db);
  retention = new MessageRetentionRepository(db);
  service = new RetentionService(
    intake,
    new UploadsRepository(db),
    new MessageCountsRepository(db),
    retention,
    new ChatsRepository(db),
    new RestRequestsRepository(db),
  );
  await db.query(`
    INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
    VALUES (2, 'n', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge');
    INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'l', 2, 't', 2, '7'), (3, 'm', 3, 't', NULL, NULL)`);
});

afterAll(() => storage.close());

beforeEach(async () => {
  await storage.db.query(`DELETE FROM messages; DELETE FROM deliveries; DELETE FROM lanes; DELETE FROM events`);
  await storage.db.query(`DELETE FROM chat_links; UPDATE portals SET retention_days = NULL`);
  await keepFor(30);
});

const keepFor = (days: number | null) => new PortalsRepository(storage.db).setRetention(PORTAL, days);
const texts = async () =>
  (await storage.db.query<{ text: string }>('SELECT text FROM messages ORDER BY id')).rows.map(({ text }) => text);
const count = async (table: string) => (await storage.db.query(`SELECT FROM ${table}`)).rowCount;

/** A client's message that was delivered so many days ago. */
async function said(text: string, days: number, { botId = BOT, delivered = true } = {}): Promise<void> {
  await intake.acceptClientUpdates([update(++updateId, 10, text, { botId })]);
  await storage.db.query(`UPDATE messages SET created_at = now() - make_interval(days => $2) WHERE text = $1`, [
    text,
    days,
  ]);
  if (delivered) await deliver(text);
}

async function deliver(text: string): Promise<void> {
  await storage.db.query(
    `WITH m AS (UPDATE messages SET state = 'delivered', delivered_at = now() WHERE text = $1 RETURNING id),
          d AS (DELETE FROM deliveries USING m WHERE message_id = m.id RETURNING lane_id)
     UPDATE lanes SET pending = pending - 1 FROM d WHERE lanes.id = d.lane_id`,
    [text],
  );
}

it('erases what is older than the portal keeps, and nothing of others', async () => {
  await said('old', 31);
  await said('of the other portal', 31, { botId: 2n });
  await said('young', 29);
  for (const [portalId, days] of [
    [1, 31],
    [1, 29],
    [2, 31],
  ]) {
    await storage.db.query(
      `INSERT INTO events (portal_id, name, raw, received_at) VALUES ($1, 'ONX', '{}', now() - make_interval(days => $2))`,
      [portalId, days],
    );
  }
  await service.expireHistory();
  expect(await texts()).toEqual(['of the other portal', 'young']);
  expect([await count('message_links'), await count('message_words'), await count('events')]).toEqual([2, 2, 2]);
  expect(await count('chat_links')).toBe(2);
  const { rows } = await storage.db.query<{ portal_id: bigint; sum: bigint }>(
    `SELECT portal_id, sum(change)::bigint AS sum FROM message_counts GROUP BY 1 HAVING sum(change) <> 0 ORDER BY 1`,
  );
  expect(rows).toEqual([
    { portal_id: 1n, sum: 1n },
    { portal_id: 2n, sum: 1n },
  ]);
  await keepFor(null);
  await said('very old', 3_000);
  await service.expireHistory();
  expect(await texts()).toContain('very old');
});

it('leaves what still has to be sent, and takes it afterwards', async () => {
  await said('waits', 40, { delivered: false });
  await said('gone', 40);
  await service.expireHistory();
  expect(await texts()).toEqual(['waits']);
  await deliver('waits');
  // An edit of it waits now.
  await storage.db.query(
    `WITH l AS (UPDATE lanes SET pending = 1, tail = tail + 1 RETURNING id, tail)
     INSERT INTO deliveries (lane_id, seq, message_id, kind) SELECT l.id, l.tail, m.id, 'edit' FROM l, messages m`,
  );
  await service.expireHistory();
  expect(await texts()).toEqual(['waits']);
  await storage.db.query(`DELETE FROM deliveries; UPDATE lanes SET pending = 0`);
  await service.expireHistory();
  expect(await texts()).toEqual([]);
});

it('takes what came while the bot served no portal, in chats that are the portal’s now', async () => {
  await said('homeless', 40, { botId: 3n });
  await said('homeless for ever', 40, { botId: 3n });
  await storage.db.query(`UPDATE chat_links SET portal_id = 1 WHERE bot_id = 3`);
  await storage.db.query(`UPDATE messages SET chat_id = NULL WHERE text = 'homeless for ever'`);
  await service.expireHistory();
  expect(await texts()).toEqual(['homeless for ever']);
});

it('goes through a long history in steps, several replicas at a time', async () => {
  await said('first', 50);
  await storage.db.query(
    `INSERT INTO messages (portal_id, bot_id, chat_id, direction, state, kind, text, raw, created_at)
     SELECT portal_id, bot_id, chat_id, 'inbound', 'delivered', 'text', 'm' || n, '{}', now() - interval '50 days' + n * interval '1 hour'
       FROM messages, generate_series(1, 600) n WHERE text = 'first'`,
  );
  let [next, erased]: [bigint | null, number] = [0n, 0];
  while (next !== null) {
    const steps: Expiry[] = await Promise.all([
      retention.expireMessages(PORTAL, next, 100),
      retention.expireMessages(PORTAL, next, 100),
    ]);
    erased += steps[0]!.erased + steps[1]!.erased;
    next = steps[0]!.next ?? steps[1]!.next;
  }
  expect([erased, await count('messages')]).toEqual([481, 120]);
});

it('never takes a message for which work is being appended', async () => {
  await said('question', 40);
  await intake.acceptOperatorMessages([operatorMessage(1, 10, 'answer')]);
  await deliver('answer');
  await storage.db.query(`UPDATE messages SET created_at = now() - interval '40 days'`);
  await storage.db.query(`UPDATE chat_links SET unseen_message_id = (SELECT id FROM messages WHERE text = 'answer')`);
  await storage.db.query(`UPDATE messages SET state = 'failed' WHERE text = 'question'`);
  const { rows } = await storage.db.query<{ id: bigint }>(`SELECT id FROM messages WHERE text = 'question'`);
  // A sign of life of the client, who saw the answer; a person who sends again; and the hourly job: all at once.
  await Promise.all([
    intake.acceptClientUpdates([update(++updateId, 10, 'thanks')]),
    new DecisionsRepository(storage.db).retry([rows[0]!.id]),
    ...Array.from({ length: 4 }, () => retention.expireMessages(PORTAL, 0n, 100)),
  ]);
  const orphans = await storage.db.query(
    `SELECT d.kind FROM deliveries d WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = d.message_id)`,
  );
  expect(orphans.rows).toEqual([]);
  const unseen = await storage.db.query(
    `SELECT FROM chat_links c WHERE unseen_message_id IS NOT NULL
        AND NOT EXISTS (SELECT FROM messages m WHERE m.id = c.unseen_message_id)`,
  );
  expect(unseen.rowCount).toBe(0);
});
