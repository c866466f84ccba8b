import type { Queryable } from '../postgres/database.service.js';

/** A file as it is sent. */
export interface StoredFile {
  name: string;
  mime: string | null;
  size: number;
  /** From its first to its last byte; throws where it cannot be read to its end. */
  content: AsyncGenerator<Buffer>;
}

/** What comes of a file from outside. Throws what whoever sends it is to hear. */
export type ArrivingContent = AsyncIterable<Buffer>;

const PART_BYTES = 256 * 1024;

/** Keeps what arrives as the content of this row of `answer_files`; null: the row was erased meanwhile. Returns the bytes. */
export async function storeContent(db: Queryable, id: bigint, content: ArrivingContent): Promise<number | null> {
  let size = 0;
  let part = 0;
  for await (const bytes of inParts(content)) {
    const { rowCount } = await db.query(
      `INSERT INTO answer_file_parts (file_id, part, content) SELECT id, $2, $3 FROM answer_files WHERE id = $1 FOR KEY SHARE`,
      [id, part++, bytes],
    );
    if (rowCount === 0) return null;
    size += bytes.length;
  }
  return size;
}

/** Throws where the row is erased while it is read. */
export async function* readContent(db: Queryable, id: bigint, size: number): AsyncGenerator<Buffer> {
  for (let part = 0; part * PART_BYTES < size; part++) {
    const { rows } = await db.query<{ bytes: Buffer | null }>(
      `SELECT coalesce((SELECT content FROM answer_file_parts WHERE file_id = f.id AND part = $2),
                       substring(f.content FROM $2::int * ${PART_BYTES} + 1 FOR ${PART_BYTES})) AS bytes
         FROM answer_files f WHERE f.id = $1`,
      [id, part],
    );
    if (!rows[0]?.bytes) throw new Error('The file was deleted while it was read');
    yield rows[0].bytes;
  }
}

async function* inParts(content: ArrivingContent): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const bytes of content) {
    waiting.push(bytes);
    size += bytes.length;
    if (size < PART_BYTES) continue;
    const all = Buffer.concat(waiting);
    const whole = size - (size % PART_BYTES);
    for (let at = 0; at < whole; at += PART_BYTES) yield all.subarray(at, at + PART_BYTES);
    waiting = [all.subarray(whole)];
    size -= whole;
  }
  if (size > 0) yield Buffer.concat(waiting);
}
