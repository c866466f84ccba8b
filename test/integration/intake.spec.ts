import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ChatsRepository } from '../../src/storage/history/chats.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { MessageRetentionRepository } from '../../src/storage/history/message-retention.repository.js';
import { markSeen } from '../../src/storage/intake/seen.js';
import { LeaseLostError } from '../../src/storage/work/lease.js';
import { BOT, createTestStorage, lease, operatorMessage, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
});

afterEach(() => storage.close());

const rows = async (sql: string) => (await storage.db.query(sql)).rows;
const texts = async () =>
  (await rows(`SELECT m.text FROM deliveries d JOIN messages m ON m.id = d.message_id ORDER BY d.lane_id, d.seq`)).map(
    ({ text }) => text,
  );

describe('the way in', () => {
  it('keeps updates in their order, one lane a chat', async () => {
    const taken = await intake.acceptClientUpdates([update(1, 10, 'a'), update(2, 11, 'x'), update(3, 10, 'b')]);
    expect(taken).toEqual({ endpoints: ['portal:1'], accepted: 3, duplicates: 0 });
    expect(await texts()).toEqual(['a', 'b', 'x']);
    expect(await rows(`SELECT endpoint, pending, tail::int FROM lanes ORDER BY id`)).toEqual([
      { endpoint: 'portal:1', pending: 2, tail: 2 },
      { endpoint: 'portal:1', pending: 1, tail: 1 },
    ]);
  });

  it('keeps an update once: in one batch, in two, and in ten at the same time', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a'), update(1, 10, 'a')]);
    expect(await intake.acceptClientUpdates([update(1, 10, 'a')])).toMatchObject({ accepted: 0, duplicates: 1 });
    await Promise.all(Array.from({ length: 10 }, () => intake.acceptClientUpdates([update(2, 10, 'b')])));
    expect(await texts()).toEqual(['a', 'b']);
  });

  it('numbers what arrives at the same time without a gap and without a collision', async () => {
    await Promise.all(
      Array.from({ length: 40 }, (_, n) => intake.acceptClientUpdates([update(n, 10 + (n % 4), `m${n}`)])),
    );
    const lanes = await rows(`SELECT l.pending, array_agg(d.seq::int ORDER BY d.seq) AS seqs
      FROM lanes l JOIN deliveries d ON d.lane_id = l.id GROUP BY l.id`);
    expect(lanes).toHaveLength(4);
    for (const lane of lanes) expect(lane).toEqual({ pending: 10, seqs: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] });
  });

  it('moves the offset with the batch, and neither once the lease is lost', async () => {
    const endpoints = new EndpointsRepository(storage.db);
    const mine = (await endpoints.acquire('me', 10)).find(({ endpoint }) => endpoint === 'bot:1')!;
    await intake.acceptClientUpdates([update(1, 10, 'a')], { lease: mine, botId: BOT, nextOffset: 2n });
    expect(await rows(`SELECT next_offset::int FROM bots`)).toEqual([{ next_offset: 2 }]);
    const stale = lease('bot:1', 'me', mine.fence - 1n);
    await expect(
      intake.acceptClientUpdates([update(2, 10, 'b')], { lease: stale, botId: BOT, nextOffset: 3n }),
    ).rejects.toThrow(LeaseLostError);
    expect(await texts()).toEqual(['a']);
    expect(await rows(`SELECT next_offset::int FROM bots`)).toEqual([{ next_offset: 2 }]);
  });

  it('keeps what is not relayed, without a delivery', async () => {
    const said = { kind: 'text', text: 'x', marks: [], raw: {}, ignored: { code: 'why', detail: 'because' } };
    await intake.acceptClientUpdates([update(1, 10, 'x', { said })]);
    expect(await rows(`SELECT state, error_code FROM messages`)).toEqual([{ state: 'ignored', error_code: 'why' }]);
    expect(await texts()).toEqual([]);
  });

  it('sends an operator’s message to the bot of the chat, once, and records one of an unknown chat', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'hello')]);
    const taken = await intake.acceptOperatorMessages([
      operatorMessage(5, 10, 'one'),
      operatorMessage(6, 10, 'two'),
      operatorMessage(5, 10, 'one'),
      { ...operatorMessage(7, 99, 'nobody'), externalChatId: 'wa:99' },
    ]);
    expect(taken).toEqual({ endpoints: ['bot:1', 'portal:1'], accepted: 3, duplicates: 1 });
    expect(await texts()).toEqual(['hello', 'one', 'two']);
    expect(await rows(`SELECT text, error_code FROM messages WHERE state = 'ignored'`)).toEqual([
      { text: 'nobody', error_code: 'unknown_chat' },
    ]);
    expect(await rows(`SELECT bitrix_chat_id FROM chat_links`)).toEqual([{ bitrix_chat_id: '1760' }]);
  });

  it('stores what PostgreSQL cannot: NUL and halves of surrogate pairs', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a\0b\ud83d')]);
    expect(await texts()).toEqual(['ab\ufffd']);
  });

  it('keeps what comes from a banned chat without relaying it; operators can still write', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'before'), update(2, 11, 'another')]);
    const chats = new ChatsRepository(storage.db);
    const [{ id }] = (await rows(`SELECT id FROM chat_links WHERE external_id = 'tg:10'`)) as [{ id: bigint }];
    await chats.setBanned(id, true);
    const banned = await rows(`SELECT banned_at FROM chat_links`);
    await chats.setBanned(id, true);
    expect(await rows(`SELECT banned_at FROM chat_links`)).toEqual(banned);
    const taken = await intake.acceptClientUpdates([
      update(3, 10, 'spam'),
      update(4, 10, 'spam instead', { edits: true, telegramMessageId: 1n }),
      update(5, 10, '', { said: null, deletes: [1n] }),
    ]);
    expect(taken.endpoints).toEqual([]);
    expect(await rows(`SELECT text, state, error_code FROM messages WHERE chat_id = ${id} ORDER BY id`)).toEqual([
      { text: 'spam instead', state: 'queued', error_code: null },
      { text: 'spam', state: 'ignored', error_code: 'banned' },
    ]);
    expect(await rows(`SELECT number, text, deleted FROM revisions ORDER BY number`)).toEqual([
      { number: 0, text: 'before', deleted: false },
      { number: 1, text: 'spam instead', deleted: false },
      { number: 2, text: '', deleted: true },
    ]);
    await intake.acceptOperatorMessages([operatorMessage(1, 10, 'answer')]);
    expect((await texts()).sort()).toEqual(['another', 'answer', 'spam instead']);
    await chats.setBanned(id, false);
    await intake.acceptClientUpdates([update(6, 10, 'sorry')]);
    expect(await texts()).toContain('sorry');
  });

  it('welcomes whoever presses Start where the line is on, and nobody where it is off', async () => {
    const welcomed = async (state: string) => {
      await storage.db.query(
        `INSERT INTO lines (portal_id, line_id, state, welcome_text, updated_at) VALUES (1, '7', $1::"LineState", 'Hello', now())
         ON CONFLICT (portal_id, line_id) DO UPDATE SET state = $1::"LineState"`,
        [state],
      );
      await intake.acceptClientUpdates([update(++lastUpdate, 10, 'pressed', { starts: true })]);
      const greetings = await rows(`SELECT FROM messages WHERE kind = 'welcome'`);
      await storage.db.query(`DELETE FROM messages WHERE kind = 'welcome'`);
      return greetings.length;
    };
    let lastUpdate = 0;
    expect(await welcomed('active')).toBe(1);
    expect(await welcomed('inactive')).toBe(0);
    expect(await welcomed('deleted')).toBe(0);
  });

  describe('knows what a client has seen', () => {
    const answers = () =>
      rows(`SELECT text, seen_at IS NOT NULL AS seen FROM messages WHERE direction = 'outbound' ORDER BY id`);
    const pointer = async () =>
      (await rows(`SELECT unseen_message_id FROM chat_links WHERE external_id = 'tg:10'`))[0]!;
    let lastId = 0;

    /** An answer that has reached the client. */
    async function reaches(text: string): Promise<bigint> {
      await intake.acceptOperatorMessages([operatorMessage(++lastId, 10, text)]);
      const { rows: reached } = await storage.db.query<{ id: bigint }>(
        `UPDATE messages SET state = 'delivered', delivered_at = now() WHERE text = $1 RETURNING id`,
        [text],
      );
      await storage.db.query(`DELETE FROM deliveries WHERE message_id = $1`, [reached[0]!.id]);
      await storage.db.query(`UPDATE lanes SET pending = 0 WHERE channel = 'outbound'`);
      await storage.db.query(`UPDATE chat_links SET unseen_message_id = $1 WHERE external_id = 'tg:10'`, [
        reached[0]!.id,
      ]);
      return reached[0]!.id;
    }

    const says = (more: object = {}) => intake.acceptClientUpdates([update(++lastId, 10, 'thanks', more)]);

    it.each([
      ['by plain words', {}],
      ['by a reply', { replyTo: { telegramMessageId: 1n } }],
    ])('%s, however much others wrote meanwhile', async (_, more) => {
      await says();
      await reaches('first');
      await intake.acceptClientUpdates(
        Array.from({ length: 1_100 }, (_, index) => update(10_000 + index, 20 + (index % 50), 'of others')),
      );
      await reaches('second');
      await says(more);
      expect(await answers()).toEqual([
        { text: 'first', seen: true },
        { text: 'second', seen: true },
      ]);
      expect(await pointer()).toEqual({ unseen_message_id: null });
      await reaches('third');
      expect((await answers()).at(-1)).toEqual({ text: 'third', seen: false });
      await says(more);
      expect((await answers()).at(-1)).toEqual({ text: 'third', seen: true });
    });

    it('and keeps what reached them since their words for the next ones', async () => {
      await says();
      const first = await reaches('first');
      const second = await reaches('second');
      const [{ id: chatId }] = (await rows(`SELECT id FROM chat_links`)) as [{ id: bigint }];
      await markSeen(storage.db, [{ chatId, newest: first }]);
      expect(await pointer()).toEqual({ unseen_message_id: second });
    });

    it('after old answers were erased: those that are left are seen, and none is looked for that is gone', async () => {
      const retention = new MessageRetentionRepository(storage.db);
      const erase = async () => {
        for (let after: bigint | null = 0n; after !== null;)
          after = (await retention.expireMessages(1n, after, 100)).next;
      };
      await storage.db.query(`UPDATE portals SET retention_days = 30`);
      await says();
      await reaches('old');
      await storage.db.query(`UPDATE messages SET created_at = now() - interval '40 days'`);
      const newer = await reaches('newer');
      await erase();
      expect(await pointer()).toEqual({ unseen_message_id: newer });
      await storage.db.query(`UPDATE messages SET created_at = now() - interval '40 days'`);
      await erase();
      expect(await pointer()).toEqual({ unseen_message_id: null });
    });
  });

  it('forgets old keys in batches', async () => {
    await intake.acceptClientUpdates([update(1, 10, 'a'), update(2, 10, 'b'), update(3, 10, 'c')]);
    await storage.db.query(`UPDATE processed_events SET received_at = now() - interval '40 days' WHERE key <> '3'`);
    expect(await intake.purgeProcessed(30, 1)).toBe(1);
    expect(await intake.purgeProcessed(30)).toBe(1);
    expect(await intake.purgeProcessed(30)).toBe(0);
  });
});
