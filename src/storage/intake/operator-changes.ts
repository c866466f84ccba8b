import type { Queryable } from '../postgres/database.service.js';
import { insertEvent } from './event-records.js';
import { intakeOf, type Intake } from './intake.js';
import type { OperatorChangeRow, OperatorMessageRow } from './intake.rows.js';
import { lockChats, lockLanes, lockPortals } from '../work/lock-order.js';
import { reportAgain } from './lost-reports.js';
import { appendDeliveries, type NewDelivery } from '../work/outbox.js';
import { firstSeen } from './processed-events.js';
import { changedByOperator, reviseByFoundChanges, reviseByOperator } from './operator-revisions.js';

/** Keeps operators' edits and deletions. To be called in a transaction. */
export async function acceptChanges(connection: Queryable, changes: OperatorChangeRow[]): Promise<Intake> {
  const fresh = await firstSeen(connection, changes);
  const lockedChats = await lockPlaces(connection, fresh);
  const work: NewDelivery[] = [];
  for (const change of fresh) {
    const message = await changedByOperator(connection, change, lockedChats);
    if (message) work.push(...(await reviseByOperator(connection, message, change)));
    else await insertEvent(connection, change);
  }
  await appendDeliveries(connection, work);
  return intakeOf(work, 0, changes.length - fresh.length);
}

/** Keeps what was found in the dialogs, as they were after `asOf`. To be called in a transaction. */
export async function acceptFound(
  connection: Queryable,
  { messages, changes }: { messages: OperatorMessageRow[]; changes: OperatorChangeRow[] },
  asOf: Date,
): Promise<Intake> {
  await lockPortals(
    connection,
    messages.map(({ portalId }) => portalId),
  );
  const lockedChats = await lockPlaces(connection, changes);
  const work = await reviseByFoundChanges(connection, changes, { asOf, lockedChats });
  await appendDeliveries(connection, work);
  await reportAgain(connection, messages);
  return intakeOf(work, 0, 0);
}

/** Chats and lanes are locked before the messages that change; see lock-order.ts. Returns the chats. */
async function lockPlaces(connection: Queryable, changes: OperatorChangeRow[]): Promise<bigint[]> {
  if (changes.length === 0) return [];
  const { rows } = await connection.query<{ chat_id: bigint }>(
    `SELECT DISTINCT m.chat_id FROM unnest($1::bigint[], $2::text[]) AS r(portal_id, bitrix_message_id)
       JOIN messages m ON (m.portal_id, m.bitrix_message_id) = (r.portal_id, r.bitrix_message_id)
      WHERE m.direction = 'outbound' AND m.chat_id IS NOT NULL`,
    [changes.map(({ portalId }) => portalId), changes.map(({ bitrixMessageId }) => bitrixMessageId)],
  );
  const chats = rows.map(({ chat_id }) => chat_id);
  await lockChats(connection, chats);
  await lockLanes(connection, chats);
  return chats;
}
