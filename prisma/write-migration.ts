// npm run migration:write -- NAME            writes prisma/migrations/<UTC time>_NAME/migration.sql
// npm run migration:write -- --rewrite NAME  writes the newest one again (never after a release: a database that has
//                                            applied it refuses an edited migration)
//
// What `prisma migrate dev --create-only` does, without the native engine: the difference between the tables that the
// migrations make and those of schema.prisma. What a Prisma schema cannot say (partial indexes, checks, triggers) is added
// to the file by hand. The migrations are applied to SHADOW_DATABASE_URL, which must be empty, or to a PostgreSQL that is
// started for it and then removed.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbeddedPostgres } from '../src/storage/postgres/embedded-postgres.js';
import { MIGRATIONS_FOLDER } from '../src/storage/postgres/migration-runner.js';
import { nextMigration } from './next-migration.js';

/** What is wrong is for a person at a terminal: plain text. */
class UsageError extends Error {}

async function writeMigration([first, second]: string[]): Promise<string> {
  const rewrite = first === '--rewrite';
  const name = rewrite ? second : first;
  if (!/^[a-z0-9_]+$/.test(name ?? ''))
    throw new UsageError('Usage: npm run migration:write -- [--rewrite] name_in_lower_case');
  const known = await migrationNames();
  const existing = known.find((folder) => folder.replace(/^\d+_/, '') === name);
  if (rewrite && !existing) throw new UsageError(`No migration named ${name}.`);
  if (rewrite && existing !== known.at(-1))
    throw new UsageError(`${known.at(-1)} builds on it: write a new migration.`);
  if (!rewrite && existing) throw new UsageError(`${existing} exists; --rewrite writes it again.`);

  const folder = existing ?? `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`;
  const sql = await differenceTo(
    await readFile(fileURLToPath(new URL('schema.prisma', import.meta.url)), 'utf8'),
    known.filter((other) => other !== folder),
  );
  if (sql === '') throw new UsageError('The schema has not changed: nothing to write.');
  const file = path.join(MIGRATIONS_FOLDER, folder, 'migration.sql');
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, `${sql}\n`);
  return path.relative(process.cwd(), file);
}

async function differenceTo(schema: string, migrations: string[]): Promise<string> {
  const scratch = await mkdtemp(path.join(tmpdir(), 'write-migration-'));
  try {
    const before = path.join(scratch, 'migrations');
    await mkdir(before);
    for (const name of migrations)
      await cp(path.join(MIGRATIONS_FOLDER, name), path.join(before, name), { recursive: true });
    const shadow = process.env.SHADOW_DATABASE_URL;
    if (shadow) return await nextMigration(shadow, schema, before);
    const quiet = { log: () => undefined, warn: console.warn, error: console.error };
    const server = await startEmbeddedPostgres({ dataDir: scratch, fast: true, logger: quiet });
    try {
      return await nextMigration(server.url, schema, before);
    } finally {
      await server.stop();
    }
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function migrationNames(): Promise<string[]> {
  const entries = await readdir(MIGRATIONS_FOLDER, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort();
}

try {
  process.stdout.write(`${await writeMigration(process.argv.slice(2))}\n`);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
