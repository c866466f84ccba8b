import { TypeOverrides, types } from 'pg';

/** BIGINT and its arrays as bigint, so that no id of Telegram or of a long history is ever rounded. */
export const BIGINT_ROWS = new TypeOverrides();
BIGINT_ROWS.setTypeParser(types.builtins.INT8, BigInt);
const INT8_ARRAY = 1016 as Parameters<typeof types.setTypeParser>[0];
BIGINT_ROWS.setTypeParser(INT8_ARRAY, (value: string) =>
  value === '{}'
    ? []
    : value
        .slice(1, -1)
        .split(',')
        .map((item) => (item === 'NULL' ? null : BigInt(item))),
);
