/** What a hot statement or transaction may take before its connection is taken for dead, in milliseconds. */
export const HOT_LIMIT_MS = 15_000;

/**
 * Limits in milliseconds that the server keeps. The hot ones end before {@link HOT_LIMIT_MS}: whoever gave up here must
 * not learn later that the statement was carried out after all. PostgreSQL stops a statement, never a COMMIT under way.
 */
const HOT_LIMITS = {
  statement_timeout: 12_000,
  lock_timeout: 10_000,
  // A process that froze in the middle of a transaction keeps its locks, and with them its endpoints from whoever takes
  // over, until the server ends it.
  idle_in_transaction_session_timeout: 5_000,
};

/** Refreshes of tokens hold a row lock for up to 30 s, and others wait for it. */
export const PATIENT_LIMITS = {
  statement_timeout: 45_000,
  lock_timeout: 45_000,
  idle_in_transaction_session_timeout: 40_000,
};

/**
 * What a session is asked for as it connects: {@link HOT_LIMITS}. A pooler in transaction mode either refuses them
 * (PgBouncer: "unsupported startup parameter") or drops them (its `ignore_startup_parameters`), because they would stay
 * with a server connection that many share.
 */
export const SESSION_LIMITS = HOT_LIMITS;

/** A role or a database may have other defaults, and every statement here is written for this one. */
export const ISOLATION = 'read committed';

/** The limits of one transaction, in the one round trip of its BEGIN: these come through any pooler. */
function beginning(limits?: Record<string, number>): string {
  const settings = Object.entries(limits ?? {}).map(([name, milliseconds]) => `SET LOCAL ${name} = ${milliseconds}`);
  return [`BEGIN ISOLATION LEVEL ${ISOLATION}`, ...settings].join('; ');
}

export const BEGIN_PATIENT = beginning(PATIENT_LIMITS);
export const BEGIN_HOT = beginning(HOT_LIMITS);
export const BEGIN_HOT_IN_OWN_SESSION = beginning();
