import path from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

interface Versions {
  /** Major version of PostgreSQL that made the database, and the one that the program brings. */
  theirs: string;
  ours: string;
  dataDir: string;
  home: string;
  cluster: string;
  pgCtl: string;
}

/** Says how a database is taken along to another major version of PostgreSQL, command by command. */
export function otherMajorVersion({ theirs, ours, dataDir, home, cluster, pgCtl }: Versions): EmbeddedPostgresError {
  const password = `PGPASSWORD=$(cat ${path.join(dataDir, 'postgres.password')})`;
  const portFile = path.join(home, 'port');
  const port = `--host=127.0.0.1 --port=$(cat ${portFile}) --username=postgres`;
  return new EmbeddedPostgresError(
    `The database in ${home} was made by PostgreSQL ${theirs}; this version of the program brings PostgreSQL ${ours}, which cannot read it. It is whole, and nothing was changed. To take it along:
1. Start the version of the program that you had before, and while it runs: ${password} pg_dump --format=custom --file=bridge.dump ${port} postgres (pg_dump of version ${theirs} or newer).
2. Stop it, and move its database aside: mv ${cluster} ${cluster}.${theirs}
3. Restore into an empty PostgreSQL of your own and set DATABASE_URL (docs/backup.md). Or into this one: start this version without TG_BOT_TOKEN, stop it again, start its PostgreSQL alone (${pgCtl} start -w -D ${cluster} -o "-p $(cat ${portFile}) -c unix_socket_directories="), run: ${password} pg_restore --clean --if-exists --no-owner --exit-on-error --dbname=postgres ${port} bridge.dump (pg_restore of version ${ours} or newer), and stop PostgreSQL (${pgCtl} stop -D ${cluster}).
4. Start this version.`,
  );
}
