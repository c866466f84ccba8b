import type { StoringTrouble } from '../../relay/storing-trouble.js';
import { DatabaseReadOnlyError, type OpenTransaction } from '../../storage/postgres/server-state.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** From here on a transaction is too long, in seconds: one that its client has left, and one that works. */
const TOO_LONG_SECONDS = { idle: 600, active: 3_600 };

/** @param failure what a try to reach the database threw; null: it takes writes. `words`: the failure, redacted */
export function databaseCheck(failure: unknown, words: string): Check {
  if (failure === null) return finding('database', 'database.ok', {});
  if (!(failure instanceof DatabaseReadOnlyError)) return finding('database', 'database.away', { said: words });
  return finding('database', failure.standby ? 'database.standby' : 'database.read_only', {});
}

/** Whether this replica can keep what comes in, by its last tries. */
export function intakeCheck(trouble: StoringTrouble | null): Check {
  if (!trouble) return finding('intake', 'intake.ok', {});
  return finding('intake', 'intake.failing', { since: trouble.since.toISOString(), said: trouble.said });
}

export function transactionCheck(oldest: OpenTransaction | null): Check {
  const tooLong = oldest && oldest.seconds >= TOO_LONG_SECONDS[oldest.idle ? 'idle' : 'active'];
  if (!tooLong) return finding('transactions', 'transactions.ok', {});
  const { seconds, idle, owner, pid } = oldest;
  return finding('transactions', 'transactions.long', { owner, pid, idle, seconds: Math.round(seconds) });
}
