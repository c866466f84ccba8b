import { afterEach, beforeEach, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { ERASING, PortalErasureRepository } from '../../src/storage/erasure/portal-erasure.repository.js';
import { UploadsRepository } from '../../src/storage/work/uploads.repository.js';
import { BOT, createTestStorage, operatorMessage, PORTAL, somebodyWaits, update } from '../support/storage.js';

/** Everything of a portal that people said, sent and are. */
const TABLES = [
  'messages',
  'message_links',
  'message_words',
  'attachments',
  'revisions',
  'attempts',
  'deliveries',
  'lanes',
  'chat_links',
  'business_connections',
  'uploads',
  'events',
  'tokens',
  'ready_answers',
  'answer_files',
  'chat_reads',
  'portal_features',
  'trigger_events',
  'broadcasts',
  'broadcast_recipients',
];

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
});

afterEach(() => storage.close());

const count = async (table: string) => (await storage.db.query(`SELECT FROM ${table}`)).rowCount;
const counts = async () => Object.fromEntries(await Promise.all(TABLES.map(async (name) => [name, await count(name)])));

/** A client of a Business account sends a photo and corrects its caption, an operator answers, and one waits to go. */
async function talk(botId: bigint, portalId: bigint): Promise<void> {
  const said = (caption: string) => ({
    kind: 'photo',
    text: caption,
    marks: [],
    raw: {},
    attachments: [{ kind: 'photo', name: 'a.jpg', label: '📷 Photo', telegramFileId: 'F', telegramUniqueId: 'U' }],
  });
  await storage.db.query(`INSERT INTO portal_features (portal_id, feature, wanted) VALUES ($1, 'triggers', true)`, [
    portalId,
  ]);
  const from = (id: number, more: Partial<ClientUpdateRow>): ClientUpdateRow => {
    const base = update(id, 10, '', { botId, telegramMessageId: 5n, ...more });
    return { ...base, chat: { ...base.chat!, businessConnection: `connection${botId}` } };
  };
  const connection = { id: `connection${botId}`, ownerId: 99n, enabled: true, canReply: true };
  await intake.acceptClientUpdates([from(1, { said: said('helo'), connection })]);
  await intake.acceptClientUpdates([from(2, { said: said('hello'), edits: true })]);
  const externalChatId = `tg:10:bconnection${botId}`;
  await intake.acceptOperatorMessages([{ ...operatorMessage(1, 10, 'answer'), portalId, externalChatId }]);
  await new UploadsRepository(storage.db).remember({ botId, digest: Buffer.alloc(32), kind: 'photo' }, 'F');
  await storage.db.query(
    `WITH made AS (
       INSERT INTO ready_answers (portal_id, title, position, created_by) VALUES ($1, 'hours', 0, 'test') RETURNING id)
     INSERT INTO answer_files (portal_id, answer_id, name, size, content) SELECT $1, id, 'x', 1, 'x' FROM made`,
    [portalId],
  );
  await storage.db.query(
    `WITH made AS (
       INSERT INTO broadcasts (portal_id, name, text, created_by) VALUES ($1, 'x', 'x', 'test') RETURNING id)
     INSERT INTO broadcast_recipients (broadcast_id, bot_id) SELECT id, $2 FROM made`,
    [portalId, botId],
  );
  await intake.acceptEvent({ portalId, source: `bitrix24:${portalId}`, key: 'e', name: 'ONX', raw: {} });
  await storage.db.query(
    `INSERT INTO attempts (message_id, kind, number, started_at, outcome, instance)
     SELECT min(id), 'message', 1, now(), 'failed', 'i' FROM messages WHERE portal_id = $1`,
    [portalId],
  );
  await storage.db.query(
    `INSERT INTO chat_reads (portal_id, user_id, chat_id, message_id)
     SELECT portal_id, '27', id, 1 FROM chat_links WHERE portal_id = $1`,
    [portalId],
  );
  await storage.db.query(
    `INSERT INTO tokens (portal_id, user_id, access_token, refresh_token, expires_at) VALUES ($1, '1', 'a', 'r', now())`,
    [portalId],
  );
}

it('leaves nothing of what its employees have read in chats that another portal has by now', async () => {
  await intake.acceptClientUpdates([update(1, 10, 'hello')]);
  await storage.db.query(
    `INSERT INTO chat_reads (portal_id, user_id, chat_id, message_id) SELECT $1, '27', id, 1 FROM chat_links`,
    [PORTAL],
  );
  await storage.db.query(`
    INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
    VALUES (2, 'n', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`);
  await new BotsRepository(storage.db).assign(BOT, { portalId: 2n, lineId: '9' });
  await storage.db.query(`UPDATE portals SET state = 'uninstalled', state_reason = $2 WHERE id = $1`, [
    PORTAL,
    ERASING,
  ]);
  const erasure = new PortalErasureRepository(storage.db);
  while (!(await erasure.eraseSome(PORTAL)));
  expect([await count('chat_links'), await count('chat_reads')]).toEqual([1, 0]);
});

it('waits for the chats of an intake, which may go on to lanes and to what hangs on the portal', async () => {
  await talk(BOT, PORTAL);
  await storage.db.query(`UPDATE portals SET state = 'uninstalled', state_reason = $1 WHERE id = 1`, [ERASING]);
  const erasures = new PortalErasureRepository(storage.db);
  const eraseAll = async () => {
    while (!(await erasures.eraseSome(PORTAL)));
  };
  const { erasure } = await storage.db.transaction(async (connection) => {
    const { rows } = await connection.query<{ id: bigint }>(
      `SELECT id FROM chat_links WHERE portal_id = 1 ORDER BY bot_id, external_id FOR NO KEY UPDATE`,
    );
    const begun = eraseAll();
    await somebodyWaits(storage.db);
    await connection.query(`SET LOCAL lock_timeout = 500`);
    await connection.query(`SELECT FROM lanes WHERE chat_id = $1 FOR UPDATE`, [rows[0]!.id]);
    await connection.query(
      `INSERT INTO trigger_events (portal_id, chat_id, event, subject, times, due_at) VALUES (1, $1, 'blocked', '', 1, now())`,
      [rows[0]!.id],
    );
    return { erasure: begun };
  });
  await erasure;
  expect(await counts()).toMatchObject({ messages: 0, chat_links: 0, trigger_events: 0 });
});

it('leaves nothing of one portal and everything of the others', async () => {
  await storage.db.query(`
    INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
    VALUES (2, 'n', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge');
    INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'l', 2, 't', 2, '7')`);
  await talk(2n, 2n);
  const others = await counts();
  await talk(BOT, PORTAL);
  const both = await counts();
  for (const table of TABLES) expect([table, both[table]]).toEqual([table, 2 * others[table]]);
  expect(Object.values(others)).not.toContain(0);

  const erasure = new PortalErasureRepository(storage.db);
  await storage.db.query(`UPDATE portals SET state = 'uninstalled', state_reason = $1 WHERE id = 1`, [ERASING]);
  let rounds = 0;
  while (!(await erasure.eraseSome(PORTAL, 1))) expect(++rounds).toBeLessThan(10);
  expect(await counts()).toEqual(others);
  const { rows } = await storage.db.query(
    `SELECT sum(change)::int AS messages FROM message_counts WHERE portal_id = 1`,
  );
  expect(rows).toEqual([{ messages: 0 }]);
});

it('leaves no work behind in chats of a bot that has moved: what the new portal says goes', async () => {
  const bots = new BotsRepository(storage.db);
  await intake.acceptClientUpdates([update(1, 10, 'hello')]);
  await intake.acceptOperatorMessages([operatorMessage(1, 10, 'of the old portal')]);
  const other = 2n;
  await storage.db.query(`
    INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
    VALUES (2, 'n', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`);
  await bots.assign(BOT, { portalId: other, lineId: '9' });
  await storage.db.query(`UPDATE portals SET state = 'uninstalled', state_reason = $2 WHERE id = $1`, [
    PORTAL,
    ERASING,
  ]);
  const erasure = new PortalErasureRepository(storage.db);
  while (!(await erasure.eraseSome(PORTAL)));
  await intake.acceptOperatorMessages([{ ...operatorMessage(2, 10, 'of the new one'), portalId: other, lineId: '9' }]);
  const { rows: waiting } = await storage.db.query(
    `SELECT d.kind, m.text, l.pending FROM deliveries d JOIN lanes l ON l.id = d.lane_id LEFT JOIN messages m ON m.id = d.message_id
      WHERE l.channel = 'outbound'`,
  );
  expect(waiting).toEqual([{ kind: 'message', text: 'of the new one', pending: 1 }]);
});
