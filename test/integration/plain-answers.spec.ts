import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { OperatorMessageRow } from '../../src/storage/intake/intake.rows.js';
import { acceptMessages } from '../../src/storage/intake/operator-messages.js';
import { DatabaseService, type Queryable } from '../../src/storage/postgres/database.service.js';
import { createTestStorage, LINE_ID, operatorMessage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let statements: string[];

beforeEach(async () => {
  storage = await createTestStorage();
  statements = [];
  intake = new IntakeRepository(counting(storage.db));
  await hears(10, 11);
});

afterEach(() => storage.close());

/** Notes every statement of a transaction. */
function counting(db: DatabaseService): DatabaseService {
  const transaction: DatabaseService['transaction'] = (work, options) =>
    db.transaction((connection) => {
      const query: Queryable['query'] = (text, values, more) => {
        statements.push(text);
        return connection.query(text, values, more);
      };
      return work({ query });
    }, options);
  return { transaction } as DatabaseService;
}

const rows = async (sql: string) => (await storage.db.query(sql)).rows;
let updateId = 0;
const hears = (...clients: number[]) =>
  new IntakeRepository(storage.db).acceptClientUpdates(clients.map((client) => update(++updateId, client, 'hello')));
const answer = (id: number, client: number, more: Partial<OperatorMessageRow> = {}, authorId: string | null = '27') => {
  const row = operatorMessage(id, client, `answer ${id}`);
  const said = { ...row.said, saidAt: new Date(1_700_000_000_000), ...(authorId === null ? {} : { authorId }) };
  return { ...row, said, ...more };
};
/** Everything that is kept of answers, without the ids and times that differ from one intake to the next. */
async function kept() {
  const [messages, work, chats, words] = await Promise.all([
    rows(`SELECT to_jsonb(m) - '{id,created_at,chat_id}'::text[] AS message, c.external_id AS chat
            FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id
           WHERE m.direction = 'outbound' ORDER BY m.id`),
    rows(`SELECT c.external_id AS chat, l.endpoint, l.priority, l.tail, l.pending, l.due_at <= now() AS due, d.seq, d.kind,
                 m.bitrix_message_id AS id
            FROM lanes l JOIN chat_links c ON c.id = l.chat_id JOIN deliveries d ON d.lane_id = l.id
            JOIN messages m ON m.id = d.message_id
           WHERE l.channel = 'outbound' ORDER BY c.external_id, d.seq`),
    rows(`SELECT external_id, bitrix_chat_id, dialog_open FROM chat_links ORDER BY external_id`),
    rows(`SELECT m.bitrix_message_id AS id, w.words::text FROM message_words w JOIN messages m ON m.id = w.message_id
           WHERE m.direction = 'outbound' ORDER BY m.bitrix_message_id`),
  ]);
  return { messages, work, chats, words };
}

/** What one intake keeps of these, and what the long way of looking for each chat keeps of the same. */
async function bothWays(events: OperatorMessageRow[][]) {
  const all: Awaited<ReturnType<typeof kept>>[] = [];
  for (const way of ['plain', 'long'] as const) {
    await rows(`DELETE FROM messages WHERE direction = 'outbound'`);
    await rows(`TRUNCATE deliveries, lanes, processed_events`);
    await rows(`UPDATE chat_links SET bitrix_chat_id = NULL, dialog_open = false`);
    for (const event of events) {
      if (way === 'plain') await intake.acceptOperatorMessages(event);
      else await storage.db.transaction((connection) => acceptMessages(connection, event));
    }
    all.push(await kept());
  }
  return all;
}

describe('a plain answer', () => {
  it('takes one statement, and two more where answers wait before it', async () => {
    expect(await intake.acceptOperatorMessages([answer(1, 10)])).toEqual({
      accepted: 1,
      duplicates: 0,
      endpoints: ['bot:1'],
    });
    expect(statements).toHaveLength(1);
    statements = [];
    expect(await intake.acceptOperatorMessages([answer(2, 10), answer(3, 11)])).toMatchObject({ accepted: 2 });
    expect(statements).toHaveLength(3);
  });

  it('is kept as the long way keeps it', async () => {
    const [plain, long] = await bothWays([
      [answer(5, 10), answer(6, 11, {}, '0'), answer(7, 10)],
      // Bitrix24 does not promise the order of its events.
      [answer(3, 10, { bitrixChatId: '1761' }), answer(7, 10)],
      [answer(8, 11, { unsigned: true, bitrixChatId: null }, null)],
    ]);
    expect(plain!.work.map(({ id }) => id)).toEqual(['3', '5', '7', '6', '8']);
    expect(plain).toEqual(long);
  });

  it('is kept once, however often and by however many it comes', async () => {
    const same = [answer(1, 10), answer(1, 10), answer(2, 11)];
    const intakes = await Promise.all(Array.from({ length: 5 }, () => intake.acceptOperatorMessages(same)));
    expect(intakes.reduce((sum, { accepted }) => sum + accepted, 0)).toBe(2);
    expect(intakes.reduce((sum, { duplicates }) => sum + duplicates, 0)).toBe(13);
    expect((await kept()).work.map(({ id }) => id)).toEqual(['1', '2']);
  });

  it('in a dialog whose bot serves another line by now is looked for, with all of its dialog and in order', async () => {
    await new BotsRepository(storage.db).assign(1n, { portalId: PORTAL, lineId: '9' });
    const written = [answer(1, 10), answer(2, 10, { lineId: '9' }), answer(3, 11, { lineId: '9' })];
    expect(await intake.acceptOperatorMessages(written)).toEqual({ accepted: 3, duplicates: 0, endpoints: ['bot:1'] });
    expect((await kept()).work.map(({ id, seq }) => [id, seq])).toEqual([
      ['1', 1n],
      ['2', 2n],
      ['3', 1n],
    ]);
  });

  it('keeps its place behind one of its dialog that is not plain', async () => {
    const quoted = { words: 'x', rest: { text: 'rest', marks: [] } };
    await intake.acceptOperatorMessages([answer(1, 10, { quoted }), answer(2, 10), answer(3, 11)]);
    expect((await kept()).work.map(({ id, seq }) => [id, seq])).toEqual([
      ['1', 1n],
      ['2', 2n],
      ['3', 1n],
    ]);
  });

  it('pauses the answers of suspects in the commit that keeps it', async () => {
    await rows(`UPDATE portals SET hold_outbound_until = NULL`);
    await intake.acceptOperatorMessages([answer(1, 10)], [PORTAL]);
    expect(await rows(`SELECT hold_outbound_until > now() AS paused FROM portals`)).toEqual([{ paused: true }]);
  });

  it('is found by its words, and tells whose chat it is when its client is erased meanwhile', async () => {
    const lock = await storage.db.pool.connect();
    try {
      await lock.query('BEGIN');
      await lock.query(`DELETE FROM chat_links WHERE external_id = 'tg:10'`);
      const kept = intake.acceptOperatorMessages([answer(1, 10), answer(2, 11)]);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await lock.query('COMMIT');
      expect(await kept).toMatchObject({ accepted: 2 });
    } finally {
      lock.release();
    }
    // Its chat is made anew, of its id alone.
    expect(
      await rows(`SELECT m.bitrix_message_id AS id, c.external_id AS chat, c.title FROM messages m
                         JOIN chat_links c ON c.id = m.chat_id WHERE m.direction = 'outbound' ORDER BY 1`),
    ).toEqual([
      { id: '1', chat: 'tg:10', title: 'tg:10' },
      { id: '2', chat: 'tg:11', title: 'Client 11' },
    ]);
  });

  it('waits for a bot that moves, and goes where the bot is then', async () => {
    const move = await storage.db.pool.connect();
    try {
      await move.query('BEGIN');
      await move.query(`SELECT FROM bots WHERE id = 1 FOR UPDATE`);
      await move.query(`UPDATE bots SET line_id = '9' WHERE id = 1`);
      const kept = intake.acceptOperatorMessages([answer(1, 10, { lineId: LINE_ID })]);
      await new Promise((resolve) => setTimeout(resolve, 300));
      await move.query('COMMIT');
      expect(await kept).toMatchObject({ accepted: 1, endpoints: ['bot:1'] });
    } finally {
      move.release();
    }
  });
});
