import { Client } from 'pg';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';

const CONNECT_TIMEOUT_MS = 10_000;

/**
 * SQL, a part each: what is different in a restored backup. A role may lack the right to ask, and a service that speaks
 * PostgreSQL may not know: such a part is left out.
 */
const PARTS = [
  // Another server.
  'SELECT system_identifier FROM pg_control_system()',
  // A dump: into another database, or the tables anew in this one.
  `SELECT oid, 'deliveries'::regclass::oid AS deliveries FROM pg_database WHERE datname = current_database()`,
  // Recovery to a point in time, and a standby that was promoted, perhaps without the last commits: another timeline.
  'SELECT left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline',
  // A copy of the files. PostgreSQL writes this one only when it makes the server; the inode of a copy is younger.
  `SELECT extract(epoch FROM change) FROM pg_stat_file('PG_VERSION')`,
];

/**
 * Notices that the tables are in another database than when a program last started on them: a backup was restored, and
 * what waits here may have been delivered since it was made. Every message of a client that waits is then looked up in
 * its dialog before it is sent. Answers how many these are, 0 where the database is the same. A database that never had
 * a program that notices counts as restored.
 */
export async function noticeRestoredBackup(url: string): Promise<number> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await doubtUnlessIdentityIs(client, await identityOf(client));
  } finally {
    await client.end();
  }
}

async function identityOf(client: Client): Promise<string> {
  const parts: string[] = [];
  for (const part of PARTS) {
    try {
      const { rows } = await client.query<string[]>({ text: part, rowMode: 'array' });
      parts.push(rows.flat().join('.'));
    } catch (error) {
      if (isStorageUnavailable(error)) throw error;
      parts.push('');
    }
  }
  return parts.join(' ');
}

/** One statement: of several replicas that start together one marks, and the others wait for it. */
async function doubtUnlessIdentityIs(client: Client, identity: string): Promise<number> {
  const { rowCount } = await client.query(
    `WITH changed AS (
       INSERT INTO database_identity AS known (value) VALUES ($1)
       ON CONFLICT (only_row) DO UPDATE SET value = $1 WHERE known.value <> $1
       RETURNING value
     ), waiting AS MATERIALIZED (
       SELECT id FROM lanes WHERE EXISTS (SELECT FROM changed) AND channel = 'inbound' AND pending > 0
        ORDER BY chat_id, channel FOR UPDATE
     )
     -- 'epoch': whatever was sent has arrived by now.
     UPDATE deliveries d SET unknown_since = 'epoch'
       FROM waiting WHERE d.lane_id = waiting.id AND d.state = 'queued' AND d.unknown_since IS NULL`,
    [identity],
  );
  return rowCount ?? 0;
}
