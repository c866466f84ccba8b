import type { Queryable } from '../postgres/database.service.js';

/** A file of a ready answer or of a broadcast, without its content. */
export interface KeptFileRow {
  id: bigint;
  name: string;
  mime: string | null;
  /** Bytes. */
  size: number;
}

/** What a file belongs to. */
export type FileOwner = { answerId: bigint } | { broadcastId: bigint };

/** A row with its files as {@link filesOf} reads them. */
export interface RowWithFiles {
  files: (Omit<KeptFileRow, 'id'> & { id: string })[];
}

/** A message that waits longer goes without its files, and the dialog is told. */
const KEPT_DAYS = 7;

/** SQL: a message that was accepted with this row of `answer_files` may still be on its way. */
export const FILE_IS_NEEDED = `(used_at IS NOT NULL AND used_at > now() - interval '${KEPT_DAYS} days')`;

/** SQL: files of the row `id`, in the order in which they came, as jsonb. */
export const filesOf = (column: 'answer_id' | 'broadcast_id', id: string) =>
  `(SELECT coalesce(jsonb_agg(jsonb_build_object('id', f.id::text, 'name', f.name, 'mime', f.mime, 'size', f.size)
                             ORDER BY f.id), '[]') FROM answer_files f WHERE f.${column} = ${id})`;

export function readFiles({ files }: RowWithFiles): KeptFileRow[] {
  return files.map((file) => ({ ...file, id: BigInt(file.id) }));
}

/** Until the commit nobody else counts, or orders, what the portal has. */
export async function lockPortal(connection: Queryable, portalId: bigint): Promise<void> {
  await connection.query(`SELECT FROM portals WHERE id = $1 FOR NO KEY UPDATE`, [portalId]);
}

/** Files that messages on their way may name stay without an owner; the others go. `name` null: whatever their name. */
export async function takeFilesOff(connection: Queryable, owner: FileOwner, name: string | null): Promise<number> {
  const { column, id } = placeOf(owner);
  const theirs = `${column} = $1 AND ($2::text IS NULL OR name = $2)`;
  // By their ids, as whoever notes their use locks them.
  await connection.query(`SELECT FROM answer_files WHERE ${theirs} ORDER BY id FOR UPDATE`, [id, name]);
  const { rowCount: kept } = await connection.query(
    `UPDATE answer_files SET ${column} = NULL WHERE ${theirs} AND ${FILE_IS_NEEDED}`,
    [id, name],
  );
  const { rowCount: gone } = await connection.query(`DELETE FROM answer_files WHERE ${theirs}`, [id, name]);
  return (kept ?? 0) + (gone ?? 0);
}

/** Where the rows of an owner's files name it. */
export function placeOf(owner: FileOwner): { column: 'answer_id' | 'broadcast_id'; id: bigint } {
  return 'answerId' in owner
    ? { column: 'answer_id', id: owner.answerId }
    : { column: 'broadcast_id', id: owner.broadcastId };
}
