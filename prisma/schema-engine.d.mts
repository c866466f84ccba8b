import type { SchemaEngine } from '@prisma/schema-engine-wasm/schema_engine_bg';
import type { SqlMigrationAwareDriverAdapterFactory } from '@prisma/driver-adapter-utils';

export const offlineAdapter: SqlMigrationAwareDriverAdapterFactory;
export function schemaEngine(schema: string, adapter: SqlMigrationAwareDriverAdapterFactory): Promise<SchemaEngine>;
