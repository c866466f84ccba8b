import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { DeliveryReportsRepository } from '../../src/storage/work/delivery-reports.repository.js';
import { DialogReportsRepository } from '../../src/storage/work/dialog-reports.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { OperatorMessageRow } from '../../src/storage/intake/intake.rows.js';
import { createTestStorage, operatorMessage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let bots: BotsRepository;
let reports: DialogReportsRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  bots = new BotsRepository(storage.db);
  reports = new DialogReportsRepository(storage.db);
});

afterEach(() => storage.close());

const rows = async (sql: string) => (await storage.db.query(sql)).rows;
const addBot = (id: number, line: string | null) =>
  storage.db.query(
    `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES ($1, $2, $1, 't', $3, $4)`,
    [id, `k${id}`, line === null ? null : 1, line],
  );
const secondPortal = () =>
  storage.db.query(
    `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
     VALUES (2, 'm2', 'b.bitrix24.com', 'https://b.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`,
  );
const hears = (botId: number, updateId: number, client: number) =>
  intake.acceptClientUpdates([update(updateId, client, 'hello', { botId: BigInt(botId) })]);
const writes = (id: number, client: number, more: Partial<OperatorMessageRow> = {}) =>
  intake.acceptOperatorMessages([{ ...operatorMessage(id, client, `answer ${id}`), ...more }]);
const wentTo = async (id: number) =>
  (
    await rows(`SELECT bot_id::int AS bot, state, error_code AS code FROM messages WHERE bitrix_message_id = '${id}'`)
  )[0];
const move = (botId: number, lineId: string) => bots.assign(BigInt(botId), { portalId: PORTAL, lineId });

describe('the chat that an operator’s message goes to', () => {
  it('is the one of the bot that serves the line, then the only one by which a bot knows the client', async () => {
    await addBot(2, '8');
    await hears(1, 1, 10);
    await hears(2, 2, 10);
    await writes(1, 10, { lineId: '8' });
    await writes(2, 10);
    await writes(3, 10, { lineId: null });
    await hears(1, 3, 11);
    await writes(4, 11, { lineId: '8' });
    await writes(5, 11, { lineId: '99' });
    expect(await Promise.all([1, 2, 3, 4, 5].map(wentTo))).toMatchObject([2, 1, 2, 1, 1].map((bot) => ({ bot })));
  });

  it('is of several the one through which the dialog went before, and none when nobody can tell', async () => {
    await addBot(2, '8');
    await hears(1, 1, 10);
    await hears(2, 2, 10);
    await writes(1, 10, { bitrixChatId: '500' });
    await move(1, '9');
    await writes(2, 10, { bitrixChatId: '500' });
    await writes(3, 10, { bitrixChatId: '501' });
    expect(await wentTo(2)).toMatchObject({ bot: 1, state: 'queued' });
    expect(await wentTo(3)).toMatchObject({ bot: null, state: 'ignored', code: 'ambiguous_chat' });
  });

  describe.each([
    ['another portal', { portalId: 2n, lineId: '7' }],
    ['no line', null],
  ])('is, when the bot of the dialog serves %s by now,', (_, place) => {
    beforeEach(async () => {
      await secondPortal();
      await hears(1, 1, 10);
    });

    it('the one of that bot, whichever others the portal has', async () => {
      await writes(1, 10);
      await bots.assign(1n, place);
      await writes(2, 10);
      await addBot(2, '8');
      await writes(3, 10);
      expect(await Promise.all([1, 2, 3].map(wentTo))).toMatchObject(
        [1, 1, 1].map((bot) => ({ bot, state: 'queued' })),
      );
      expect(await rows(`SELECT bot_id::int AS bot, bitrix_chat_id AS dialog FROM chat_links`)).toEqual([
        { bot: 1, dialog: null },
      ]);
    });

    it('the one of that bot, although another bot of the portal knows the client, too', async () => {
      await addBot(2, '8');
      await hears(2, 2, 10);
      await storage.db.query(`UPDATE chat_links SET bitrix_chat_id = '500' WHERE bot_id = 1`);
      await bots.assign(1n, place);
      await writes(1, 10, { bitrixChatId: '500' });
      await writes(2, 10, { bitrixChatId: '501', lineId: '8' });
      expect(await Promise.all([1, 2].map(wentTo))).toMatchObject([{ bot: 1 }, { bot: 2 }]);
    });

    it('the one of that bot, although one was made once for the bot that serves the line now', async () => {
      await addBot(2, '8');
      await storage.db.query(`UPDATE chat_links SET bitrix_chat_id = '500'`);
      await bots.assign(1n, place);
      await move(2, '7');
      await storage.db.query(
        `INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title)
         VALUES (2, 1, 'tg:10', 'tg:10', 10, 'tg:10')`,
      );
      await writes(1, 10, { bitrixChatId: '500' });
      await hears(2, 3, 10);
      await writes(2, 10, { bitrixChatId: '500' });
      expect(await Promise.all([1, 2].map(wentTo))).toMatchObject([{ bot: 1 }, { bot: 2 }]);
    });

    it('none of another portal that never spoke with the client', async () => {
      await bots.assign(1n, place);
      await addBot(2, '8');
      await addBot(3, '9');
      await writes(1, 11);
      expect(await wentTo(1)).toMatchObject({ bot: null, state: 'ignored', code: 'unknown_chat' });
    });
  });

  it('is made where no bot knows the client and one can be named, and known only by its id', async () => {
    await writes(1, 10);
    await writes(2, 10);
    await writes(3, 11, { lineId: '8', externalChatId: 'tg:-1001234567890:5' });
    expect(
      await rows(
        `SELECT external_id, external_user_id, telegram_chat_id::text, thread_id::int, type, title FROM chat_links ORDER BY id`,
      ),
    ).toEqual([
      {
        external_id: 'tg:10',
        external_user_id: 'tg:10',
        telegram_chat_id: '10',
        thread_id: null,
        type: 'private',
        title: 'tg:10',
      },
      {
        external_id: 'tg:-1001234567890:5',
        external_user_id: 'tg:-1001234567890',
        telegram_chat_id: '-1001234567890',
        thread_id: 5,
        type: 'supergroup',
        title: 'tg:-1001234567890:5',
      },
    ]);
    await hears(1, 1, 10);
    expect(await rows(`SELECT title FROM chat_links WHERE external_id = 'tg:10'`)).toEqual([{ title: 'Client 10' }]);
  });

  it('is made of a Telegram Business account only where a bot has that account', async () => {
    await addBot(2, '8');
    await storage.db.query(`INSERT INTO business_connections (bot_id, id, key) VALUES (2, 'new', 'first')`);
    await writes(1, 10, { externalChatId: 'tg:10:bfirst' });
    await writes(2, 10, { externalChatId: 'tg:10:bother' });
    expect([await wentTo(1), await wentTo(2)]).toMatchObject([{ bot: 2 }, { bot: null, code: 'unknown_chat' }]);
    expect(await rows(`SELECT business_connection AS id FROM chat_links`)).toEqual([{ id: 'new' }]);
  });

  it('is not made by what is not sent, nor for a portal whose bots cannot be told apart', async () => {
    const ignored = { code: 'foreign_connector', detail: 'of others' };
    const row = operatorMessage(1, 10, 'of others');
    await intake.acceptOperatorMessages([{ ...row, said: { ...row.said, ignored } }]);
    await addBot(2, '8');
    await writes(2, 10, { lineId: '9' });
    expect(await rows(`SELECT id FROM chat_links`)).toEqual([]);
    expect(await wentTo(2)).toMatchObject({ state: 'ignored', code: 'unknown_chat' });
    expect(await rows(`SELECT kind, line_id AS line, bitrix_chat_id AS dialog FROM dialog_reports`)).toEqual([
      { kind: 'note', line: '9', dialog: '1760' },
    ]);
  });
});

describe('a report that no lane leads to', () => {
  const unsent = (id: number, more: Partial<OperatorMessageRow> = {}) => writes(id, 10, { lineId: '9', ...more });

  beforeEach(() => addBot(2, '8'));

  it('is claimed once until it is settled, in its order, with what it needs', async () => {
    await unsent(1);
    await unsent(2);
    const claimed = await reports.claim(10, []);
    expect(
      claimed.map(({ lane, delivery, clientKnown }) => [
        lane.chat.lineId,
        lane.chat.bitrixChatId,
        delivery.kind,
        clientKnown,
      ]),
    ).toEqual([
      ['9', '1760', 'note', false],
      ['9', '1760', 'note', false],
    ]);
    expect(claimed.map(({ delivery }) => [delivery.message.text, delivery.payload?.code, delivery.attempt])).toEqual([
      ['answer 1', 'unknown_chat', 1],
      ['answer 2', 'unknown_chat', 1],
    ]);
    expect(await reports.claim(10, [])).toEqual([]);
    await reports.settle(claimed[0]!, { outcome: 'retry', code: '502', detail: 'x', delayMs: 0 }, 'me');
    expect(await reports.claim(10, [PORTAL])).toEqual([]);
    const [again] = await reports.claim(10, []);
    expect([again!.id, again!.delivery.attempt]).toEqual([claimed[0]!.id, 2]);
    await reports.settle(again!, { outcome: 'delivered' }, 'me');
    await reports.settle(claimed[1]!, { outcome: 'failed', code: 'no', detail: 'never' }, 'me');
    expect(await rows(`SELECT id FROM dialog_reports`)).toEqual([]);
    expect(await rows(`SELECT kind, number, outcome, code FROM attempts ORDER BY id`)).toEqual([
      { kind: 'note', number: 1, outcome: 'retry', code: '502' },
      { kind: 'note', number: 2, outcome: 'delivered', code: null },
      { kind: 'note', number: 1, outcome: 'failed', code: 'no' },
    ]);
  });

  it('waits for a portal that cannot be called, and goes with its message', async () => {
    await unsent(1);
    await unsent(2, { said: { ...operatorMessage(2, 10, 'x').said, authorId: '0' } });
    expect(await rows(`SELECT count(*)::int FROM dialog_reports`)).toEqual([{ count: 1 }]);
    await storage.db.query(`UPDATE portals SET state = 'reauthorise'`);
    expect(await reports.claim(10, [])).toEqual([]);
    await storage.db.query(`DELETE FROM messages`);
    expect(await rows(`SELECT count(*)::int FROM dialog_reports`)).toEqual([{ count: 0 }]);
  });

  it('takes over delivery reports that the version before left on the lanes of a bot that moves', async () => {
    await hears(1, 1, 10);
    await writes(1, 10);
    const [{ id, chat_id }] = (await rows(`SELECT id, chat_id FROM messages WHERE bitrix_message_id = '1'`)) as [
      { id: bigint; chat_id: bigint },
    ];
    await storage.db.query(
      `INSERT INTO lanes (id, chat_id, channel, endpoint, tail, pending) VALUES (99, $1, 'status', 'portal:1', 1, 1)`,
      [chat_id],
    );
    await storage.db.query(`INSERT INTO deliveries (lane_id, seq, message_id, kind) VALUES (99, 1, $1, 'status')`, [
      id,
    ]);
    await move(1, '7');
    expect(await rows(`SELECT kind FROM dialog_reports`)).toEqual([]);
    await move(1, '9');
    expect(await rows(`SELECT kind, line_id AS line, message_id = ${id} AS its FROM dialog_reports`)).toEqual([
      { kind: 'status', line: '7', its: true },
    ]);
    expect(await rows(`SELECT pending FROM lanes WHERE id = 99`)).toEqual([{ pending: 0 }]);
    const [due] = await new DeliveryReportsRepository(storage.db).due([{ portalId: PORTAL, from: null }], 10);
    expect(due!.reports).toMatchObject([{ chat: { externalId: 'tg:10', lineId: '7', bitrixChatId: '1760' } }]);
  });

  it('tells each dialog once that its bot was removed with what waited', async () => {
    await hears(1, 1, 10);
    for (const id of [1, 2, 3]) await writes(id, 10);
    await writes(4, 10, { said: { ...operatorMessage(4, 10, 'x').said, authorId: '0' }, bitrixChatId: '2000' });
    await bots.remove(1n);
    expect(
      await rows(`SELECT message_id, bitrix_chat_id AS dialog, payload->>'code' AS code FROM dialog_reports`),
    ).toEqual([{ message_id: null, dialog: '1760', code: 'bot_removed_here' }]);
    const [claimed] = await reports.claim(10, []);
    expect(claimed).toMatchObject({ clientKnown: false, delivery: { message: { text: '' } } });
    await reports.settle(claimed!, { outcome: 'delivered' }, 'me');
    expect(await rows(`SELECT id FROM dialog_reports`)).toEqual([]);
  });
});
