import { Problem } from './problem.js';

/** A page of a list, newest first. `nextCursor` null: this was the last page. */
export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** Ids of ours: decimal, within PostgreSQL's bigint. */
export const ID = /^\d{1,18}$/;

/** The place after which a page starts, from the id of the last item before it. Opaque to callers. */
export function encodeCursor(id: bigint): string {
  return Buffer.from(id.toString()).toString('base64url');
}

/** Throws a 400 problem when the text is no cursor of ours. */
export function decodeCursor(cursor: string | undefined): bigint | undefined {
  if (cursor === undefined) return undefined;
  const id = Buffer.from(cursor, 'base64url').toString();
  if (!ID.test(id) || encodeCursor(BigInt(id)) !== cursor) {
    throw invalidCursor();
  }
  return BigInt(id);
}

/** A place in a list by time, at the item of this time and id, and on which side of it the page lies. */
export interface Place {
  at: Date;
  id: bigint;
  side: 'older' | 'newer';
}

/** Opaque to callers. */
export function encodePlace(at: Date, id: bigint, side: Place['side'] = 'older'): string {
  return Buffer.from(`${side === 'newer' ? '+' : ''}${at.getTime()}.${id}`).toString('base64url');
}

/** Throws a 400 problem when the text is no cursor of such a list. */
export function decodePlace(cursor: string | undefined): Place | undefined {
  if (cursor === undefined) return undefined;
  const [, newer, at, id] = /^(\+?)(\d{1,15})\.(\d{1,18})$/.exec(Buffer.from(cursor, 'base64url').toString()) ?? [];
  if (at === undefined || id === undefined) throw invalidCursor();
  return { at: new Date(Number(at)), id: BigInt(id), side: newer ? 'newer' : 'older' };
}

function invalidCursor(): Problem {
  return new Problem(
    400,
    'invalid_cursor',
    'cursor must be the nextCursor or previousCursor of another page, unchanged.',
  );
}

/** Makes a page of rows that were read with one more than `limit`: the surplus row tells that there is a next page. */
export function pageOf<Row extends { id: bigint }, Item>(
  rows: Row[],
  limit: number,
  show: (row: Row) => Item,
  cursorOf: (row: Row) => string = ({ id }) => encodeCursor(id),
): Page<Item> {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(show),
    nextCursor: rows.length > limit && last ? cursorOf(last) : null,
  };
}
