import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { Client } from 'pg';
import { BACKGROUND_FOLDER } from '../src/storage/postgres/background-migrations.js';
import { applyMigrations } from '../src/storage/postgres/migration-runner.js';
import { databaseAdapter } from './database-adapter.js';
import { schemaDifference } from './schema-engine.js';

/** Indexes that schema.prisma cannot say: it knows no storage parameters. (Prisma itself passes over partial ones.) */
const DROP_INDEXES_WRITTEN_BY_HAND = `
DO $$ DECLARE name text; BEGIN
  FOR name IN SELECT oid::regclass FROM pg_class
    WHERE relkind = 'i' AND reloptions IS NOT NULL AND relnamespace = 'public'::regnamespace
  LOOP EXECUTE 'DROP INDEX ' || name; END LOOP;
END $$`;

/**
 * What leads from the migrations of `folder` to `schema`, as SQL; '': nothing. Applies the migrations to the database at
 * `url`, which must be empty and is of no use afterwards. Without the indexes that prisma/background-migrations builds.
 */
export async function nextMigration(url: string, schema: string, folder: string): Promise<string> {
  await applyMigrations(url, folder);
  const client = new Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(DROP_INDEXES_WRITTEN_BY_HAND);
    const sql = await schemaDifference(schema, databaseAdapter(client));
    return withoutIndexes(sql, await backgroundIndexes());
  } finally {
    await client.end();
  }
}

async function backgroundIndexes(): Promise<string[]> {
  const files = (await readdir(BACKGROUND_FOLDER)).filter((file) => file.endsWith('.sql'));
  const texts = await Promise.all(files.map((file) => readFile(path.join(BACKGROUND_FOLDER, file), 'utf8')));
  return texts.flatMap((text) => /INDEX CONCURRENTLY "([^"]+)"/.exec(text)?.[1] ?? []);
}

function withoutIndexes(sql: string, names: string[]): string {
  return names
    .reduce(
      (rest, name) => rest.replace(new RegExp(`-- CreateIndex\\nCREATE (?:UNIQUE )?INDEX "${name}" [^;]*;\\n*`), ''),
      `${sql}\n`,
    )
    .trim();
}
