// node prisma/write-migration.mjs NAME            writes prisma/migrations/<UTC time>_NAME/migration.sql
// node prisma/write-migration.mjs --rewrite NAME  writes an existing one again (never after a release: a database
//                                                 that has applied it refuses an edited migration)
//
// What `prisma migrate dev --create-only` does, without the native engine and without a database: the difference
// between two schemas. The schema a migration leads to is kept beside its SQL; migrations without one are written
// by hand (partial indexes, checks and whatever else a Prisma schema cannot say).
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { offlineAdapter, schemaEngine } from './schema-engine.mjs';

const migrations = fileURLToPath(new URL('migrations/', import.meta.url));
const schemaFile = fileURLToPath(new URL('schema.prisma', import.meta.url));

const rewrite = process.argv[2] === '--rewrite';
const name = process.argv[rewrite ? 3 : 2];
if (!/^[a-z0-9_]+$/.test(name ?? '')) fail('Usage: node prisma/write-migration.mjs [--rewrite] name_in_lower_case');

mkdirSync(migrations, { recursive: true });
const known = readdirSync(migrations, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name)
  .sort();
const existing = known.find((folder) => folder.replace(/^\d+_/, '') === name);
if (rewrite && !existing) fail(`No migration named ${name}.`);
if (!rewrite && existing) fail(`${existing} exists; --rewrite writes it again.`);

const folder = existing ?? `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}_${name}`;
const snapshots = known.filter((other) => existsSync(snapshotOf(other)));
if (snapshots.some((other) => other > folder)) fail(`${snapshots.at(-1)} builds on ${folder}: write a new migration.`);
const before = snapshots.filter((other) => other < folder).at(-1);

const schema = readFileSync(schemaFile, 'utf8');
const engine = await schemaEngine(schema, offlineAdapter);
const { stdout } = await engine.diff({
  from: before ? schemaTarget(snapshotOf(before)) : { tag: 'empty' },
  to: schemaTarget(schemaFile),
  script: true,
  exitCode: null,
  shadowDatabaseUrl: null,
  filters: { externalTables: [], externalEnums: [] },
});
// Every database has `public`, and naming it would ask for the right to create schemas.
const sql = stdout.replace(/^-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "public";\n/, '').trim();
if (sql.startsWith('-- This is an empty migration')) fail('The schema has not changed: nothing to write.');

mkdirSync(path.join(migrations, folder), { recursive: true });
writeFileSync(path.join(migrations, folder, 'migration.sql'), `${sql}\n`);
writeFileSync(snapshotOf(folder), schema);
writeFileSync(
  path.join(migrations, 'migration_lock.toml'),
  '# Written by Prisma Migrate: the kind of database the migrations are for.\nprovider = "postgresql"\n',
);
process.stdout.write(`prisma/migrations/${folder}/migration.sql\n`);

function snapshotOf(migration) {
  return path.join(migrations, migration, 'schema.prisma');
}

function schemaTarget(file) {
  return { tag: 'schemaDatamodel', files: [{ path: 'schema.prisma', content: readFileSync(file, 'utf8') }] };
}

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}
