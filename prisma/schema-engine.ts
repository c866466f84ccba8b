// The WebAssembly build of Prisma's schema engine comes from the npm registry, unlike the native one, which the
// CLI downloads from a server of its own. It compares schemas and applies migrations; it has no shadow database.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import {
  bindMigrationAwareSqlAdapterFactory,
  ColumnTypeEnum,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { DiffParams, SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';

/** Of every Node.js; its types come with those of browsers, which are not loaded here. */
declare const WebAssembly: {
  instantiate(bytes: Uint8Array, imports: object): Promise<{ instance: { exports: unknown } }>;
};

let instantiated: Promise<typeof SchemaEngine> | undefined;

async function instantiate(): Promise<typeof SchemaEngine> {
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const folder = import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = await readFile(fileURLToPath(new URL('schema_engine_bg.wasm', folder)));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  (instance.exports as { __wbindgen_start: () => void }).__wbindgen_start();
  return bindings.SchemaEngine;
}

/** The schema engine over a driver adapter factory such as `new PrismaPg(…)`; `schema`: text of the Prisma schema. */
export async function schemaEngine(
  schema: string,
  adapter: SqlMigrationAwareDriverAdapterFactory,
): Promise<SchemaEngine> {
  const Engine = await (instantiated ??= instantiate());
  return Engine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
}

/** The SQL that makes the tables of `schema` out of nothing, or out of those that `adapter` reads; '': nothing is to do. */
export async function schemaDifference(
  schema: string,
  from: 'empty' | SqlMigrationAwareDriverAdapterFactory,
): Promise<string> {
  const files = [{ path: 'schema.prisma', content: schema }];
  const engine = await schemaEngine(schema, from === 'empty' ? offlineAdapter : from);
  try {
    const { stdout } = await engine.diff({
      from: from === 'empty' ? { tag: 'empty' } : { tag: 'schemaDatasource', files, configDir: '' },
      to: { tag: 'schemaDatamodel', files },
      script: true,
      exitCode: null,
      shadowDatabaseUrl: null,
      filters: { externalTables: [], externalEnums: [] },
    } as DiffParams);
    const sql = (stdout ?? '').trim();
    if (sql.startsWith('-- This is an empty migration')) return '';
    // Every database has `public`, and naming it would ask for the right to create schemas.
    return sql.replace(/^-- CreateSchema\nCREATE SCHEMA IF NOT EXISTS "public";\n/, '').trim();
  } finally {
    engine.free();
  }
}

/**
 * A driver adapter without a database: the engine only asks it which PostgreSQL it faces. 14 is the oldest version this
 * program runs on.
 */
const offlineAdapter: SqlMigrationAwareDriverAdapterFactory = {
  provider: 'postgres',
  adapterName: 'offline',
  connect: () => Promise.resolve(offlineConnection),
  connectToShadowDb: () => Promise.resolve(offlineConnection),
};

const offlineConnection: Awaited<ReturnType<SqlMigrationAwareDriverAdapterFactory['connect']>> = {
  provider: 'postgres',
  adapterName: 'offline',
  getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
  // (does the schema exist, version(), server_version_num)
  queryRaw: () =>
    Promise.resolve({
      columnNames: ['exists', 'version', 'numeric_version'],
      columnTypes: [ColumnTypeEnum.Boolean, ColumnTypeEnum.Text, ColumnTypeEnum.Int32],
      rows: [[true, 'PostgreSQL 14.0', 140000]],
    }),
  executeRaw: () => Promise.resolve(0),
  executeScript: () => Promise.resolve(),
  dispose: () => Promise.resolve(),
  startTransaction: () => Promise.reject(new Error('The offline adapter has no database.')),
};
