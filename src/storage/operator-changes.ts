import type { Queryable } from './database.service.js';
import { insertEvent } from './event-records.js';
import { intakeOf, type Intake } from './intake.js';
import type { OperatorChangeRow, OperatorMessageRow } from './intake.rows.js';
import { lostReports } from './lost-reports.js';
import { appendDeliveries, type NewDelivery } from './outbox.js';
import { firstSeen } from './processed-events.js';
import { changedByOperator, lockChatsOfAnswers, reviseByFoundChanges, reviseByOperator } from './revisions.js';

/** Keeps operators' edits and deletions. To be called in a transaction. */
export async function acceptChanges(connection: Queryable, changes: OperatorChangeRow[]): Promise<Intake> {
  const fresh = await firstSeen(connection, changes);
  await lockChatsOfAnswers(connection, fresh);
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
  await lockChatsOfAnswers(connection, [...messages, ...changes]);
  const work = [
    ...(await reviseByFoundChanges(connection, changes, asOf)),
    ...(await lostReports(connection, messages)),
  ];
  await appendDeliveries(connection, work);
  return intakeOf(work, 0, 0);
}
