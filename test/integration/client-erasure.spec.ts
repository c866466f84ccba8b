import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErasureService } from '../../src/relay/erasure.service.js';
import { ClientErasureRepository } from '../../src/storage/erasure/client-erasure.repository.js';
import { EncryptionService } from '../../src/storage/secrets/encryption.service.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { ErasuresRepository, type ErasureRow } from '../../src/storage/erasure/erasures.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import { createTestStorage, endHolds, operatorMessage, PORTAL, update } from '../support/storage.js';

const ANN = 10;
const BOB = 20;
const GROUP = -100;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let lanes: LanesRepository;
let erasures: ErasuresRepository;
let service: ErasureService;
let updateId: number;

beforeEach(async () => {
  storage = await createTestStorage();
  const { db } = storage;
  intake = new IntakeRepository(db);
  lanes = new LanesRepository(db);
  erasures = new ErasuresRepository(db);
  service = newService();
  updateId = 0;
  await db.query(`
    INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
    VALUES (2, 'n', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge');
    INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id)
    VALUES (2, 'l', 2, 't', 1, '8'), (3, 'm', 3, 't', 2, '7'), (4, 'n', 4, 't', NULL, NULL), (5, 'o', 5, 't', NULL, NULL)`);
});

afterEach(async () => {
  await service.beforeApplicationShutdown();
  await storage.close();
});

const key = randomBytes(32);
const newService = () =>
  new ErasureService(erasures, new ClientErasureRepository(storage.db), new EncryptionService([key]));

const says = (client: number, text: string, more: Partial<ClientUpdateRow> = {}) =>
  intake.acceptClientUpdates([update(++updateId, client, text, more)]);

/** In the group, with the update as Telegram writes it. */
function inGroup(client: number, text: string, more: Partial<ClientUpdateRow> = {}, raw: object = {}) {
  const base = update(++updateId, GROUP, text, more);
  return intake.acceptClientUpdates([
    {
      ...base,
      chat: { ...base.chat!, type: 'supergroup' },
      said: {
        ...base.said!,
        authorId: String(client),
        raw: { message: { from: { id: client }, text, ...raw } },
        ...more.said,
      },
    },
  ]);
}

const chatOf = async (externalId: string, botId = 1n): Promise<bigint | undefined> =>
  (
    await storage.db.query<{ id: bigint }>(`SELECT id FROM chat_links WHERE external_id = $1 AND bot_id = $2`, [
      externalId,
      botId,
    ])
  ).rows[0]?.id;
const texts = async () =>
  (await storage.db.query<{ text: string }>('SELECT text FROM messages ORDER BY id')).rows.map(({ text }) => text);
const erase = async (externalId: string, botId = 1n): Promise<ErasureRow> =>
  (await service.erase((await chatOf(externalId, botId))!, 'admin@::1'))!;

/** Everything in the database that is text, to be searched through. */
async function everything(): Promise<string> {
  const { rows: tables } = await storage.db.query<{ name: string }>(
    `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'`,
  );
  const contents = await Promise.all(
    tables.map(({ name }) => storage.db.query<{ row: string }>(`SELECT t::text AS row FROM "${name}" t`)),
  );
  return contents.flatMap(({ rows }) => rows.map(({ row }) => row)).join('\n');
}

/** Every lane's count is that of its deliveries, and nothing refers to what is gone. */
async function expectSound(): Promise<void> {
  const wrong = await storage.db.query(
    `SELECT l.id FROM lanes l WHERE pending <> (SELECT count(*) FROM deliveries d WHERE d.lane_id = l.id)
     UNION ALL SELECT d.lane_id FROM deliveries d WHERE NOT EXISTS (SELECT FROM messages m WHERE m.id = d.message_id)
        OR NOT EXISTS (SELECT FROM lanes l WHERE l.id = d.lane_id)
     UNION ALL SELECT l.id FROM lanes l WHERE NOT EXISTS (SELECT FROM chat_links c WHERE c.id = l.chat_id)`,
  );
  expect(wrong.rows).toEqual([]);
}

describe('a client', () => {
  it('is gone from every chat of the portal, and from nobody else’s', async () => {
    const photo = { kind: 'photo', name: 'a.jpg', label: '📷', telegramFileId: 'ann-file', telegramUniqueId: 'U' };
    await says(ANN, 'ann to the first bot', {
      said: { kind: 'photo', text: 'ann to the first bot', marks: [], raw: { ann: 1 }, attachments: [photo] },
    });
    await says(ANN, 'ann corrects', { edits: true, telegramMessageId: 1n });
    await says(ANN, 'ann to the second bot', { botId: 2n });
    const business = update(++updateId, ANN, 'ann by Business');
    await intake.acceptClientUpdates([
      {
        ...business,
        chat: { ...business.chat!, businessConnection: 'bc' },
        connection: { id: 'bc', ownerId: 99n, enabled: true, canReply: true },
      },
    ]);
    await intake.acceptOperatorMessages([operatorMessage(1, ANN, 'operator to ann')]);
    await says(ANN, 'ann to the other portal', { botId: 3n });
    await says(BOB, 'bob');
    await storage.db.query(
      `INSERT INTO events (portal_id, name, raw) VALUES
       (1, 'ONX', '{"data":[{"chat":{"id":"tg:10"},"message":{"text":"words of ann"}}]}'),
       (1, 'ONX', '{"data":[{"chat":{"id":"tg:100"}}]}'), (2, 'ONX', '{"data":[{"chat":{"id":"tg:10"}}]}')`,
    );
    await intake.acceptOperatorMessages([{ ...operatorMessage(2, ANN, 'to a line of another bot'), lineId: '99' }]);

    const receipt = await erase('tg:10');
    expect(receipt).toMatchObject({
      actor: 'admin@::1',
      portalId: PORTAL,
      subject: expect.stringMatching(/^[0-9a-f]{64}$/),
      finishedAt: expect.any(Date),
      chats: 3,
      messages: 5,
      attachments: 1,
      revisions: 2,
      events: 1,
      deliveries: expect.any(Number),
    });
    expect(receipt.deliveries).toBeGreaterThanOrEqual(4);
    expect(await texts()).toEqual(['ann to the other portal', 'bob']);
    await storage.db.query(`DELETE FROM messages WHERE portal_id = 2`);
    await storage.db.query(`DELETE FROM chat_links WHERE portal_id = 2; DELETE FROM events WHERE portal_id = 2`);
    await storage.db.query(`DELETE FROM lanes WHERE chat_id NOT IN (SELECT id FROM chat_links)`);
    const left = await everything();
    expect(left).not.toMatch(/\bann|tg:10\b|Client 10\b/);
    expect(left).toContain('tg:100');
    const { rows: counts } = await storage.db.query(
      `SELECT sum(change)::int AS sum FROM message_counts WHERE portal_id = 1`,
    );
    expect(counts).toEqual([{ sum: 1 }]);
  });

  it('is recognised by the receipt when he is named, with older keys too', async () => {
    await says(ANN, 'hello');
    await says(BOB, 'hello');
    const { subject } = await erase('tg:10');
    const rotated = new ErasureService(erasures, null as never, new EncryptionService([randomBytes(32), key]));
    expect(rotated.subjects('tg:10')).toContain(subject);
    expect(rotated.subjects('tg:20')).not.toContain(subject);
    expect(await erasures.list(10, { subjects: rotated.subjects('tg:10') })).toHaveLength(1);
    expect(await erasures.list(10, { subjects: rotated.subjects('tg:20') })).toEqual([]);
    expect(await erasures.list(10, { portalId: 2n })).toEqual([]);
  });

  it('whose chat belongs to no portal is gone from that bot alone', async () => {
    await says(ANN, 'fourth', { botId: 4n });
    await says(ANN, 'fifth', { botId: 5n });
    expect(await erase('tg:10', 4n)).toMatchObject({ portalId: null, chats: 1, messages: 1 });
    expect(await texts()).toEqual(['fifth']);
  });

  it('is somebody new when he writes again', async () => {
    await says(ANN, 'before');
    const id = await chatOf('tg:10');
    await erase('tg:10');
    await says(ANN, 'after');
    expect(await texts()).toEqual(['after']);
    expect(await chatOf('tg:10')).not.toBe(id);
    // An update that was answered already and comes once more.
    await intake.acceptClientUpdates([update(1, ANN, 'before')]);
    expect(await texts()).toEqual(['after']);
  });

  it('takes his words in groups along, and leaves those of others without his', async () => {
    await says(ANN, 'hello');
    await inGroup(ANN, 'ann in the group', { telegramMessageId: 500n });
    await inGroup(
      BOB,
      'bob answers',
      { replyTo: { telegramMessageId: 500n, quote: 'ann in' } },
      { reply_to_message: { from: { id: ANN }, text: 'ann in the group' } },
    );
    await inGroup(BOB, '', {
      said: {
        kind: 'service',
        text: 'Bob added Ann',
        marks: [],
        systemLine: true,
        authorId: String(BOB),
        raw: { new_chat_members: [{ id: ANN }] },
      },
    });
    await inGroup(BOB, '', {
      replyTo: { telegramMessageId: 500n, unnamed: true },
      said: { kind: 'reaction', text: '👍', marks: [], systemLine: true, authorId: String(BOB), raw: {} },
    });
    await inGroup(BOB, 'bob alone');
    expect(await texts()).toContain('ann in the group\n👍');
    await erase('tg:10');
    expect(await texts()).toEqual(['bob answers', 'bob alone']);
    const { rows } = await storage.db.query(`SELECT raw, reply_quote FROM messages WHERE text = 'bob answers'`);
    expect(rows).toEqual([{ raw: {}, reply_quote: null }]);
    expect(await everything()).not.toMatch(/\bann\b/i);
    await expectSound();
    const { rows: waiting } = await storage.db.query(`SELECT count(*)::int AS count FROM deliveries`);
    expect(waiting).toEqual([{ count: 2 }]);
  });

  it('takes the link along by which he brought the bot into a group, and leaves that of another', async () => {
    const brings = (client: number, source: string) => {
      const base = update(++updateId, GROUP, `🔗 ${source}`);
      const said = { ...base.said!, kind: 'start', authorId: String(client), source };
      return intake.acceptClientUpdates([{ ...base, chat: { ...base.chat!, type: 'supergroup', source }, said }]);
    };
    const sources = async () =>
      (await storage.db.query('SELECT source, last_source FROM chat_links WHERE external_id = $1', [`tg:${GROUP}`]))
        .rows;
    await says(ANN, 'ann', { chat: { ...update(0, ANN, '').chat!, source: 'of_ann' } });
    await brings(ANN, 'by_ann');
    await brings(BOB, 'by_bob');
    expect(await sources()).toEqual([{ source: 'by_ann', last_source: 'by_bob' }]);
    await erase(`tg:${ANN}`);
    expect(await sources()).toEqual([{ source: null, last_source: 'by_bob' }]);
    expect(await everything()).not.toMatch(/by_ann|of_ann/);
  });

  it('is erased with a group when the group is erased', async () => {
    await says(ANN, 'private');
    await inGroup(ANN, 'in the group');
    expect(await erase(`tg:${GROUP}`)).toMatchObject({ chats: 1, messages: 1 });
    expect(await texts()).toEqual(['private']);
  });
});

describe('an erasure', () => {
  const lease = async (endpoint: string) => {
    const leases = await new EndpointsRepository(storage.db).acquire('me', 100);
    await endHolds(storage.db);
    return leases.find((held) => held.endpoint === endpoint)!;
  };

  it('waits for a send under way, whose outcome is recorded first', async () => {
    await says(ANN, 'being sent');
    await says(ANN, 'waits');
    const portal = await lease('portal:1');
    const [claimed] = await lanes.claim(portal, 10, 1);
    const erasing = erase('tg:10');
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(await texts()).toEqual(['being sent', 'waits']);
    expect(await lanes.claim(portal, 10, 1)).toEqual([]);
    await lanes.settle(
      [
        {
          lease: portal,
          lanes: [
            {
              lane: claimed!,
              deliveries: [{ seq: claimed!.deliveries[0]!.seq, outcome: 'retry', code: '503' }],
              dueInMs: 0,
            },
          ],
        },
      ],
      'me',
    );
    expect(await erasing).toMatchObject({ messages: 2, chats: 1, finishedAt: expect.any(Date) });
    expect(await texts()).toEqual([]);
    expect(await lanes.claim(portal, 10, 1)).toEqual([]);
    await expectSound();
  });

  it('that cannot wait any longer leaves nothing, and the late outcome harms nobody', async () => {
    await says(ANN, 'hangs');
    const portal = await lease('portal:1');
    const [claimed] = await lanes.claim(portal, 10, 1);
    const chatId = (await chatOf('tg:10'))!;
    const { id } = (await erasures.begin(chatId, 'a', () => 's'))!;
    const clients = new ClientErasureRepository(storage.db);
    expect(await clients.eraseChat(id, chatId, 100)).toBe('busy');
    expect(await clients.eraseChat(id, chatId, 100, { force: true })).toBe('done');
    await lanes.settle(
      [
        {
          lease: portal,
          lanes: [
            {
              lane: claimed!,
              deliveries: [
                {
                  seq: claimed!.deliveries[0]!.seq,
                  outcome: 'failed',
                  note: { code: 'x', detail: 'hangs', about: 'message' },
                },
              ],
              dueInMs: 0,
            },
          ],
        },
      ],
      'me',
    );
    expect(await everything()).not.toContain('hangs');
    await expectSound();
  });

  it('goes on where a stop interrupted it, in small steps', async () => {
    for (let n = 0; n < 7; n++) await says(ANN, `m${n}`);
    const { id, target } = (await erasures.begin((await chatOf('tg:10'))!, 'a', () => 's'))!;
    const clients = new ClientErasureRepository(storage.db);
    const chatId = (await chatOf('tg:10'))!;
    await clients.dropWaiting(id, chatId);
    expect(await clients.eraseChat(id, chatId, 3)).toBe('more');
    expect(await texts()).toHaveLength(4);
    expect(target.externalIds).toEqual(['tg:10']);
    await newService().onApplicationBootstrap();
    await expect.poll(() => erasures.find(id)).toMatchObject({ finishedAt: expect.any(Date), messages: 7, chats: 1 });
    expect(await everything()).not.toContain('tg:10');
  });

  it('loses and mixes nothing while clients write and operators answer', async () => {
    await Promise.all([says(ANN, 'first'), says(BOB, 'bob 0')]);
    await inGroup(ANN, 'ann in the group');
    const over = new AbortController();
    const traffic = async (work: (n: number) => Promise<unknown>) => {
      for (let n = 1; !over.signal.aborted; n++) await work(n);
    };
    let answers = 100;
    const flowing = [
      traffic((n) => says(ANN, `ann ${n}`)),
      traffic((n) => says(BOB, `bob ${n}`)),
      traffic(() => intake.acceptOperatorMessages([operatorMessage(++answers, ANN, 'to ann')])),
      traffic(() => intake.acceptOperatorMessages([operatorMessage(++answers, BOB, 'to bob')])),
      traffic((n) => inGroup(n % 2 === 0 ? ANN : BOB, `group ${n}`)),
    ];
    const kept: { erased: number; newest: bigint }[] = [];
    for (let round = 0; round < 4; round++) {
      const chatId = await expect
        .poll(() => chatOf('tg:10'))
        .toBeDefined()
        .then(() => chatOf('tg:10'));
      const receipt = await service.erase(chatId!, 'a');
      expect(receipt).toMatchObject({ chats: 1, finishedAt: expect.any(Date) });
      kept.push({ erased: receipt!.messages, newest: chatId! });
      expect(await storage.db.query('SELECT FROM chat_links WHERE id = $1', [chatId]).then((r) => r.rowCount)).toBe(0);
    }
    over.abort();
    await Promise.all(flowing);
    await expectSound();
    const { rows: bobs } = await storage.db.query<{ text: string }>(
      `SELECT text FROM messages WHERE text LIKE 'bob %' ORDER BY id`,
    );
    expect(bobs.map(({ text }) => text)).toEqual(bobs.map((_, n) => `bob ${n}`));
    const { rows: counts } = await storage.db.query(
      `SELECT (SELECT sum(change)::int FROM message_counts) = (SELECT count(*)::int FROM messages) AS right`,
    );
    expect(counts).toEqual([{ right: true }]);
  });
});
