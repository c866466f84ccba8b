import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { PrismaPg } from '@prisma/adapter-pg';
import type { MigrationList } from '@prisma/schema-engine-wasm/schema_engine_bg';
import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { nextMigration } from '../../prisma/next-migration.js';
import { schemaDifference, schemaEngine } from '../../prisma/schema-engine.js';
import { runBackgroundMigrations } from '../../src/storage/postgres/background-migrations.js';
import {
  applyMigrations,
  MigrationError,
  MIGRATIONS_FOLDER,
  pendingMigrations,
} from '../../src/storage/postgres/migration-runner.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const schemaFile = path.join(MIGRATIONS_FOLDER, '..', 'schema.prisma');
const filters = { externalTables: [], externalEnums: [] };

let database: TestDatabase;
let folder: string;
beforeEach(async () => {
  database = await createTestDatabase({ empty: true });
  folder = await mkdtemp(path.join(tmpdir(), 'migrations-'));
});
afterEach(async () => {
  await database.drop();
  await rm(folder, { recursive: true });
});

describe('a new database', () => {
  it('gets every migration in order, once', async () => {
    const all = await migrationNames();
    expect(await pendingMigrations(database.url)).toEqual(all);
    expect(await applyMigrations(database.url)).toEqual({ applied: all, unknown: [] });
    expect(await pendingMigrations(database.url)).toEqual([]);
    expect(await applyMigrations(database.url)).toEqual({ applied: [], unknown: [] });
  });

  it('gets them from one of several programs that start at once', async () => {
    await cp(MIGRATIONS_FOLDER, folder, { recursive: true });
    await migration('20990101000000_slow', 'SELECT pg_sleep(0.5); CREATE TABLE slow ();');
    const outcomes = await Promise.all([1, 2, 3].map(() => migrateInAnotherProcess(database.url, folder)));
    const applied = outcomes.map((outcome) => outcome.length).sort();
    expect(applied).toEqual([0, 0, (await migrationNames()).length + 1]);
    expect(await query('SELECT migration_name FROM _prisma_migrations GROUP BY 1 HAVING count(*) > 1')).toEqual([]);
  });
});

describe('a database whose transactions begin as serializable', () => {
  it('is migrated once by two programs that start at once', async () => {
    const name = new URL(database.directUrl).pathname.slice(1);
    await query(`ALTER DATABASE ${name} SET default_transaction_isolation = 'serializable'`);
    await migration('1_slow', 'CREATE TABLE slow (); SELECT pg_sleep(0.5);');
    const outcomes = await Promise.all([1, 2].map(() => applyMigrations(database.directUrl, folder)));
    expect(outcomes.map(({ applied }) => applied.length).sort()).toEqual([0, 1]);
  });
});

describe('agreement with prisma migrate deploy', () => {
  it('it finds nothing to do after us', async () => {
    await applyMigrations(database.url);
    const engine = await engineOn(database.url);
    const migrationsList = await migrationList();
    expect(
      await engine.diagnoseMigrationHistory({ migrationsList, optInToShadowDatabase: false, filters }),
    ).toMatchObject({ hasMigrationsTable: true, editedMigrationNames: [], failedMigrationNames: [], history: null });
    expect((await engine.applyMigrations({ migrationsList, filters })).appliedMigrationNames).toEqual([]);
    engine.free();
  });

  it('we find nothing to do after it, and the rows and tables are the same', async () => {
    const theirs = await createTestDatabase({ empty: true });
    try {
      const engine = await engineOn(theirs.url);
      const done = await engine.applyMigrations({ migrationsList: await migrationList(), filters });
      engine.free();
      expect(done.appliedMigrationNames).toEqual(await migrationNames());
      expect(await applyMigrations(theirs.url)).toEqual({ applied: [], unknown: [] });

      await applyMigrations(database.url);
      const rows = `SELECT migration_name, checksum, logs, rolled_back_at, applied_steps_count,
        started_at <= finished_at AS in_order, length(id) FROM _prisma_migrations ORDER BY started_at`;
      expect(await query(rows)).toEqual(await query(rows, theirs.url));
      expect(await catalogue(database.url)).toEqual(await catalogue(theirs.url));
    } finally {
      await theirs.drop();
    }
  });

  it('the tables are those of schema.prisma and of the hand-written SQL, nothing else', async () => {
    await applyMigrations(database.url);
    await runBackgroundMigrations(database.directUrl);
    const byHand = await createTestDatabase({ empty: true });
    try {
      await query(await schemaDifference(await readFile(schemaFile, 'utf8'), 'empty'), byHand.url);
      const expected = await catalogue(byHand.url);
      const found = (await catalogue(database.url)).filter((line) => !line.includes('_prisma_migrations'));
      expect(expected.filter((line) => !found.includes(line))).toEqual([]);
      const additions = found.filter((line) => !expected.includes(line));
      expect(additions.map((line) => line.split(' ').slice(0, 3).join(' '))).toEqual([
        'constraint lanes lanes_pending_not_negative',
        'index broadcast_recipients broadcast_recipients_under_way',
        'index chat_links chat_links_untitled',
        'index dialog_reports dialog_reports_notes',
        'index lanes lanes_busy',
        'index lanes lanes_due',
        'index message_words message_words_words',
        'index messages messages_album',
        'index messages messages_bitrix_id',
        'index send_requests send_requests_open',
      ]);
    } finally {
      await byHand.drop();
    }
  });
});

describe('writing the next migration', () => {
  it('starts from the SQL alone', async () => {
    const files = await readdir(MIGRATIONS_FOLDER, { recursive: true, withFileTypes: true });
    const others = files.filter((file) => file.isFile() && file.name !== 'migration.sql').map(({ name }) => name);
    expect(others).toEqual(['migration_lock.toml']);
  });

  it('writes none when schema.prisma has not changed', async () => {
    const before = await migrationNames();
    const script = fileURLToPath(new URL('../../prisma/write-migration.ts', import.meta.url));
    const child = spawn(process.execPath, ['--import', 'tsx', script, 'nothing_new'], {
      env: { ...process.env, SHADOW_DATABASE_URL: database.directUrl },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    const [said, [code]] = await Promise.all([text(child.stderr), once(child, 'close')]);
    expect(said).toBe('The schema has not changed: nothing to write.\n');
    expect(code).toBe(1);
    expect(await migrationNames()).toEqual(before);
  });

  it('writes what has changed, and no index that is built in the background', async () => {
    const schema = await readFile(schemaFile, 'utf8');
    const changed = schema.replace('model Application {', 'model Application {\n  colour String? @unique');
    expect(await nextMigration(database.directUrl, changed, MIGRATIONS_FOLDER)).toBe(
      `-- AlterTable
ALTER TABLE "applications" ADD COLUMN     "colour" TEXT;

-- CreateIndex
CREATE UNIQUE INDEX "applications_colour_key" ON "applications"("colour");`,
    );
  });
});

describe('a history that does not fit', () => {
  beforeEach(async () => {
    await migration('1_one', 'CREATE TABLE one (id int);\n-- done\n');
    await migration('2_two', 'CREATE TABLE two (id int);');
  });

  it('a failing migration leaves nothing behind and names itself, the line and the reason', async () => {
    await migration('3_three', 'CREATE TABLE three (id int);\nSELECT 1;\nCREATE TABLE one (id int);');
    const error = await failure();
    expect(error).toMatchObject({ code: 'migration_broken', migration: '3_three' });
    expect(error.message).toMatch(/3_three.*"one" already exists.*42P07/);
    expect(await query(`SELECT tablename FROM pg_tables WHERE schemaname = 'public'`)).toEqual([]);
    await migration('3_three', 'SELECT 1;\nSELEKT 2;');
    expect((await failure()).message).toMatch(/3_three failed, line 2: syntax error/);
    await migration('3_three', 'CREATE TABLE three (id int);');
    expect((await applyMigrations(database.url, folder)).applied).toEqual(['1_one', '2_two', '3_three']);
  });

  it('a migration the Prisma CLI left unfinished stops us until it is marked as rolled back', async () => {
    await applyMigrations(database.url, folder);
    await query(`UPDATE _prisma_migrations SET finished_at = NULL WHERE migration_name = '2_two'`);
    const error = await failure();
    expect(error).toMatchObject({ code: 'migration_failed', migration: '2_two' });
    await expect(pendingMigrations(database.url, folder)).rejects.toThrow(/2_two/);
    const cure = /UPDATE _prisma_migrations[^;]+;/.exec(error.message)![0];
    await query(cure);
    await query('DROP TABLE two');
    expect((await applyMigrations(database.url, folder)).applied).toEqual(['2_two']);
  });

  it('an edited migration stops us; other line ends do not', async () => {
    await applyMigrations(database.url, folder);
    await migration('1_one', 'CREATE TABLE one (id int);\r\n-- done\r\n');
    expect((await applyMigrations(database.url, folder)).applied).toEqual([]);
    await migration('1_one', 'CREATE TABLE one (id bigint);\n-- done\n');
    expect(await failure()).toMatchObject({ code: 'migration_edited', migration: '1_one' });
  });

  it('migrations of a newer version are reported and left alone', async () => {
    await applyMigrations(database.url, folder);
    await rm(path.join(folder, '2_two'), { recursive: true });
    expect(await applyMigrations(database.url, folder)).toEqual({ applied: [], unknown: ['2_two'] });
  });

  it('waits for whoever else migrates, the Prisma CLI included', async () => {
    const other = new Client({ connectionString: database.directUrl });
    await other.connect();
    await other.query('SELECT pg_advisory_lock(72707369)');
    let done = false;
    const ours = applyMigrations(database.url, folder).finally(() => (done = true));
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(done).toBe(false);
    await other.end();
    expect((await ours).applied).toEqual(['1_one', '2_two']);
  });

  async function failure(): Promise<MigrationError> {
    const error: unknown = await applyMigrations(database.url, folder).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MigrationError);
    return error as MigrationError;
  }
});

async function migration(name: string, sql: string): Promise<void> {
  await mkdir(path.join(folder, name), { recursive: true });
  await writeFile(path.join(folder, name, 'migration.sql'), sql);
}

async function migrationNames(): Promise<string[]> {
  const entries = await readdir(MIGRATIONS_FOLDER, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort();
}

async function query(sql: string, url = database.url): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: url });
  await client.connect();
  return (await client.query<Record<string, unknown>>(sql).finally(() => client.end())).rows;
}

async function migrateInAnotherProcess(url: string, from: string): Promise<string[]> {
  const runner = fileURLToPath(new URL('../../src/storage/postgres/migration-runner.ts', import.meta.url));
  const script = `import { applyMigrations } from ${JSON.stringify(runner)};
    console.log(JSON.stringify((await applyMigrations(${JSON.stringify(url)}, ${JSON.stringify(from)})).applied));`;
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  await once(child, 'close');
  return JSON.parse(output) as string[];
}

async function engineOn(url: string) {
  return schemaEngine(await readFile(schemaFile, 'utf8'), new PrismaPg({ connectionString: url }));
}

async function migrationList(): Promise<MigrationList> {
  const names = await migrationNames();
  return {
    baseDir: MIGRATIONS_FOLDER,
    lockfile: {
      path: 'migration_lock.toml',
      content: await readFile(path.join(MIGRATIONS_FOLDER, 'migration_lock.toml'), 'utf8'),
    },
    shadowDbInitScript: '',
    migrationDirectories: await Promise.all(
      names.map(async (name) => ({
        path: name,
        migrationFile: {
          path: 'migration.sql',
          content: {
            tag: 'ok' as const,
            value: await readFile(path.join(MIGRATIONS_FOLDER, name, 'migration.sql'), 'utf8'),
          },
        },
      })),
    ),
  };
}

/** Every column, index, constraint and enum of the public schema, a line each. */
async function catalogue(url: string): Promise<string[]> {
  const rows = await query(
    `SELECT line FROM (
     SELECT format('column %s %s %s null=%s default=%s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod),
            NOT a.attnotnull, pg_get_expr(d.adbin, d.adrelid)) AS line
       FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
       LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
      WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
     UNION ALL SELECT format('index %s %s %s', tablename, indexname, indexdef) FROM pg_indexes WHERE schemaname = 'public'
     UNION ALL SELECT format('constraint %s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
       FROM pg_constraint WHERE connamespace = 'public'::regnamespace
     UNION ALL SELECT format('enum %s %s', t.typname, string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder))
       FROM pg_type t JOIN pg_enum e ON e.enumtypid = t.oid GROUP BY t.typname) AS lines
     ORDER BY line COLLATE "C"`,
    url,
  );
  return rows.map((row) => String(row.line));
}
