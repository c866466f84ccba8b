import { Injectable } from '@nestjs/common';
import { DatabaseService, type Queryable } from '../postgres/database.service.js';
import { jsonb } from '../postgres/json.js';
import { searchableWords } from './text-search.js';

/**
 * SQL: the vector of a column that {@link searchableWords} made. Every word as it stands, for its beginnings, and
 * its stem, for its other forms. PostgreSQL's configuration `russian` takes the Russian stem of a word and the
 * English one of a word in ASCII, and needs no dictionary that is not built in.
 */
export function wordsVector(column: string): string {
  return `array_to_tsvector(string_to_array(${column}, ' ')) || strip(to_tsvector('russian', ${column}))`;
}

/** Makes messages findable by what they say now. */
export async function recordWords(connection: Queryable, messages: { id: bigint; text: string }[]): Promise<void> {
  if (messages.length === 0) return;
  await connection.query(
    `INSERT INTO message_words (message_id, words)
     SELECT id, ${wordsVector('words')} FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, words text)
     ON CONFLICT (message_id) DO UPDATE SET words = excluded.words`,
    [jsonb(messages.map(({ id, text }) => ({ id, words: searchableWords(text) })))],
  );
}

/** The table `message_words` of messages that came without it: from a version of the program that had none. */
@Injectable()
export class MessageWordsRepository {
  constructor(private readonly db: DatabaseService) {}

  /** Id of the newest message; 0: there is none. */
  async newestMessage(): Promise<bigint> {
    const { rows } = await this.db.query<{ id: bigint }>(`SELECT coalesce(max(id), 0) AS id FROM messages`);
    return rows[0]!.id;
  }

  /** Id up to which {@link fillSome} has been at work; 0: nowhere. */
  async mark(): Promise<bigint> {
    const { rows } = await this.db.query<{ mark: bigint }>(
      `SELECT mark FROM background_migrations WHERE name = 'words'`,
    );
    return rows[0]?.mark ?? 0n;
  }

  async setMark(id: bigint): Promise<void> {
    await this.db.query(
      `INSERT INTO background_migrations (name, mark) VALUES ('words', $1)
       ON CONFLICT (name) DO UPDATE SET mark = greatest(background_migrations.mark, excluded.mark)`,
      [id],
    );
  }

  /**
   * Looks at up to `batch` messages from `newest` down, as far as they are above `mark`, and enters those that are
   * missing. Returns the id to go on with, null at the end. May be done by several replicas at a time.
   */
  async fillSome(newest: bigint, batch: number, mark = 0n): Promise<bigint | null> {
    const { rows } = await this.db.query<{ id: bigint; text: string | null }>(
      `SELECT m.id, CASE WHEN m.text <> '' AND NOT EXISTS (SELECT FROM message_words w WHERE w.message_id = m.id)
                         THEN m.text END AS text
         FROM messages m WHERE m.id <= $1 AND m.id > $3 ORDER BY m.id DESC LIMIT $2`,
      [newest, batch, mark],
    );
    const missing = rows.flatMap(({ id, text }) => (text === null ? [] : [{ id, words: searchableWords(text) }]));
    if (missing.length > 0) {
      // A message may have been removed since; one that is there stays until the commit.
      await this.db.query(
        `INSERT INTO message_words (message_id, words)
         SELECT m.id, ${wordsVector('r.words')}
           FROM jsonb_to_recordset($1::jsonb) AS r(id bigint, words text) JOIN messages m USING (id)
          ORDER BY m.id FOR KEY SHARE OF m
         ON CONFLICT DO NOTHING`,
        [jsonb(missing)],
      );
    }
    const oldest = rows.at(-1);
    return oldest === undefined || rows.length < batch ? null : oldest.id - 1n;
  }
}
