import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acceptUpdates } from '../../src/storage/intake/client-updates.js';
import type { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { lockBots } from '../../src/storage/work/lock-order.js';
import { isPlain } from '../../src/storage/intake/plain-updates.js';
import type { UpdateBatch } from '../../src/storage/intake/update-batch.js';
import { BOT, createTestStorage, lease, update } from '../support/storage.js';

type Storage = Awaited<ReturnType<typeof createTestStorage>>;

let storage: Storage;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
});

afterEach(() => storage.close());

const ANN = 10;
const BOB = 11;
const SPAMMER = 12;

/** Everything that an intake writes, without times. */
async function contents(db: DatabaseService) {
  const rowsOf = async (sql: string) => (await db.query(sql)).rows;
  return {
    keys: await rowsOf(`SELECT source, key FROM processed_events ORDER BY 1, 2`),
    chats: await rowsOf(`SELECT to_jsonb(c) - 'id' - 'created_at' - 'updated_at' - 'last_inbound_at' AS c,
                                last_inbound_at IS NOT NULL AS wrote FROM chat_links c ORDER BY external_id`),
    messages: await rowsOf(`SELECT c.external_id, to_jsonb(m) - 'chat_id' - 'created_at' AS m
                              FROM messages m LEFT JOIN chat_links c ON c.id = m.chat_id ORDER BY m.id`),
    words: await rowsOf(`SELECT message_id, words::text FROM message_words ORDER BY 1`),
    links: await rowsOf(`SELECT message_id, part, telegram_message_id FROM message_links ORDER BY 1, 2`),
    files: await rowsOf(`SELECT * FROM attachments ORDER BY message_id, ordinal`),
    lanes:
      await rowsOf(`SELECT c.external_id, l.channel, l.endpoint, l.priority, l.tail, l.pending, l.due_at <= now() AS due
                           FROM lanes l JOIN chat_links c ON c.id = l.chat_id ORDER BY 1, 2`),
    deliveries: await rowsOf(`SELECT c.external_id, d.seq, d.message_id, d.kind, d.state, d.attempts, d.payload
                                FROM deliveries d JOIN lanes l ON l.id = d.lane_id JOIN chat_links c ON c.id = l.chat_id
                               ORDER BY 1, 2`),
    counts:
      await rowsOf(`SELECT portal_id, bot_id, direction, state, sum(change)::int FROM message_counts GROUP BY 1, 2, 3, 4
                           ORDER BY 1, 2, 3, 4`),
  };
}

const photo = { kind: 'photo', name: 'a.jpg', size: 12, label: 'Photo', telegramFileId: 'f', telegramUniqueId: 'u' };
const said = (text: string, more: object) => ({ said: { kind: 'text', text, marks: [], raw: { text }, ...more } });

/** What clients may write that stands alone, with a name that changes and everything that words may have. */
const batches: ClientUpdateRow[][] = [
  [update(1, ANN, 'hello'), update(2, BOB, 'how much is the fish?'), update(3, ANN, 'are you there?')],
  [update(4, SPAMMER, 'buy'), update(2, BOB, 'how much is the fish?')],
  [
    { ...update(5, ANN, ''), ...said('', { kind: 'photo', attachments: [photo, { ...photo, name: 'b.jpg' }] }) },
    { ...update(6, BOB, ''), ...said('bold', { marks: [{ type: 'bold', offset: 0, length: 4 }], notOwnWords: true }) },
    { ...update(7, BOB, ''), ...said('pressed', { authorId: '11', authorName: 'Bob' }), telegramMessageId: undefined },
    {
      ...update(8, ANN, ''),
      ...said('quoted', { quoted: { text: 'q', marks: [], name: 'N', at: 5 }, saidAt: new Date(1_700_000_000_000) }),
      chat: {
        ...update(8, ANN, '').chat!,
        title: 'Ann Lee',
        firstName: 'Ann',
        lastName: 'Lee',
        username: 'a',
        language: 'en',
      },
    },
    update(9, SPAMMER, 'buy more'),
    update(10, ANN, 'a\0b\ud83d'),
  ],
];

describe('one statement keeps plain words', () => {
  it('as the long way does, row by row', async () => {
    const other = await createTestStorage();
    try {
      expect(batches.flat().every(isPlain)).toBe(true);
      for (const [index, updates] of batches.entries()) {
        const short = await intake.acceptClientUpdates(updates);
        const long = await other.db.transaction(async (connection) => {
          await lockBots(connection, [BOT]);
          return acceptUpdates(connection, updates);
        });
        expect(short, `batch ${index}`).toEqual(long);
        if (index > 0) continue;
        for (const { db } of [storage, other]) {
          await db.query(`UPDATE chat_links SET state = 'blocked', state_reason = 'x', dialog_title = 'Client 10'
                           WHERE external_id = 'tg:10'`);
          await db.query(
            `UPDATE lanes SET due_at = 'infinity' WHERE chat_id IN (SELECT id FROM chat_links WHERE external_id = 'tg:11')`,
          );
          await db.query(
            `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, banned_at)
             VALUES (1, 1, 'tg:12', 'tg:12', 12, 'Client 12', '2026-01-01')`,
          );
        }
      }
      expect(await contents(storage.db)).toEqual(await contents(other.db));
      expect((await contents(storage.db)).messages).toHaveLength(10);
    } finally {
      await other.close();
    }
  });

  it('once, whether they come again in one batch, in several that came together, or at the same time', async () => {
    const hello = update(1, ANN, 'hello');
    const together = [[hello, hello], [update(2, BOB, 'x')], [hello]].map((updates) => ({ updates }));
    expect(await intake.acceptUpdates(together)).toMatchObject({ accepted: 2, duplicates: 2 });
    await Promise.all(
      Array.from({ length: 10 }, () => intake.acceptUpdates([...together, { updates: [update(3, BOB, 'y')] }])),
    );
    const { messages, deliveries } = await contents(storage.db);
    expect(messages).toHaveLength(3);
    expect(deliveries).toHaveLength(3);
  });

  it('of a bot that serves no line too', async () => {
    await storage.db.query(`UPDATE bots SET portal_id = NULL, line_id = NULL`);
    expect(await intake.acceptClientUpdates([update(1, ANN, 'hello')])).toEqual({
      endpoints: [],
      accepted: 1,
      duplicates: 0,
    });
    const { lanes, messages } = await contents(storage.db);
    expect(lanes).toMatchObject([{ endpoint: '', pending: 1 }]);
    expect(messages).toMatchObject([{ m: { state: 'queued', portal_id: null } }]);
  });

  it('and leaves what it cannot keep to the long way, in the order in which it came', async () => {
    const answer = update(3, ANN, 'third', { replyTo: { telegramMessageId: 1n } });
    const taken = await intake.acceptUpdates(
      [update(1, BOB, 'x'), update(2, ANN, 'second'), answer, update(4, ANN, 'fourth'), update(5, BOB, 'y')].map(
        (each) => ({ updates: [each] }),
      ),
    );
    expect(taken).toEqual({ endpoints: ['portal:1'], accepted: 5, duplicates: 0, lost: [] });
    const { rows } = await storage.db.query<{ texts: string[] }>(
      `SELECT array_agg(m.text ORDER BY d.seq) AS texts FROM deliveries d JOIN messages m ON m.id = d.message_id
        GROUP BY d.lane_id ORDER BY 1`,
    );
    expect(rows.map(({ texts }) => texts)).toEqual([
      ['second', 'third', 'fourth'],
      ['x', 'y'],
    ]);
  });

  it.each([
    ['an edit', { edits: true }],
    ['a deletion', { deletes: [1n] }],
    ['a part of an album', { albumId: 'a' }],
    ['a reply', { replyTo: { telegramMessageId: 1n } }],
    ['a press of Start', { starts: true }],
    ['a block', { blocked: true }],
    ['a line of the system', said('', { systemLine: true })],
    ['what can wait', said('', { canWait: true })],
    ['what is only kept', said('', { ignored: { code: 'x', detail: 'x' } })],
    ['nothing', { said: null }],
    ['what a Business account got', { chat: { ...update(1, ANN, '').chat!, businessConnection: 'b' } }],
    ['words in a group', { chat: { ...update(1, ANN, '').chat!, type: 'group' } }],
    ['a phone number', { chat: { ...update(1, ANN, '').chat!, phone: '+7' } }],
    ['what no client saw', { sawChat: false }],
  ])('but not %s', (_, more: Partial<ClientUpdateRow>) => {
    expect(isPlain(update(1, ANN, 'hello', more))).toBe(false);
  });
});

describe('batches of several bots', () => {
  const answer = (id: number, client: number) => update(id, client, 'answer', { replyTo: { telegramMessageId: 1n } });
  const offsets = async () =>
    (await storage.db.query(`SELECT next_offset::int AS at FROM bots ORDER BY id`)).rows.map(({ at }) => at);
  const texts = async () =>
    (await storage.db.query(`SELECT text FROM messages ORDER BY text`)).rows.map(({ text }) => text);

  async function polled(): Promise<UpdateBatch[]> {
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id)
       VALUES (2, 'k2', 2, 't', 1, '8'), (3, 'k3', 3, 't', 1, '9'), (4, 'k4', 4, 't', 1, '10')`,
    );
    const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
    return [1n, 2n, 3n, 4n].map((botId) => {
      const { owner, fence } = leases.find(({ endpoint }) => endpoint === `bot:${botId}`)!;
      const words = { ...update(5, ANN, `to ${botId}`), botId };
      return { updates: [words], poll: { lease: lease(`bot:${botId}`, owner, fence), botId, nextOffset: 6n } };
    });
  }

  it('share a commit, and those whose lease is lost fail alone, whatever they hold', async () => {
    const [plain, other, lostPlain, lostOther] = (await polled()) as [
      UpdateBatch,
      UpdateBatch,
      UpdateBatch,
      UpdateBatch,
    ];
    for (const { updates } of [other, lostOther]) {
      const { botId } = updates[0]!;
      updates.push({ ...answer(4, BOB), botId, said: { kind: 'text', text: `reply ${botId}`, marks: [], raw: {} } });
    }
    for (const { poll } of [lostPlain, lostOther]) poll!.lease.fence -= 1n;
    const taken = await intake.acceptUpdates([lostOther, plain, lostPlain, other]);
    expect(taken.lost).toHaveLength(2);
    expect(new Set(taken.lost)).toEqual(new Set([lostPlain, lostOther]));
    expect(taken).toMatchObject({ endpoints: ['portal:1'], accepted: 3, duplicates: 0 });
    expect(await texts()).toEqual(['reply 2', 'to 1', 'to 2']);
    expect(await offsets()).toEqual([6, 6, null, null]);
  });

  it('keep what a lost poll brought as well, from the one whose lease holds', async () => {
    const [batch] = await polled();
    const stale = {
      ...batch!,
      poll: { ...batch!.poll!, lease: { ...batch!.poll!.lease, fence: 0n }, nextOffset: 99n },
    };
    const taken = await intake.acceptUpdates([stale, batch!, stale]);
    expect(taken).toEqual({ endpoints: ['portal:1'], accepted: 1, duplicates: 0, lost: [stale, stale] });
    expect((await offsets())[0]).toBe(6);
  });

  it('move no offset when nothing was kept', async () => {
    const [batch] = await polled();
    await storage.db.query(
      `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
       CREATE TRIGGER refuse BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION refuse()`,
    );
    await expect(intake.acceptUpdates([batch!])).rejects.toThrow('no');
    await expect(intake.acceptUpdates([{ ...batch!, updates: [answer(4, BOB)] }])).rejects.toThrow('no');
    expect(await offsets()).toEqual([null, null, null, null]);
    expect(await texts()).toEqual([]);
  });

  it('move the offset past what was kept before', async () => {
    const [batch] = await polled();
    await intake.acceptUpdates([batch!]);
    const again = { ...batch!, poll: { ...batch!.poll!, nextOffset: 9n } };
    expect(await intake.acceptUpdates([again])).toEqual({ endpoints: [], accepted: 0, duplicates: 1, lost: [] });
    expect((await offsets())[0]).toBe(9);
  });
});
