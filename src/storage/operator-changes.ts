import type { Queryable } from './database.service.js';
import { insertEvent } from './event-records.js';
import { intakeOf, type Intake } from './intake.js';
import type { OperatorChangeRow, OperatorMessageRow } from './intake.rows.js';
import { lockChats, lockLanes } from './lock-order.js';
import { lostReports } from './lost-reports.js';
import { appendDeliveries, type NewDelivery } from './outbox.js';
import { firstSeen } from './processed-events.js';
import { changedByOperator, reviseByFoundChanges, reviseByOperator } from './revisions.js';

/** Keeps operators' edits and deletions. To be called in a transaction. */
export async function acceptChanges(connection: Queryable, changes: OperatorChangeRow[]): Promise<Intake> {
  const fresh = await firstSeen(connection, changes);
  await lockPlaces(connection, fresh);
  const work: NewDelivery[] = [];
  for (const change of fresh) {
    const message = await changedByOperator(connection, change);
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
  await lockPlaces(connection, changes);
  const work = [
    ...(await reviseByFoundChanges(connection, changes, asOf)),
    ...(await lostReports(connection, messages)),
  ];
  await appendDeliveries(connection, work);
  return intakeOf(work, 0, 0);
}

/** Chats and lanes are locked before the messages that change; see lock-order.ts. */
async function lockPlaces(connection: Queryable, changes: OperatorChangeRow[]): Promise<void> {
  if (changes.length === 0) return;
  const { rows } = await connection.query<{ chat_id: bigint }>(
    `SELECT DISTINCT m.chat_id FROM unnest($1::bigint[], $2::text[]) AS r(portal_id, bitrix_message_id)
       JOIN messages m ON (m.portal_id, m.bitrix_message_id) = (r.portal_id, r.bitrix_message_id)
      WHERE m.direction = 'outbound' AND m.chat_id IS NOT NULL`,
    [changes.map(({ portalId }) => portalId), changes.map(({ bitrixMessageId }) => bitrixMessageId)],
  );
  const chats = rows.map(({ chat_id }) => chat_id);
  await lockChats(connection, chats);
  await lockLanes(connection, chats);
}
