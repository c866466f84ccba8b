import { DatabaseReadOnlyError, type OpenTransaction } from '../../storage/postgres/server-state.js';
import { check } from './doctor.checks.js';
import type { Check } from './doctor.dto.js';

/** From here on a transaction is too long, in seconds: one that its client has left, and one that works. */
const TOO_LONG_SECONDS = { idle: 600, active: 3_600 };

/** @param failure what a try to reach the database threw; null: it takes writes. `words`: the failure, redacted */
export function databaseCheck(failure: unknown, words: string): Check {
  if (failure === null) return check('database', true, 'PostgreSQL answers', '');
  if (failure instanceof DatabaseReadOnlyError)
    return check(
      'database',
      false,
      failure.standby
        ? 'PostgreSQL is read-only: DATABASE_URL leads to a standby'
        : 'PostgreSQL is read-only: default_transaction_read_only is on',
      failure.standby
        ? 'Put the address of the primary into DATABASE_URL, or promote this server. Nothing is lost: both networks keep what we cannot store.'
        : 'Providers set that when the disk is full: make room. Otherwise run ALTER DATABASE … RESET default_transaction_read_only. Nothing is lost: both networks keep what we cannot store.',
    );
  return check(
    'database',
    false,
    `PostgreSQL does not answer: ${words}`,
    'Start PostgreSQL or correct DATABASE_URL. Nothing is lost: both networks keep what we cannot store.',
  );
}

export function transactionCheck(oldest: OpenTransaction | null): Check {
  const tooLong = oldest && oldest.seconds >= TOO_LONG_SECONDS[oldest.idle ? 'idle' : 'active'];
  if (!tooLong) return check('transactions', true, 'No transaction has been open for long', '');
  const { seconds, idle, owner, pid } = oldest;
  const minutes = Math.round(seconds / 60);
  const whose = pid === null ? `The prepared transaction ${owner}` : `A transaction of ${owner} (process ${pid})`;
  const cure =
    pid === null
      ? `end it: COMMIT PREPARED or ROLLBACK PREPARED '${owner}'`
      : `end it: SELECT pg_terminate_backend(${pid})`;
  return check(
    'transactions',
    false,
    `${whose} has been open for ${minutes} minutes${idle ? ', idle' : ''}`,
    `PostgreSQL cannot clean up behind it, and everything slows down. Finish that program (a backup may take its time), or ${cure}.`,
  );
}
