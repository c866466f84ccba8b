import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { WordIndexService } from '../../src/relay/word-index.service.js';
import { HistoryRepository } from '../../src/storage/history/history.repository.js';
import { MessageWordsRepository } from '../../src/storage/history/message-words.repository.js';
import { createTestStorage } from '../support/storage.js';

/** Of a version that indexed no words; more than may still be committed behind the newest. */
const STORED = 25_000;

let storage: Awaited<ReturnType<typeof createTestStorage>>;

beforeEach(async () => {
  storage = await createTestStorage();
});

afterEach(() => storage.close());

const store = (first: number, count: number) =>
  storage.db.query(
    `INSERT INTO messages (id, direction, state, kind, text, raw)
     SELECT n, 'inbound', 'delivered', 'text', 'message number' || n, '{}' FROM generate_series($1::int, $1::int + $2::int - 1) n`,
    [first, count],
  );

/** What one start of the program looks at, in batches. */
async function start(): Promise<number> {
  const words = new MessageWordsRepository(storage.db);
  const looks = vi.spyOn(words, 'fillSome');
  const service = new WordIndexService(words);
  service.onApplicationBootstrap();
  await expect.poll(() => looks.mock.settledResults.some(({ value }) => value === null)).toBe(true);
  await service.beforeApplicationShutdown();
  return looks.mock.calls.length;
}

const found = async (words: string) =>
  (await new HistoryRepository(storage.db).messages({ words }, 5)).map(({ id }) => Number(id));

it('messages of an earlier version become findable once, and a start looks only at those that came since', async () => {
  await store(1, STORED);
  expect(await found('number1')).toEqual([]);
  expect(await start()).toBeGreaterThan(STORED / 1_000);
  expect(await new MessageWordsRepository(storage.db).mark()).toBe(BigInt(STORED - 10_000));
  expect((await storage.db.query('SELECT FROM message_words')).rowCount).toBe(STORED);
  expect(await found('number25000')).toEqual([STORED]);

  // A replica of the earlier version was still at work, and one of its ids came late.
  await store(STORED + 1, 10);
  await storage.db.query('DELETE FROM message_words WHERE message_id = $1', [STORED - 5]);
  expect(await start()).toBeLessThan(STORED / 1_000 / 2);
  expect(await found('number25010')).toEqual([STORED + 10]);
  expect(await found('number24995')).toEqual([STORED - 5]);
});
