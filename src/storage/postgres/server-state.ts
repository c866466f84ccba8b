import type { Queryable } from './database.service.js';

/** PostgreSQL answers and takes no writes. `code`: its SQLSTATE for that. */
export class DatabaseReadOnlyError extends Error {
  override readonly name = 'DatabaseReadOnlyError';
  readonly code = '25006';

  /** @param standby it follows another server, rather than having been set so */
  constructor(readonly standby: boolean) {
    super(standby ? 'PostgreSQL is read-only: a standby' : 'PostgreSQL is read-only');
  }
}

/** Throws when PostgreSQL does not answer; {@link DatabaseReadOnlyError} when it takes no writes. */
export async function refuseReadOnly(db: Queryable): Promise<void> {
  const { rows } = await db.query<{ readOnly: boolean; standby: boolean }>(
    `SELECT current_setting('transaction_read_only')::boolean AS "readOnly", pg_is_in_recovery() AS standby`,
  );
  if (rows[0]!.readOnly) throw new DatabaseReadOnlyError(rows[0]!.standby);
}

/** A transaction of this database that holds back the clean-up of dead rows. */
export interface OpenTransaction {
  seconds: number;
  /** Its client does nothing with it. */
  idle: boolean;
  /** Its application or its role; of a prepared transaction its name. */
  owner: string;
  /** null: a prepared transaction, which belongs to no process. */
  pid: number | null;
}

/**
 * The one that has been open for longest; null: none. Of other roles only what this one may see: all with `pg_monitor`.
 * Not the program's own building of an index, which may take hours.
 */
export async function oldestTransaction(db: Queryable): Promise<OpenTransaction | null> {
  const { rows } = await db.query<OpenTransaction>(
    `SELECT extract(epoch FROM clock_timestamp() - began)::float8 AS seconds, idle, owner, pid FROM (
       SELECT xact_start, state LIKE 'idle in transaction%', coalesce(nullif(application_name, ''), usename::text), pid
         FROM pg_stat_activity
        WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
          AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
          AND application_name <> 'telegram-openlines background migrations'
       UNION ALL
       SELECT prepared, true, gid, NULL FROM pg_prepared_xacts WHERE database = current_database()
     ) AS transactions (began, idle, owner, pid) WHERE began IS NOT NULL ORDER BY began LIMIT 1`,
  );
  return rows[0] ?? null;
}
