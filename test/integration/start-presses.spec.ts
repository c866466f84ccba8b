import { afterEach, beforeEach, expect, it } from 'vitest';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { BOT, createTestStorage, LINE_ID, PORTAL, update } from '../support/storage.js';

const ANN = 10;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
});

afterEach(() => storage.close());

/** A press of Start without a link. */
function bare(id: number): ClientUpdateRow {
  const base = update(id, ANN, '▶️');
  return { ...base, said: { ...base.said!, kind: 'start', systemLine: true, canWait: true }, starts: true };
}

/** One that a link led to. */
function by(id: number, source: string): ClientUpdateRow {
  const base = update(id, ANN, '🔗');
  return { ...base, chat: { ...base.chat!, source }, said: { ...base.said!, kind: 'start', source }, starts: true };
}

const rowsOf = async (sql: string) => (await storage.db.query(sql)).rows;
const messages = () => rowsOf('SELECT kind, system_line, can_wait, source FROM messages ORDER BY id');
const sources = () => rowsOf('SELECT source, last_source FROM chat_links');
const line = (opens: boolean) =>
  storage.db.query(
    `INSERT INTO lines (portal_id, line_id, start_opens_session, updated_at) VALUES ($1, $2, $3, now())
     ON CONFLICT (portal_id, line_id) DO UPDATE SET start_opens_session = $3`,
    [PORTAL, LINE_ID, opens],
  );

it('a press waits for words unless its line wants a session, whatever became of the line', async () => {
  const waiting = { kind: 'start', system_line: true, can_wait: true, source: null };
  const words = { ...waiting, system_line: false, can_wait: false };
  await intake.acceptClientUpdates([bare(1)]);
  await line(true);
  await intake.acceptClientUpdates([bare(2), update(3, ANN, 'hello'), by(4, 'ads')]);
  await line(false);
  await intake.acceptClientUpdates([bare(5)]);
  await storage.db.query('UPDATE bots SET portal_id = NULL, line_id = NULL WHERE id = $1', [BOT]);
  await intake.acceptClientUpdates([bare(6)]);
  expect(await messages()).toEqual([
    waiting,
    words,
    { ...words, kind: 'text' },
    { ...words, source: 'ads' },
    waiting,
    waiting,
  ]);
});

it('a chat keeps the first link and the newest, through presses without one, other words and repetitions', async () => {
  await intake.acceptClientUpdates([bare(1), update(2, ANN, 'hello')]);
  expect(await sources()).toEqual([{ source: null, last_source: null }]);
  await intake.acceptClientUpdates([by(3, 'may'), by(4, 'june'), update(5, ANN, 'hi')]);
  expect(await sources()).toEqual([{ source: 'may', last_source: 'june' }]);
  await intake.acceptClientUpdates([by(6, 'july')]);
  await intake.acceptClientUpdates([bare(7), update(8, ANN, 'hi')]);
  await intake.acceptClientUpdates([by(3, 'may')]);
  expect(await sources()).toEqual([{ source: 'may', last_source: 'july' }]);
});

it('a client who presses Start can be written to again', async () => {
  await intake.acceptClientUpdates([{ ...update(1, ANN, ''), said: null, blocked: true }]);
  const state = () => rowsOf('SELECT state, last_inbound_at IS NOT NULL AS wrote FROM chat_links');
  expect(await state()).toEqual([{ state: 'blocked', wrote: false }]);
  await intake.acceptClientUpdates([bare(2)]);
  expect(await state()).toEqual([{ state: 'active', wrote: true }]);
});

it('whoever edits a press has written words of their own', async () => {
  await intake.acceptClientUpdates([bare(1)]);
  await intake.acceptClientUpdates([{ ...update(2, ANN, 'call me'), telegramMessageId: 1n, edits: true }]);
  expect(await messages()).toEqual([{ kind: 'text', system_line: false, can_wait: false, source: null }]);
  expect(await rowsOf('SELECT text FROM revisions ORDER BY number')).toEqual([{ text: '▶️' }, { text: 'call me' }]);
});
