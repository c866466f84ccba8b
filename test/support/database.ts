import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { inject } from 'vitest';

export interface TestDatabase {
  /** Connection string of a database nobody else uses. */
  url: string;
  /** The same past any pooler, for what belongs to a session. */
  directUrl: string;
  /** Removes it, open connections included. */
  drop(): Promise<void>;
}

/**
 * A database of this test file alone: a clone of the migrated template, or with `empty` one without any table.
 * Takes some 50 ms.
 */
export async function createTestDatabase(options: { empty?: boolean } = {}): Promise<TestDatabase> {
  const migrated = inject('templateDatabase');
  const name = `${testDatabasesOf(migrated)}${randomBytes(6).toString('hex')}`;
  const template = options.empty ? 'template0' : migrated;
  await execute(`CREATE DATABASE ${name} TEMPLATE ${template}`);
  const [url, directUrl] = [inject('databasesUrl'), inject('postgresUrl')].map((server) => {
    const database = new URL(server);
    database.pathname = name;
    return database.href;
  });
  return { url: url!, directUrl: directUrl!, drop: () => execute(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
}

/** How the names of a run's databases begin. */
export function testDatabasesOf(template: string): string {
  return template.replace('template_', 'test_') + '_';
}

async function execute(sql: string): Promise<void> {
  const client = new Client({ connectionString: inject('postgresUrl') });
  await client.connect();
  await client.query(sql).finally(() => client.end());
}
