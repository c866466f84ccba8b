import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import type { Lease } from '../../src/storage/work/lease.js';
import type { ClientUpdateRow, OperatorMessageRow } from '../../src/storage/intake/intake.rows.js';
import { giveBack, takeDatabase } from './emptied-databases.js';

export const PORTAL = 1n;
export const BOT = 1n;
export const LINE_ID = '7';

/** A migrated database with one portal and one bot that serves its line 7. */
export async function createTestStorage() {
  const database = await takeDatabase();
  const db = new DatabaseService(database.url);
  await db.query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, scope)
    VALUES (1, 'm', 'acme.bitrix24.com', 'https://acme.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge', '')`);
  await db.query(`INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (1, 'k', 1, 't', 1, '7')`);
  return {
    db,
    url: database.url,
    close: async () => {
      await db.onApplicationShutdown();
      await giveBack(database);
    },
  };
}

/** The driver of the portal has looked through its dialogs: answers may leave. */
export const endHolds = (db: DatabaseService) =>
  db.query('UPDATE portals SET hold_outbound_until = NULL, answers_paused_since = NULL');

export const lease = (endpoint: string, owner: string, fence: bigint): Lease => ({ endpoint, owner, fence });

/** A text of the client with this id. */
export function update(
  updateId: number,
  client: number,
  text: string,
  more: Partial<ClientUpdateRow> = {},
): ClientUpdateRow {
  return {
    botId: BOT,
    updateId,
    chat: {
      externalId: `tg:${client}`,
      externalUserId: `tg:${client}`,
      telegramChatId: BigInt(client),
      type: 'private',
      title: `Client ${client}`,
    },
    said: { kind: 'text', text, marks: [], raw: { text } },
    telegramMessageId: BigInt(updateId),
    sawChat: true,
    ...more,
  };
}

/** An operator's text into the dialog of the client with this id. */
export function operatorMessage(id: number, client: number, text: string): OperatorMessageRow {
  return {
    portalId: PORTAL,
    connector: 'tg_bridge',
    lineId: LINE_ID,
    externalChatId: `tg:${client}`,
    bitrixMessageId: String(id),
    bitrixChatId: '1760',
    said: { kind: 'text', text, marks: [], raw: { text } },
    unsigned: false,
  };
}

/** Resolves when a statement of this database waits for a lock. */
export async function somebodyWaits(db: DatabaseService): Promise<void> {
  for (let waiting = 0; waiting === 0;) {
    const { rows } = await db.query<{ waiting: number }>(
      `SELECT count(*)::int AS waiting FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    waiting = rows[0]!.waiting;
  }
}
