import type { Queryable } from '../postgres/database.service.js';

/**
 * Bitrix24 posts an event once. Where one may have been lost, the answers of that portal wait until its dialogs were
 * looked through, so that what is found there is not overtaken; and never longer than this, whatever the portal does.
 */
export const PAUSE_SECONDS = 15;

/** Each event that is lost meanwhile asks for a new pause: all of them together are no longer than this. */
export const LONGEST_PAUSE_SECONDS = 60;

/** SQL: the answers of the portal `p` are paused now. */
export const answersPaused = (p: string) =>
  `(${p}.hold_outbound_until > now()
    AND (${p}.answers_paused_since > now() - interval '${LONGEST_PAUSE_SECONDS} seconds') IS NOT FALSE)`;

/** SQL: the SET of an UPDATE of `portals` that pauses answers; whoever takes a portal over begins anew. */
export const PAUSE_ANSWERS_ANEW = `
  hold_outbound_until = now() + interval '${PAUSE_SECONDS} seconds', answers_paused_since = now()`;

/**
 * SQL: the same for an event that was lost meanwhile. Where lost events follow each other and no look at the
 * dialogs succeeds, the portal rests from pauses for as long as the longest one: half of the time answers leave.
 */
const PAUSE_ANSWERS = `
  hold_outbound_until = now() + interval '${PAUSE_SECONDS} seconds',
  answers_paused_since = CASE WHEN answers_paused_since > now() - interval '${2 * LONGEST_PAUSE_SECONDS} seconds'
                              THEN answers_paused_since ELSE now() END`;

/**
 * Pauses the answers of these portals, or of all, as far as they are active; returns the portals. To be called before
 * anything else of the transaction: portals are locked first.
 */
export async function pauseAnswers(connection: Queryable, portalIds: bigint[] | 'all'): Promise<bigint[]> {
  const { rows } = await connection.query<{ id: bigint }>(
    `UPDATE portals SET ${PAUSE_ANSWERS}
      WHERE state = 'active' AND id IN (
        SELECT id FROM portals WHERE $1::bigint[] IS NULL OR id = ANY($1::bigint[]) ORDER BY id FOR NO KEY UPDATE)
      RETURNING id`,
    [portalIds === 'all' ? null : portalIds],
  );
  return rows.map(({ id }) => id);
}

/**
 * The dialogs were looked through after the pause `until` was made: answers may leave. A pause that was made meanwhile
 * stays, as it asks for another look.
 */
export async function resumeAnswers(connection: Queryable, portalId: bigint, until: Date): Promise<void> {
  await connection.query(
    `UPDATE portals SET hold_outbound_until = NULL, answers_paused_since = NULL
      WHERE id = $1 AND hold_outbound_until = $2`,
    [portalId, until],
  );
}
