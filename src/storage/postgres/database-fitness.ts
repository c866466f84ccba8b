import { Client } from 'pg';
import { DatabaseStartError } from './database-start-error.js';
import type { DatabaseServer } from './database-wait.js';
import { migratedTables, MIGRATIONS_TABLE, pendingMigrations } from './migration-runner.js';

/** The oldest PostgreSQL that has what the statements use. */
const OLDEST = { version: 140_000, name: '14' };

/** Throws {@link DatabaseStartError} when the database cannot keep what is to be kept, whoever connects. */
export function refuseUnfitDatabase(server: DatabaseServer, where: string, schema: string | undefined): void {
  const { version, encoding, database, role } = server;
  if (version < OLDEST.version)
    throw new DatabaseStartError(
      `PostgreSQL at ${where} is of version ${Math.floor(version / 10_000)}; ${OLDEST.name} or newer is needed.`,
    );
  if (encoding !== 'UTF8')
    throw new DatabaseStartError(
      `The database at ${where} has the encoding ${encoding}, which cannot keep what people write. Make another: CREATE DATABASE ${identifier(`${database}_utf8`)} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'; and put it into DATABASE_URL.`,
    );
  if (server.schema === null)
    throw new DatabaseStartError(
      `The role ${role} finds no schema at ${where}: its search_path is ${server.searchPath}, and none of these is there and open to it. As the owner of the database run: GRANT USAGE, CREATE ON SCHEMA public TO ${identifier(role)};`,
    );
  if (schema !== undefined && schema !== server.schema)
    throw new DatabaseStartError(
      `DATABASE_URL has schema=${schema}, which PostgreSQL does not know; the tables would be in ${server.schema}. Run: CREATE SCHEMA IF NOT EXISTS ${identifier(schema)}; ALTER ROLE ${identifier(role)} SET search_path = ${identifier(schema)};`,
    );
}

/** What the role may not do, one sentence and one statement each. */
interface MissingRight {
  lacks: string;
  cure: string;
}

/**
 * Throws {@link DatabaseStartError} that names every right that the role lacks: on the tables that are there, and, when
 * migrations are to be applied, to make and change tables.
 */
export async function refuseMissingRights(server: DatabaseServer, where: string): Promise<void> {
  const client = new Client({ connectionString: server.url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    const missing = await missingRights(client, server);
    if (missing.length === 0) return;
    throw new DatabaseStartError(
      `The role ${server.role} cannot work with the database at ${where}: it ${missing.map(({ lacks }) => lacks).join('; ')}. As the owner of the database run: ${missing.map(({ cure }) => cure).join(' ')}`,
    );
  } finally {
    await client.end();
  }
}

async function missingRights(client: Client, server: DatabaseServer): Promise<MissingRight[]> {
  const tables = await rightsOnTables(client);
  const schema = identifier(server.schema!);
  const role = identifier(server.role);
  const missing: MissingRight[] = [];
  // The list of migrations is only read, unless some are to be applied.
  const unwritable = tables.filter(({ name, lacking }) => lacking.length > 0 && name !== MIGRATIONS_TABLE);
  const unread = tables.some(({ name, lacking }) => name === MIGRATIONS_TABLE && lacking.includes('SELECT'));
  if (unwritable.length > 0) {
    const privileges = [...new Set(unwritable.flatMap(({ lacking }) => lacking))];
    missing.push({
      lacks: `lacks ${privileges.join(', ')} on ${named(unwritable)}`,
      cure: `GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role};`,
    });
  }
  if (unread)
    missing.push({
      lacks: `lacks SELECT on ${MIGRATIONS_TABLE}`,
      cure: `GRANT SELECT ON ${MIGRATIONS_TABLE} TO ${role};`,
    });
  const sequences = tables.filter(({ sequences: usable }) => !usable);
  if (sequences.length > 0)
    missing.push({
      lacks: `lacks USAGE on the sequences of ${named(sequences)}`,
      cure: `GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${schema} TO ${role};`,
    });
  if (unread || (await pendingMigrations(server.url)).length === 0) return missing;
  const { rows } = await client.query<{ may: boolean }>(
    `SELECT has_schema_privilege(current_schema(), 'CREATE') AS may`,
  );
  if (!rows[0]!.may)
    missing.push({
      lacks: `lacks CREATE on schema ${server.schema} (since PostgreSQL 15 only the owner of the database has it)`,
      cure: `GRANT USAGE, CREATE ON SCHEMA ${schema} TO ${role};`,
    });
  const foreign = tables.filter(({ owned }) => !owned);
  if (foreign.length > 0) {
    const owners = [...new Set(foreign.map(({ owner }) => owner))];
    missing.push({
      lacks: `must change tables that belong to ${owners.join(', ')}`,
      cure: `REASSIGN OWNED BY ${owners.map(identifier).join(', ')} TO ${role}; (or put that role into DATABASE_URL)`,
    });
  }
  return missing;
}

interface TableRights {
  name: string;
  owner: string;
  /** Whether the role is the owner, or a member of it. */
  owned: boolean;
  lacking: string[];
  /** Whether it may draw numbers for new rows. */
  sequences: boolean;
}

async function rightsOnTables(client: Client): Promise<TableRights[]> {
  const { rows } = await client.query<TableRights>(
    `SELECT c.relname AS name, pg_get_userbyid(c.relowner) AS owner, pg_has_role(c.relowner, 'USAGE') AS owned,
            ARRAY(SELECT privilege FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS privilege
                   WHERE NOT has_table_privilege(c.oid, privilege)) AS lacking,
            coalesce((SELECT bool_and(has_sequence_privilege(s.oid, 'USAGE')) FROM pg_depend d
                       JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
                      WHERE d.refobjid = c.oid AND d.classid = 'pg_class'::regclass AND d.deptype = 'a'), true) AS sequences
       FROM unnest($1::text[]) AS wanted (name)
       JOIN pg_class c ON c.oid = to_regclass(quote_ident(wanted.name)) ORDER BY c.relname`,
    [[...(await migratedTables()), MIGRATIONS_TABLE]],
  );
  return rows;
}

/** The first few by name, and how many more. */
function named(tables: TableRights[]): string {
  const names = tables.map(({ name }) => name);
  return names.length <= 40 ? names.join(', ') : `${names.slice(0, 40).join(', ')} and ${names.length - 40} more`;
}

/** A name as SQL takes it. */
function identifier(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
