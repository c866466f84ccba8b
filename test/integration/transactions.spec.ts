import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Queryable } from '../../src/storage/postgres/database.service.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { createTestStorage, operatorMessage, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
beforeAll(async () => {
  storage = await createTestStorage();
});
afterAll(() => storage.close());

it('answers that quote are taken in with one statement at a time on their connection', async () => {
  const { db } = storage;
  const intake = new IntakeRepository(db);
  await intake.acceptClientUpdates([update(1, 5, 'How much is it?'), update(2, 5, 'And when will it come?')]);

  let [running, most, statements] = [0, 0, 0];
  const transaction = db.transaction.bind(db);
  db.transaction = (work, options) =>
    transaction((connection) => {
      const query = async (...statement: Parameters<Queryable['query']>) => {
        statements++;
        most = Math.max(most, ++running);
        return connection.query(...statement).finally(() => running--);
      };
      return work({ query } as Queryable);
    }, options);
  const quoting = (id: number, words: string) => ({
    ...operatorMessage(id, 5, `> ${words}`),
    quoted: { words, rest: { text: 'An answer', marks: [] } },
  });
  const { duplicates } = await intake.acceptOperatorMessages([
    quoting(1, 'How much is it?'),
    quoting(2, 'And when will it come?'),
  ]);
  expect([duplicates, most]).toEqual([0, 1]);
  expect(statements).toBeGreaterThan(5);
  const { rows } = await db.query(`SELECT text FROM messages WHERE reply_to_id IS NOT NULL`);
  expect(rows).toEqual([{ text: 'An answer' }, { text: 'An answer' }]);
});
