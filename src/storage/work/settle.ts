import { replaceKeyboards } from './buttons.js';
import { lockClaims } from './claim-locks.js';
import type { Queryable } from '../postgres/database.service.js';
import { appendReports, leaveStrayReports, routeFromLocked, type Report } from './dialog-reports.js';
import { jsonb } from '../postgres/json.js';
import { isQuestion } from './keyboard.js';
import { doneIn, isAgain, outcomesOf, type Done, type EndpointSettlements, type LaneSettlement } from './settlement.js';
import { recordOutcomes } from './settlement-record.js';
import { LONG_WAIT_MS, untoldWaits, waitReport } from './told-waits.js';
import { eventsOf, noteTriggerEvents } from './trigger-events.js';

/**
 * Records what became of claimed lanes; returns the endpoints that have work due now. It is of one claim each: for a
 * lane that was settled or claimed again since it does nothing at all, so that it may be repeated when nobody knows
 * whether it was committed. Throws LeaseLostError when one of the endpoints has changed hands.
 */
export async function settle(
  connection: Queryable,
  settlements: EndpointSettlements[],
  instance: string,
): Promise<string[]> {
  const all = settlements.flatMap(({ lanes }) => lanes);
  const standing = new Set(
    await lockClaims(connection, {
      leases: settlements.map(({ lease }) => lease),
      lanes: all.map(({ lane }) => lane),
      notedChats: all.filter(mayBringNotes).map(({ lane }) => lane.chat.id),
      toldMessages: all
        .flatMap(doneIn)
        .filter(({ settlement }) => settlement.note || settlement.reportDelivery)
        .map(({ delivery }) => delivery.message.id),
    }),
  );
  const lanes = all.filter(({ lane }) => standing.has(lane));
  if (lanes.length === 0) return [];
  await forgetParts(connection, lanes);
  const endpoints = await recordOutcomes(connection, lanes, instance);
  await noteTriggerEvents(connection, lanes.flatMap(eventsOf));
  return [...new Set([...endpoints, ...(await followUp(connection, lanes))])].filter(Boolean);
}

function mayBringNotes({ deliveries, silenceMs = 0 }: LaneSettlement): boolean {
  return silenceMs > LONG_WAIT_MS || deliveries.some(({ note }) => note);
}

function notesOf({ delivery, settlement }: Done): Report[] {
  return settlement.note ? [{ messageId: delivery.message.id, payload: settlement.note }] : [];
}

/** Telegram no longer has these parts; others may take their places. */
async function forgetParts(connection: Queryable, settlements: LaneSettlement[]): Promise<void> {
  const removed = settlements
    .flatMap(doneIn)
    .flatMap(({ delivery, settlement }) =>
      (settlement.removedMessageIds ?? []).map((id) => ({ message_id: delivery.message.id, telegram_message_id: id })),
    );
  if (removed.length === 0) return;
  await connection.query(
    `DELETE FROM message_links l USING jsonb_to_recordset($1::jsonb) AS r(message_id bigint, telegram_message_id bigint)
      WHERE l.message_id = r.message_id AND l.telegram_message_id = r.telegram_message_id`,
    [jsonb(removed)],
  );
}

/** Writes the notes that follow from outcomes, and takes keyboards away that newer ones replace; returns the endpoints that get work by it. */
async function followUp(connection: Queryable, settlements: LaneSettlement[]): Promise<string[]> {
  const notes = settlements.flatMap(doneIn).flatMap(notesOf);
  const long = settlements.filter(({ silenceMs = 0 }) => silenceMs > LONG_WAIT_MS);
  const waits = await untoldWaits(
    connection,
    long.map(({ lane }) => lane.id),
  );
  const told = await appendReports(connection, await routeFromLocked(connection, [...notes, ...waits.map(waitReport)]));
  const reporting = settlements.flatMap(outcomesOf).filter(({ delivery, settlement }) => {
    return isAgain(settlement) && (delivery.kind === 'note' || delivery.kind === 'status');
  });
  const left = await leaveStrayReports(
    connection,
    reporting.map(({ lane }) => lane.id),
  );
  const replaced = await replaceKeyboards(
    connection,
    settlements
      .flatMap(doneIn)
      .filter(({ delivery: { kind, message }, settlement: { outcome } }) => {
        return kind === 'message' && outcome === 'delivered' && isQuestion(message.keyboard);
      })
      .map(({ lane, delivery }) => ({ chatId: lane.chat.id, messageId: delivery.message.id })),
  );
  return [...told, ...left, ...(await appendReports(connection, { deliveries: replaced, endpoints: [] }))];
}
