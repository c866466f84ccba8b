import {
  ColumnTypeEnum,
  type ColumnType,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import type { Client } from 'pg';

/** By number of the type (pg_type.oid), the types of PostgreSQL's catalogues. Anything else is read as text. */
const COLUMN_TYPES: Readonly<Record<number, ColumnType>> = {
  16: ColumnTypeEnum.Boolean,
  18: ColumnTypeEnum.Character,
  20: ColumnTypeEnum.Int64,
  21: ColumnTypeEnum.Int32,
  23: ColumnTypeEnum.Int32,
  26: ColumnTypeEnum.Int64,
  1002: ColumnTypeEnum.CharacterArray,
  1003: ColumnTypeEnum.TextArray,
  1005: ColumnTypeEnum.Int32Array,
  1009: ColumnTypeEnum.TextArray,
};

/**
 * Lets the schema engine read the tables that `client` is connected to, and nothing more. `@prisma/adapter-pg` cannot:
 * it does not know the type "char", which many columns of the catalogues have.
 */
export function databaseAdapter(client: Client): SqlMigrationAwareDriverAdapterFactory {
  const refuse = () => Promise.reject(new Error('The schema engine only reads this database.'));
  return {
    provider: 'postgres',
    adapterName: 'pg',
    connectToShadowDb: refuse,
    connect: () =>
      Promise.resolve({
        provider: 'postgres',
        adapterName: 'pg',
        getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
        queryRaw: async ({ sql, args }) => {
          const { fields, rows } = await client.query<unknown[]>({ text: sql, values: args, rowMode: 'array' });
          return {
            columnNames: fields.map(({ name }) => name),
            columnTypes: fields.map(({ dataTypeID }) => COLUMN_TYPES[dataTypeID] ?? ColumnTypeEnum.Text),
            rows,
          };
        },
        executeRaw: refuse,
        executeScript: refuse,
        startTransaction: refuse,
        dispose: () => Promise.resolve(),
      }),
  };
}
