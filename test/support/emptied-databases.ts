import { setTimeout as pause } from 'node:timers/promises';
import { Client } from 'pg';
import { createTestDatabase, type TestDatabase } from './database.js';

/** What a new database has: definitions by number, and the tables that hold rows. */
interface Untouched {
  definitions: string;
  filled: string[];
}

/** Of this worker, and for its next file, too. Emptying one takes a tenth of the work of cloning the template. */
const emptied: TestDatabase[] = [];
let untouched: Untouched | undefined;

/** A migrated database as the template is, for {@link giveBack}. */
export async function takeDatabase(): Promise<TestDatabase> {
  const known = emptied.pop();
  if (known) return known;
  const made = await createTestDatabase();
  untouched ??= await withClient(made, async (client) => ({
    definitions: await definitions(client),
    filled: await filledTables(client),
  }));
  return made;
}

/** For the next test, emptied; one whose definitions a test changed, or that somebody still uses, is removed. */
export async function giveBack(database: TestDatabase): Promise<void> {
  const isReady = await withClient(database, async (client) => {
    if (!(await isAlone(client)) || (await definitions(client)) !== untouched?.definitions) return false;
    await empty(client, untouched.filled);
    return true;
  });
  if (isReady) emptied.push(database);
  else await database.drop();
}

async function withClient<Result>({ directUrl }: TestDatabase, work: (client: Client) => Promise<Result>) {
  const client = new Client({ connectionString: directUrl });
  await client.connect();
  return work(client).finally(() => client.end());
}

/** A connection that was closed at this end takes the server a moment. */
async function isAlone(client: Client): Promise<boolean> {
  for (let look = 0; look < 20; look++) {
    const { rowCount } = await client.query(
      `SELECT FROM pg_stat_activity
       WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`,
    );
    if (rowCount === 0) return true;
    await pause(25);
  }
  return false;
}

/** Clones have the numbers of their template; whatever is made later has another. */
async function definitions(client: Client): Promise<string> {
  const made = ['class', 'proc', 'trigger', 'constraint', 'attrdef'].map(
    (kind) => `(SELECT count(*) || ':' || max(oid::bigint) FROM pg_${kind})`,
  );
  const settings = `(SELECT count(*) FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = current_database())`;
  const { rows } = await client.query<{ all: string }>(
    `SELECT concat_ws(' ', ${[...made, settings].join(', ')}) AS all`,
  );
  return rows[0]!.all;
}

/** Tables that hold rows, or held some. */
async function filledTables(client: Client): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT relname AS name FROM pg_class
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0`,
  );
  return rows.map(({ name }) => name);
}

async function empty(client: Client, kept: string[]): Promise<void> {
  const tables = (await filledTables(client)).filter((name) => !kept.includes(name));
  const { rows: counters } = await client.query<{ name: string }>(
    `SELECT sequencename AS name FROM pg_sequences WHERE schemaname = 'public' AND last_value IS NOT NULL`,
  );
  const statements = [
    ...(tables.length > 0 ? [`TRUNCATE ${tables.map(quoted).join(', ')} CASCADE`] : []),
    ...counters.map(({ name }) => `ALTER SEQUENCE ${quoted(name)} RESTART`),
    'SELECT pg_stat_reset()',
  ];
  await client.query(statements.join(';\n'));
}

const quoted = (name: string): string => `"${name}"`;
