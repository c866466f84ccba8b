import { afterAll, beforeAll, expect, it } from 'vitest';
import { HistoryRepository } from '../../src/storage/history/history.repository.js';
import type { MessageFilter } from '../../src/storage/history/message-filter.js';
import { createTestStorage } from '../support/storage.js';

/** Of a busy bot. Long enough for a filter that reads all of them to be told from one that does not. */
const MESSAGES = 200_000;
const ROUNDS = 5;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let history: HistoryRepository;
let everything: number;

beforeAll(async () => {
  storage = await createTestStorage();
  history = new HistoryRepository(storage.db);
  await storage.db.query(`
    INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (2, 'l', 2, 't', 1, '8'), (3, 'm', 3, 't', 1, '9');
    ALTER TABLE messages DISABLE TRIGGER USER;
    INSERT INTO messages (id, portal_id, bot_id, direction, state, kind, text, raw, created_at)
    SELECT n, 1, 1, 'inbound', 'delivered', 'text', 'message ' || n, '{}', '2026-01-01T00:00:00Z'::timestamptz + n * interval '1 second'
      FROM generate_series(1, ${MESSAGES}) n`);
  // So the planner knows of one bot, one direction and one state.
  await storage.db.query('ANALYZE messages');
  await storage.db.query(`UPDATE messages SET bot_id = 2, direction = 'outbound' WHERE id <= 3`);
  everything = await quickest(() => storage.db.query(`SELECT count(*) FROM messages WHERE text <> ''`));
});

afterAll(() => storage?.close());

async function quickest(work: () => Promise<unknown>): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const begun = performance.now();
    await work();
    best = Math.min(best, performance.now() - begun);
  }
  return best;
}

it.each([
  [{ botId: 2n }, 3],
  [{ botId: 3n }, 0],
  [{ botId: 2n, portalId: 1n, direction: 'outbound' }, 3],
  [{ direction: 'outbound' }, 3],
  [{ states: ['failed', 'uncertain'], direction: 'inbound' }, 0],
  [{ botId: 2n, from: new Date('2026-01-01T00:00:00Z') }, 3],
  [{ botId: 2n, from: new Date('2026-01-01T00:10:00Z'), to: new Date('2026-02-01T00:00:00Z') }, 0],
  [{ botId: 2n, words: 'message' }, 3],
] as [MessageFilter, number][])(
  '%o finds %i messages of long ago without reading what came since',
  async (filter, expected) => {
    await storage.db.query(
      `INSERT INTO message_words (message_id, words) SELECT id, to_tsvector('russian', text) FROM messages WHERE bot_id = 2 ON CONFLICT DO NOTHING`,
    );
    expect(await history.messages(filter, 50)).toHaveLength(expected);
    expect(await quickest(() => history.messages(filter, 50))).toBeLessThan(everything / 2);
  },
);
