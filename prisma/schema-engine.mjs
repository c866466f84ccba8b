// The WebAssembly build of Prisma's schema engine comes from the npm registry, unlike the native one, which the
// CLI downloads from a server of its own. It compares schemas and applies migrations; it has no shadow database.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';

let engine;

async function instantiate() {
  const bindings = await import('@prisma/schema-engine-wasm/schema_engine_bg');
  const folder = import.meta.resolve('@prisma/schema-engine-wasm/schema_engine_bg');
  const bytes = await readFile(fileURLToPath(new URL('schema_engine_bg.wasm', folder)));
  const { instance } = await WebAssembly.instantiate(bytes, { './schema_engine_bg.js': bindings });
  bindings.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
  return bindings.SchemaEngine;
}

/**
 * A driver adapter without a database, for comparing schemas: the engine only asks it which PostgreSQL it faces.
 * 14 is the oldest version this program runs on.
 */
export const offlineAdapter = {
  provider: 'postgres',
  adapterName: 'offline',
  connect: () => Promise.resolve(offlineConnection),
  connectToShadowDb: () => Promise.resolve(offlineConnection),
};

const offlineConnection = {
  provider: 'postgres',
  adapterName: 'offline',
  getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
  // (does the schema exist, version(), server_version_num); column types of Prisma: 5 boolean, 7 text, 0 int32
  queryRaw: () =>
    Promise.resolve({
      columnNames: ['exists', 'version', 'numeric_version'],
      columnTypes: [5, 7, 0],
      rows: [[true, 'PostgreSQL 14.0', 140000]],
    }),
  executeRaw: () => Promise.resolve(0),
  executeScript: () => Promise.resolve(),
  dispose: () => Promise.resolve(),
  startTransaction: () => Promise.reject(new Error('The offline adapter has no database.')),
};

/**
 * The schema engine over a driver adapter factory such as `new PrismaPg(…)`.
 * @param {string} schema text of the Prisma schema
 * @param {object} adapter migration-aware driver adapter factory
 * @returns {Promise<import('@prisma/schema-engine-wasm/schema_engine_bg').SchemaEngine>}
 */
export async function schemaEngine(schema, adapter) {
  engine ??= instantiate();
  const SchemaEngine = await engine;
  return SchemaEngine.new(
    { datamodels: [['schema.prisma', schema]] },
    () => undefined,
    bindMigrationAwareSqlAdapterFactory(adapter),
  );
}
