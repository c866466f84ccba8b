import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { AuditRepository } from '../../src/storage/accounts/audit.repository.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { HistoryRepository } from '../../src/storage/history/history.repository.js';
import type { MessageFilter, MessagePlace } from '../../src/storage/history/message-filter.js';
import { MessageCountsRepository } from '../../src/storage/history/message-counts.repository.js';
import { MessageWordsRepository } from '../../src/storage/history/message-words.repository.js';
import { OverviewRepository } from '../../src/storage/history/overview.repository.js';
import { WaitingWorkRepository } from '../../src/storage/history/waiting-work.repository.js';
import { PortalViewsRepository } from '../../src/storage/accounts/portal-views.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';

let database: TestDatabase;
let db: DatabaseService;
let history: HistoryRepository;
let overview: OverviewRepository;
let waiting: WaitingWorkRepository;
let portals: PortalViewsRepository;

beforeAll(async () => {
  database = await createTestDatabase();
  db = new DatabaseService(database.url);
  history = new HistoryRepository(db);
  overview = new OverviewRepository(db);
  waiting = new WaitingWorkRepository(db);
  portals = new PortalViewsRepository(db);
  await db.query(`
    INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, application_token_hash)
    VALUES (1, 'm1', 'acme.bitrix24.com', 'https://acme.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'app', 'tg_1', 'x');
    INSERT INTO tokens (portal_id, user_id, access_token, refresh_token, expires_at) VALUES (1, '1', 'SEALED', 'SEALED', now());
    INSERT INTO lines (portal_id, line_id) VALUES (1, '3');
    INSERT INTO bots (id, key, telegram_id, username, token, portal_id, line_id) VALUES (2, 'k', 777, 'acme_bot', 'SEALED', 1, '3');
    INSERT INTO endpoints (id, expires_at) VALUES ('bot:2', now() + interval '1 hour'), ('portal:1', '-infinity');
    INSERT INTO chat_links (id, bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, username)
    VALUES (5, 2, 1, 'tg:4503599627370497', 'tg:4503599627370497', 4503599627370497, 'Анна', 'ann'),
           (6, 2, 1, 'tg:9', 'tg:9', 9, 'Bob', NULL);
    INSERT INTO messages (id, portal_id, bot_id, chat_id, direction, state, kind, text, raw, error_code, error_detail, created_at)
    VALUES (10, 1, 2, 5, 'inbound', 'delivered', 'text', 'Привет, МИР 100%', '{}', NULL, NULL, '2026-11-20T10:00:00Z'),
           (11, 1, 2, 5, 'inbound', 'queued', 'text', 'waiting its turn', '{}', NULL, NULL, '2026-11-21T10:00:00Z'),
           (12, 1, 2, 5, 'inbound', 'queued', 'text', 'on its way', '{}', NULL, NULL, '2026-11-21T10:00:01Z'),
           (13, 1, 2, 6, 'outbound', 'failed', 'text', 'a.b', '{}', '403', 'blocked', '2026-11-22T10:00:00Z'),
           (14, 1, 2, 6, 'outbound', 'uncertain', 'text', 'axb', '{}', 'ETIMEDOUT', NULL, '2026-11-22T10:00:01Z'),
           (15, NULL, NULL, NULL, 'outbound', 'ignored', 'text', 'nowhere', '{"a":1}', 'unknown_chat', 'no such chat', now());
    UPDATE messages SET external_chat_id = 'tg:404' WHERE id = 15;
    INSERT INTO message_links (message_id, part, chat_id, telegram_message_id) VALUES (13, 1, 6, 71), (13, 0, 6, 70);
    INSERT INTO lanes (id, chat_id, channel, endpoint, tail, pending, busy_fence) VALUES (20, 5, 'inbound', 'portal:1', 2, 2, 1);
    INSERT INTO lanes (id, chat_id, channel, endpoint, tail, pending) VALUES (21, 6, 'status', 'portal:1', 3, 3);
    INSERT INTO deliveries (lane_id, seq, message_id, kind, state, attempts, started_at, created_at)
    SELECT 20, new.seq, new.message_id, 'message', new.state::"DeliveryState", new.attempts, new.started_at, m.created_at
      FROM (VALUES (1, 12, 'sending', 1, now()), (2, 11, 'queued', 0, NULL)) new (seq, message_id, state, attempts, started_at)
      JOIN messages m ON m.id = new.message_id;
    INSERT INTO attempts (message_id, kind, number, started_at, outcome, code, instance)
    VALUES (13, 'message', 1, '2026-11-22T10:00:01Z', 'failed', '403', 'host-1');`);
  await fillWords(db);
});

afterAll(async () => {
  await db?.onApplicationShutdown();
  await database?.drop();
});

async function fillWords(on: DatabaseService): Promise<void> {
  const words = new MessageWordsRepository(on);
  let next: bigint | null = await words.newestMessage();
  while (next !== null) next = await words.fillSome(next, 1_000);
}

const ids = async (filter: MessageFilter, limit = 50) =>
  (await history.messages(filter, limit)).map(({ id }) => Number(id));

describe('messages', () => {
  it('come newest first, by pages', async () => {
    expect(await ids({})).toEqual([15, 14, 13, 12, 11, 10]);
    expect(await ids({ before: await history.place(13n) }, 2)).toEqual([12, 11]);
  });

  it.each([
    [{ states: ['queued'] }, [11]],
    [{ states: ['sending'] }, [12]],
    [{ states: ['failed'] }, [13]],
    [{ states: ['failed', 'uncertain'] }, [14, 13]],
    [{ states: ['queued', 'sending'] }, [12, 11]],
    [{ states: ['sending', 'failed'] }, [13, 12]],
    [{ states: ['queued', 'failed'] }, [13, 11]],
    [{ states: ['sending'], chatId: 6n }, []],
    [{ botId: 3n }, []],
    [{ portalId: 1n, states: ['ignored'] }, []],
    [{ states: ['ignored'] }, [15]],
    [{ direction: 'outbound', states: ['failed'], from: new Date('2026-11-22T10:00:00Z') }, [13]],
    [{ botId: 2n, to: new Date('2026-11-21T10:00:00Z') }, [11, 10]],
    [{ botId: 2n, words: 'мир' }, [10]],
    [{ botId: 2n, words: '"a.b"' }, [13]],
    [{ direction: 'outbound' }, [15, 14, 13]],
    [{ chatId: 5n, states: ['delivered'] }, [10]],
    [{ portalId: 1n, botId: 2n, direction: 'outbound' }, [14, 13]],
    [{ from: new Date('2026-11-21T10:00:00Z'), to: new Date('2026-11-21T10:00:01Z') }, [12, 11]],
    [{ words: 'мир' }, [10]],
    [{ words: 'ПРИВЕТ, м' }, [10]],
    [{ words: '100%' }, [10]],
    [{ words: 'A.B' }, [13]],
    [{ words: '***' }, []],
    [{ words: '\\' }, []],
  ] as [MessageFilter, number[]][])('%o', async (filter, expected) => {
    expect(await ids(filter)).toEqual(expected);
  });

  it('that are newer than one of them are the nearest, newest first all the same', async () => {
    for (const filter of [{}, { from: new Date('2026-11-01T00:00:00Z') }]) {
      expect(await ids({ ...filter, after: await history.place(10n) }, 2)).toEqual([12, 11]);
      expect(await ids({ ...filter, after: await history.place(15n) }, 2)).toEqual([]);
      expect(await ids({ ...filter, botId: 2n, after: await history.place(12n) }, 1)).toEqual([13]);
      expect(await ids({ ...filter, botId: 2n, before: await history.place(12n) }, 1)).toEqual([11]);
    }
  });

  it.each([
    [{ chatId: 5n }, 3],
    [{ chatId: 6n, states: ['failed', 'uncertain'] }, 2],
    [{ from: new Date('2026-11-22T10:00:00Z'), to: new Date('2026-11-22T10:00:01Z') }, 2],
    [{ to: new Date('2026-11-22T10:00:01Z'), states: ['sending'] }, 1],
    [{ words: 'a' }, 2],
    [{ words: 'a', states: ['uncertain'] }, 1],
    [{ words: '"axb"' }, 1],
    [{ words: 'nothing' }, 0],
  ] as [MessageFilter, number][])('are counted: %o', async (filter, count) => {
    expect(await history.count(filter)).toEqual({ count, more: false });
  });

  it('show where they belong, also when no chat of ours was meant', async () => {
    const [nowhere, , failed] = await history.messages({}, 50);
    expect(nowhere).toMatchObject({ state: 'ignored', chatId: null, telegramChatId: null, externalChatId: 'tg:404' });
    expect(failed).toMatchObject({ telegramMessageIds: ['70', '71'], errorCode: '403', externalChatId: 'tg:9' });
    const [delivered] = await history.messages({ chatId: 5n, states: ['delivered'] }, 1);
    expect(delivered?.telegramChatId).toBe(4503599627370497n);
  });

  it('show their files in order, without what opens them', async () => {
    await db.query(`
      UPDATE messages SET attached = 2, album_id = 'a', reply_to_id = 11, reply_quote = 'turn' WHERE id = 12;
      INSERT INTO attachments (message_id, ordinal, kind, name, mime, size, label, telegram_file_id, url)
      VALUES (12, 1, 'document', 'b.pdf', 'application/pdf', 3000000000, '📎 b.pdf', NULL, 'https://OPENS'),
             (12, 0, 'photo', 'a.jpg', NULL, NULL, '📷 Photo', 'OPENS', NULL)`);
    const [waiting, other] = await history.messages({ chatId: 5n }, 2);
    expect(waiting).toMatchObject({ albumId: 'a', replyToId: 11n, replyQuote: 'turn', systemLine: false });
    expect(waiting?.attachments).toEqual([
      { ordinal: 0, kind: 'photo', name: 'a.jpg', mime: null, size: null, label: '📷 Photo', atTelegram: true },
      {
        ordinal: 1,
        kind: 'document',
        name: 'b.pdf',
        mime: 'application/pdf',
        size: 3_000_000_000,
        label: '📎 b.pdf',
        atTelegram: false,
      },
    ]);
    expect(other?.attachments).toEqual([]);
  });

  it('tell what they said before', async () => {
    await db.query(`
      UPDATE messages SET edited_at = now() WHERE id = 10;
      INSERT INTO revisions (message_id, number, text, deleted) VALUES (10, 1, 'b', false), (10, 0, 'a', false), (10, 2, '', true)`);
    const story = await history.message(10n);
    expect(story?.message).toMatchObject({ editedAt: expect.any(Date), deletedAt: null });
    expect(story?.revisions).toMatchObject([
      { number: 0, text: 'a', marks: [], deleted: false },
      { number: 1, text: 'b' },
      { number: 2, text: '', deleted: true },
    ]);
  });

  it('tell their whole story', async () => {
    const waiting = await history.message(11n);
    expect(waiting?.waiting).toMatchObject([{ kind: 'message', state: 'queued', ahead: 1, endpoint: 'portal:1' }]);
    const failed = await history.message(13n);
    expect(failed?.attempts).toMatchObject([{ number: 1, outcome: 'failed', code: '403', instance: 'host-1' }]);
    expect((await history.message(12n))?.message.state).toBe('sending');
    expect(await history.message(999n)).toBeNull();
  });

  it('that can be replayed come oldest first', async () => {
    expect(await history.replayable({}, 0n, 50)).toEqual([13n, 14n]);
    expect(await history.replayable({ states: ['uncertain'] }, 0n, 50)).toEqual([14n]);
    expect(await history.replayable({ states: ['delivered'] }, 0n, 50)).toEqual([]);
    expect(await history.replayable({}, 13n, 50)).toEqual([14n]);
  });
});

describe('a long history', () => {
  const FREQUENT = 12_000;
  let long: TestDatabase;
  let longDb: DatabaseService;
  let repository: HistoryRepository;
  const found = async (filter: MessageFilter, limit = 50) =>
    (await repository.messages(filter, limit)).map(({ id }) => Number(id));

  // Old messages first, then so many of the same words that only the index knows the old ones.
  beforeAll(async () => {
    long = await createTestDatabase();
    longDb = new DatabaseService(long.url);
    repository = new HistoryRepository(longDb);
    await longDb.query(`
      INSERT INTO messages (id, direction, state, kind, text, raw, created_at)
      VALUES (1, 'inbound', 'delivered', 'text', 'Мои ЗАКАЗЫ: № 2024-001234, счёт', '{}', '2026-01-01T00:00:01Z'),
             (2, 'outbound', 'failed', 'text', 'Your orders are happiness, заказчик и заказы', '{}', '2026-01-01T00:00:02Z'),
             (3, 'inbound', 'delivered', 'text', 'Звоните +7 (999) 123-45-67, «предзаказ»', '{}', '2026-01-01T00:00:03Z'),
             (4, 'inbound', 'delivered', 'sticker', '', '{}', '2026-01-01T00:00:04Z'),
             (5, 'inbound', 'delivered', 'text', '🎉', '{}', '2026-01-01T00:00:05Z');
      INSERT INTO messages (id, direction, state, kind, text, raw, created_at)
      SELECT 10 + n, 'inbound', 'delivered', 'text', 'Здравствуйте', '{}', '2026-02-01T00:00:00Z'::timestamptz + n * interval '1 second'
        FROM generate_series(1, ${FREQUENT}) n`);
    await fillWords(longDb);
  });

  afterAll(async () => {
    await longDb?.onApplicationShutdown();
    await long?.drop();
  });

  it.each([
    ['заказа', [2, 1]],
    ['Заказчика', [2]],
    ['order', [2]],
    ['ORDERED', [2]],
    ['happines', [2]],
    ['счет', [1]],
    ['мои зак', [1]],
    ['зак мои', []],
    ['мои orders', []],
    ['2024-001234', [1]],
    ['1234', [3, 1]],
    ['001234', [1]],
    ['8 999 123 45 67', [3]],
    ['+79991234567', [3]],
    ['9123', [3]],
    ['казы', []],
    ['"казы"', [2, 1]],
    ['"ЗАКАЗЫ: № 2024"', [1]],
    ['"заказы 2024"', []],
    ['"ваш" happiness', []],
    ['"Your orders" happiness', [2]],
    ['🎉', [5]],
    ["' | 'x':* \\", []],
  ])('%s', async (words, expected) => {
    expect(await found({ words })).toEqual(expected);
  });

  it('has pages of a frequent word to the end', async () => {
    expect(await found({ words: 'здравствуй' }, 3)).toEqual([12_010, 12_009, 12_008]);
    expect(await found({ words: 'здравствуй', before: await repository.place(13n) }, 3)).toEqual([12, 11]);
  });

  it('is filtered while it is searched', async () => {
    expect(await found({ words: 'заказа', states: ['failed'] })).toEqual([2]);
    expect(await found({ words: 'заказа', direction: 'inbound' })).toEqual([1]);
    expect(await found({ words: 'заказа', from: new Date('2026-01-01T00:00:02Z') })).toEqual([2]);
    expect(await found({ words: 'заказа', to: new Date('2026-01-01T00:00:01Z') })).toEqual([1]);
  });

  it('has pages between two times', async () => {
    const time = { from: new Date('2026-01-01T00:00:02Z'), to: new Date('2026-01-01T00:00:04Z') };
    expect(await found(time, 2)).toEqual([4, 3]);
    expect(await found({ ...time, before: await repository.place(3n) }, 2)).toEqual([2]);
  });

  it('is counted as far as that is quick', async () => {
    expect(await repository.count({ to: new Date('2026-02-01T00:00:00Z') })).toEqual({ count: 5, more: false });
    expect(await repository.count({ from: new Date('2026-01-01T00:00:00Z') })).toEqual({ count: 10_000, more: true });
    expect(await repository.count({ words: 'здравствуйте' })).toEqual({ count: 10_000, more: true });
    expect(await repository.count({ words: 'здравствуйте', direction: 'outbound' })).toEqual({ count: 0, more: false });
  });

  describe('of messages of one moment', () => {
    const moment = new Date('2025-06-01T00:00:00Z');
    const all = [20_007, 20_006, 20_005, 20_004, 20_003, 20_002, 20_001];

    beforeAll(async () => {
      // In an order of ids that is not that of their states.
      await longDb.query(
        `INSERT INTO messages (id, direction, state, kind, text, raw, created_at)
         SELECT 20000 + n, 'inbound', CASE WHEN n % 2 = 0 THEN 'failed' ELSE 'uncertain' END::"MessageState", 'text', 'one moment', '{}', $1
           FROM generate_series(1, 7) n`,
        [moment],
      );
    });

    it.each([
      { from: moment, to: moment },
      { from: moment, to: moment, direction: 'inbound' },
      { states: ['failed', 'uncertain'], to: moment },
    ] as MessageFilter[])('has pages both ways without gaps or repeats: %o', async (filter) => {
      const down: number[] = [];
      for (let page = await found(filter, 2); page.length > 0;) {
        down.push(...page);
        page = await found({ ...filter, before: await repository.place(BigInt(page.at(-1)!)) }, 2);
      }
      expect(down).toEqual(all);
      const up: number[] = [];
      for (let page = [20_001]; page.length > 0;) {
        up.unshift(...page);
        page = await found({ ...filter, after: await repository.place(BigInt(page[0]!)) }, 2);
      }
      expect(up).toEqual(all);
    });

    it.each([
      { from: moment, to: moment },
      { direction: 'inbound', to: moment },
    ] as MessageFilter[])('is exported once: %o', async (filter) => {
      const exported: number[] = [];
      let next: MessagePlace | null = null;
      for (let batch = 0; batch < 20 && (batch === 0 || next !== null); batch++) {
        const page = await repository.exportSome(filter, next, 2);
        exported.push(...page.rows.map(({ id }) => Number(id)));
        next = page.next;
      }
      expect(exported).toEqual(all.toReversed());
    });
  });

  it('is found by its words only as long as it is there', async () => {
    await longDb.query(`DELETE FROM messages WHERE id = 3`);
    expect(await found({ words: '9123' })).toEqual([]);
  });
});

describe('chats', () => {
  it('are found by title, user name and external id', async () => {
    const found = async (words: string) => (await history.chats({ words }, 50)).map(({ id }) => id);
    expect(await found('анна')).toEqual([5n]);
    expect(await found('ANN')).toEqual([5n]);
    expect(await found('tg:9')).toEqual([6n]);
    expect((await history.chats({ before: 6n, botId: 2n }, 50)).map(({ id }) => id)).toEqual([5n]);
    expect(await history.chat(404n)).toBeNull();
  });

  it('come by activity, page by page, also those in which nobody wrote', async () => {
    await db.query(`UPDATE chat_links SET last_inbound_at = NULL, last_outbound_at = NULL, created_at = '2026-11-01'`);
    const order = async () => (await history.chatsByActivity({}, 50)).map(({ id }) => id);
    expect(await order()).toEqual([6n, 5n]);
    await db.query(`UPDATE chat_links SET last_inbound_at = '2026-11-02 10:00:00.123' WHERE id = 5`);
    expect(await order()).toEqual([5n, 6n]);
    const [newest] = await history.chatsByActivity({}, 1);
    expect((await history.chatsByActivity({}, 50, newest)).map(({ id }) => id)).toEqual([6n]);
    expect(await history.chatsByActivity({ words: 'анна' }, 50, newest)).toEqual([]);
  });
});

describe('the overview', () => {
  it('counts each message once', async () => {
    const counts = await overview.messageCounts();
    const of = (state: string) => counts.filter((row) => row.state === state).map(({ count }) => count);
    expect([of('queued'), of('sending'), of('delivered'), of('failed'), of('ignored')]).toEqual([
      [1],
      [1],
      [1],
      [1],
      [1],
    ]);
  });

  it('counts on when states change and messages go, folded or not', async () => {
    const counts = new MessageCountsRepository(db);
    const sum = async () =>
      (await overview.messageCounts()).map(({ direction, state, count }) => `${direction} ${state} ${count}`).sort();
    const before = await sum();
    await db.query(`INSERT INTO messages (id, portal_id, bot_id, direction, state, kind, text, raw)
                    SELECT n, 1, 2, 'outbound', 'queued', 'text', '', '{}' FROM generate_series(101, 103) n`);
    await counts.fold();
    await db.query(`UPDATE messages SET state = 'delivered' WHERE id IN (101, 102)`);
    await db.query(`UPDATE messages SET seen_at = now() WHERE id = 101`);
    expect(await sum()).toEqual([...before, 'outbound delivered 2', 'outbound queued 1'].sort());
    await Promise.all([counts.fold(), counts.fold()]);
    expect(await sum()).toEqual([...before, 'outbound delivered 2', 'outbound queued 1'].sort());
    await db.query(`DELETE FROM messages WHERE id > 100`);
    await counts.fold();
    expect(await sum()).toEqual(before);
  });

  it('finds what waits longest, and how much there is to do', async () => {
    expect(await waiting.oldestWaiting()).toMatchObject([{ botId: 2n, since: new Date('2026-11-21T10:00:00Z') }]);
    expect(await waiting.oldestWaitingSeconds()).toBeGreaterThan(3_600);
    expect(await waiting.oldestWaitingByPortal()).toEqual([{ portalId: 1n, seconds: expect.any(Number) }]);
    expect(await waiting.oldestWaiting(1n)).toEqual(await waiting.oldestWaiting());
    expect(await waiting.oldestWaiting(404n)).toEqual([]);
    const ofPortal = (await overview.messageCounts()).filter(({ portalId }) => portalId === 1n);
    expect(await overview.messageCounts(1n)).toHaveLength(ofPortal.length);
    expect(await overview.messageCounts(1n)).toEqual(expect.arrayContaining(ofPortal));
    expect(await overview.messageCounts(404n)).toEqual([]);
    const depths = await waiting.queueDepths();
    expect(depths.find(({ channel }) => channel === 'inbound')).toEqual({
      channel: 'inbound',
      chats: 1,
      deliveries: 2,
    });
    expect(depths.find(({ channel }) => channel === 'status')).toEqual({ channel: 'status', chats: 1, deliveries: 3 });
  });

  it('shows portals without anything secret', async () => {
    const [portal] = await portals.portals(10);
    expect(portal).toMatchObject({
      id: 1n,
      eventsVerified: true,
      lines: [{ lineId: '3' }],
      bots: [{ id: 2n, lineId: '3' }],
    });
    const shown = JSON.stringify([portal, await overview.bots()], (_key, value) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(shown).not.toMatch(/SEALED|accessToken|refreshToken|clientSecret|TokenHash/);
    expect(await portals.portals(10, 1n)).toEqual([]);
    expect(await portals.portal(404n)).toBeNull();
    expect((await portals.portals(10, undefined, 1n)).map(({ id }) => id)).toEqual([1n]);
    expect(await portals.portals(10, undefined, 404n)).toEqual([]);
  });

  it('knows whose portal a thing is', async () => {
    expect(await portals.portalOf('portal', 404n)).toBe(404n);
    expect(await portals.portalOf('bot', 2n)).toBe(1n);
    expect(await portals.portalOf('chat', 5n)).toBe(1n);
    expect(await portals.portalOf('bot', 404n)).toBeNull();
    expect(await portals.portalOf('weather', 1n)).toBeNull();
  });

  it('knows who is driven and what there is', async () => {
    expect(await new EndpointsRepository(db).idleEndpoints()).toEqual(new Set(['portal:1']));
    expect(await overview.inventory()).toEqual({
      storedApplications: 0,
      portals: 1,
      activePortals: 1,
      bots: 1,
      botsWithLine: 1,
    });
  });
});

describe('the audit', () => {
  it('comes newest first, by pages', async () => {
    const audit = new AuditRepository(db);
    for (const action of ['bot.create', 'bot.update'])
      await audit.record({ actor: 'admin', action, subject: 'bot:2', portalId: 1n, detail: {} });
    const [newest] = await audit.list({}, 1);
    expect(newest?.action).toBe('bot.update');
    expect((await audit.list({ before: newest?.id }, 10)).map(({ action }) => action)).toEqual(['bot.create']);
  });

  it('is narrowed by portal, action and time', async () => {
    const audit = new AuditRepository(db);
    await audit.record({ actor: 'admin', action: 'message.retry', subject: 'messages', portalId: null, detail: {} });
    const actions = async (filter: Parameters<AuditRepository['list']>[0]) =>
      (await audit.list(filter, 50)).map(({ action }) => action);
    expect(await actions({ portalId: 1n })).toEqual(['bot.update', 'bot.create']);
    expect(await actions({ portalId: 1n, action: 'bot.create' })).toEqual(['bot.create']);
    expect(await actions({ portalId: 404n })).toEqual([]);
    expect(await actions({ action: 'message.retry' })).toEqual(['message.retry']);
    expect(await actions({ to: new Date(0) })).toEqual([]);
    expect(await actions({ from: new Date(0) })).toHaveLength(3);
  });

  it('keeps no secret, whatever it is given', async () => {
    const audit = new AuditRepository(db);
    const detail = {
      token: '123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc',
      clientId: 'local.1',
      clientSecret: 'S3CRET',
      key: 'S3CRET',
      name: 'my bot 123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc',
    };
    await audit.record({
      actor: 'admin',
      action: 'application.create',
      subject: 'application:1',
      portalId: null,
      detail,
    });
    const [kept] = await audit.list({}, 1);
    expect(kept?.detail).toEqual({ clientId: 'local.1', name: 'my bot [bot token]' });
  });
});
