import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { ClientErasureRepository } from '../../src/storage/erasure/client-erasure.repository.js';
import { HistoryRepository } from '../../src/storage/history/history.repository.js';
import { BroadcastPortionsRepository } from '../../src/storage/intake/broadcast-portions.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { ClientUpdateRow } from '../../src/storage/intake/intake.rows.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import type { ButtonKeyboard } from '../../src/storage/work/keyboard.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import type { Settlement } from '../../src/storage/work/settlement.js';
import { BOT, createTestStorage, endHolds, operatorMessage, PORTAL, update } from '../support/storage.js';

const ANN = 10;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let lanes: LanesRepository;
let bot: Lease;
let chatId: bigint;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  bot = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  await endHolds(storage.db);
  await intake.acceptClientUpdates([update(1, ANN, 'hello')]);
  chatId = (await rowsOf('SELECT id FROM chat_links'))[0]!['id'];
});

afterEach(() => storage.close());

const rowsOf = async (sql: string) => (await storage.db.query(sql)).rows;

const stop = (id: number): ClientUpdateRow => ({
  ...update(id, ANN, 'stop'),
  unsubscribes: 'words',
  unsubscribed: 'Bye.',
});
function press(id: number): ClientUpdateRow {
  const base = update(id, ANN, '🔕 The client unsubscribed');
  const said = { ...base.said!, kind: 'unsubscribed', systemLine: true, canWait: true as const };
  return { ...base, said, telegramMessageId: undefined, unsubscribes: 'button' };
}
const start = (id: number): ClientUpdateRow => ({ ...update(id, ANN, '/start'), starts: true });

const advertise = async (key: string, keyboard?: ButtonKeyboard) => {
  const request = { portalId: PORTAL, source: 'sms' as const, key, chatId: await newestChat(), bulk: true };
  const words = { text: key, marks: [], ...(keyboard ? { keyboard } : {}) };
  return (await intake.acceptSendRequests([{ ...request, words }])).answers[0]!.status;
};
const newestChat = async (): Promise<bigint> =>
  (await rowsOf('SELECT id FROM chat_links ORDER BY id DESC LIMIT 1'))[0]!['id'];
const isUnsubscribed = async () =>
  (await rowsOf('SELECT unsubscribed_at IS NOT NULL AS is FROM chat_links'))[0]!['is'] as boolean;
const toClient = () => rowsOf(`SELECT kind, text, state FROM messages WHERE direction = 'outbound' ORDER BY id`);

/** Telegram takes what waits for it. */
async function telegram(settlement: Omit<Settlement, 'seq'> = { outcome: 'delivered' }) {
  const claimed = await lanes.claim(bot, 10, 1);
  const settled = claimed.map((lane) => ({
    lane,
    dueInMs: 0,
    deliveries: lane.deliveries.map(({ seq }) => ({ seq, ...settlement })),
  }));
  await lanes.settle([{ lease: bot, lanes: settled }], 'me');
  return claimed.flatMap(({ deliveries }) => deliveries);
}

describe('a bare "stop"', () => {
  it('is words to the operator where the client has had no advertising', async () => {
    await intake.acceptClientUpdates([stop(2)]);
    expect(await isUnsubscribed()).toBe(false);
    expect(await toClient()).toEqual([]);
    expect(await rowsOf(`SELECT text, state FROM messages WHERE direction = 'inbound' ORDER BY id`)).toEqual([
      { text: 'hello', state: 'queued' },
      { text: 'stop', state: 'queued' },
    ]);
  });

  it('ends it where the client has had some, is answered once, and reaches the operator all the same', async () => {
    expect(await advertise('a')).toBe('new');
    await telegram();
    await intake.acceptClientUpdates([stop(2), stop(3)]);
    expect(await isUnsubscribed()).toBe(true);
    expect((await toClient()).slice(1)).toEqual([{ kind: 'unsubscribed', text: 'Bye.', state: 'queued' }]);
    expect(await rowsOf(`SELECT count(*)::int AS n FROM messages WHERE text = 'stop' AND state = 'queued'`)).toEqual([
      { n: 2 },
    ]);
    expect(await advertise('b')).toBe('unsubscribed');
    expect(await advertise('a')).toBe('known');
    await intake.acceptClientUpdates([start(4)]);
    expect(await advertise('b')).toBe('new');
  });

  it('takes back what waits and nobody has begun to send', async () => {
    await advertise('a');
    await intake.acceptClientUpdates([stop(2)]);
    expect(await toClient()).toEqual([
      { kind: 'sms', text: 'a', state: 'ignored' },
      { kind: 'unsubscribed', text: 'Bye.', state: 'queued' },
    ]);
    expect(await rowsOf(`SELECT pending FROM lanes WHERE channel = 'outbound'`)).toEqual([{ pending: 1 }]);
  });
});

it('what failed before is not sent again to who has unsubscribed since, whoever asks for it', async () => {
  await advertise('a');
  await telegram({ outcome: 'failed', code: 'x' });
  const request = { portalId: PORTAL, source: 'api' as const, key: 'b', chatId, words: { text: 'b', marks: [] } };
  await intake.acceptSendRequests([request]);
  await telegram({ outcome: 'failed', code: 'x' });
  await intake.acceptClientUpdates([press(2)]);
  const failed = await rowsOf(`SELECT id FROM messages WHERE direction = 'outbound' ORDER BY id`);
  const retried = await new DecisionsRepository(storage.db).retry(failed.map((row) => row['id'] as bigint));
  expect(retried.retried).toBe(1);
  expect(await toClient()).toEqual([
    { kind: 'sms', text: 'a', state: 'failed' },
    { kind: 'api', text: 'b', state: 'queued' },
  ]);
});

it('a newsletter that failed is not sent again to who has unsubscribed since, also while they talk', async () => {
  const letter = operatorMessage(5, ANN, 'Our news');
  const ofLine = operatorMessage(6, ANN, 'We are closed');
  const raw = (params: object) => ({ data: { MESSAGES: [{ message: { params } }] } });
  await intake.acceptOperatorMessages([
    { ...letter, said: { ...letter.said, authorId: '0', raw: raw({}) } },
    { ...ofLine, said: { ...ofLine.said, authorId: '0', raw: raw({ IMOL_SID: '5' }) } },
  ]);
  for (const _ of [letter, ofLine]) await telegram({ outcome: 'failed', code: 'x' });
  await intake.acceptClientUpdates([press(2)]);
  // Their words have opened a session.
  await storage.db.query(`UPDATE chat_links SET dialog_open = true`);
  const failed = await rowsOf(`SELECT id FROM messages WHERE state = 'failed'`);
  expect(failed).toHaveLength(2);
  await new DecisionsRepository(storage.db).retry(failed.map((row) => row['id'] as bigint));
  expect(await toClient()).toEqual([
    { kind: 'text', text: 'Our news', state: 'failed' },
    { kind: 'text', text: 'We are closed', state: 'queued' },
  ]);
});

describe('the button for it', () => {
  it.each([
    ['no session is open', false, {}, 'ignored'],
    ['a session is open', true, {}, 'queued'],
    ['it names a session', false, { IMOL_SID: '5' }, 'queued'],
  ])(
    'takes back a newsletter of the portal that waits, unless it may be of the line: %s',
    async (_, open, params, state) => {
      await storage.db.query(`UPDATE chat_links SET dialog_open = $1`, [open]);
      const letter = operatorMessage(5, ANN, 'Our news');
      const raw = { data: { MESSAGES: [{ message: { text: 'Our news', params } }] } };
      await intake.acceptOperatorMessages([{ ...letter, said: { ...letter.said, authorId: '0', raw } }]);
      await intake.acceptClientUpdates([press(2)]);
      expect(await toClient()).toEqual([{ kind: 'text', text: 'Our news', state }]);
      expect(
        await rowsOf(`SELECT count(*)::int AS n FROM deliveries WHERE kind = 'message' AND lane_id IN (
      SELECT id FROM lanes WHERE channel = 'outbound')`),
      ).toEqual([{ n: state === 'queued' ? 1 : 0 }]);
    },
  );

  it('counts always, and is one line in the dialog, however often it is pressed', async () => {
    await intake.acceptClientUpdates([press(2)]);
    await intake.acceptClientUpdates([press(3)]);
    expect(await isUnsubscribed()).toBe(true);
    expect(
      await rowsOf(`SELECT kind, state, error_code FROM messages WHERE kind = 'unsubscribed' ORDER BY id`),
    ).toEqual([
      { kind: 'unsubscribed', state: 'queued', error_code: null },
      { kind: 'unsubscribed', state: 'ignored', error_code: 'unsubscribed_before' },
    ]);
    expect(await toClient()).toEqual([]);
  });

  it('stays under its message when the other buttons are used or replaced', async () => {
    const stays = { action: 'unsubscribe' as const, text: 'Unsubscribe' };
    await advertise('a', {
      type: 'buttons',
      rows: [[{ action: 'send', text: 'Yes', value: 'y' }, stays]],
    });
    await telegram();
    const [{ id: buttonId }] = (await rowsOf('SELECT id FROM buttons')) as [{ id: string }];
    const pressed = update(2, ANN, '🔘 Yes', { press: { buttonId, pressId: '7', before: '🔘' } });
    await intake.acceptClientUpdates([pressed]);
    const [edit] = await telegram();
    expect(edit).toMatchObject({ kind: 'edit', payload: { keyboardOnly: true } });
    expect(edit!.message.keyboard).toEqual({ type: 'buttons', rows: [[stays]] });
    // It asks nothing, so nothing replaces it, and it replaces nothing.
    await advertise('b', { type: 'buttons', rows: [[{ action: 'send', text: 'No', value: 'n' }]] });
    await telegram();
    await advertise('c', { type: 'buttons', rows: [[stays]] });
    await telegram();
    expect(await telegram()).toEqual([]);
    expect(await rowsOf('SELECT closed_at IS NULL AS open FROM buttons ORDER BY text DESC')).toEqual([
      { open: false },
      { open: true },
    ]);
  });
});

describe('the wish', () => {
  it('outlives the chat: it holds when the client comes back, until they press Start', async () => {
    await intake.acceptClientUpdates([press(2)]);
    const [erasure] = await rowsOf(`INSERT INTO erasures (actor, subject) VALUES ('x', 'y') RETURNING id`);
    const erasures = new ClientErasureRepository(storage.db);
    await erasures.eraseChat(erasure!['id'], chatId, 100, { force: true });
    const kept = await rowsOf('SELECT * FROM forgotten_wishes');
    expect(kept).toHaveLength(1);
    expect(JSON.stringify(kept, (_, value) => (typeof value === 'bigint' ? String(value) : value))).not.toContain(
      `tg:${ANN}`,
    );
    await intake.acceptClientUpdates([update(3, 11, 'somebody else')]);
    expect(await advertise('a')).toBe('new');
    await intake.acceptClientUpdates([update(4, ANN, 'hello again')]);
    expect(await advertise('b')).toBe('unsubscribed');
    // Operators are told, and may take it back.
    const shown = async () => (await new HistoryRepository(storage.db).chat(await newestChat()))!.unsubscribedAt;
    expect(await shown()).toEqual(kept[0]!['since']);
    await intake.acceptClientUpdates([start(5)]);
    expect(await shown()).toBeNull();
    expect(await advertise('b')).toBe('new');
  });

  it('outlives the bot, which is the same one when it is added again', async () => {
    await intake.acceptClientUpdates([press(2)]);
    await new BotsRepository(storage.db).remove(BOT);
    await storage.db.query(
      `INSERT INTO bots (id, key, telegram_id, token, portal_id, line_id) VALUES (1, 'k', 1, 't', 1, '7')`,
    );
    await intake.acceptClientUpdates([update(3, ANN, 'hello again')]);
    expect(await advertise('a')).toBe('unsubscribed');
  });

  it('is kept by an administrator, and taken back', async () => {
    await intake.setSubscribed(chatId, false);
    expect(await advertise('a')).toBe('unsubscribed');
    await intake.setSubscribed(chatId, true);
    expect(await advertise('a')).toBe('new');
  });
});

describe('advertising', () => {
  it('that cannot be sent lets the words of people pass, and goes behind them', async () => {
    const soon = { outcome: 'retry' as const, code: 'file_not_now' };
    const portions = new BroadcastPortionsRepository(storage.db);
    const next = async (settlement: Omit<Settlement, 'seq'>, dueInMs: number) => {
      const claimed = await lanes.claim(bot, 10, 1);
      const settled = claimed.map((lane) => ({
        lane,
        dueInMs,
        deliveries: lane.deliveries.map(({ seq }) => ({ seq, ...settlement })),
      }));
      await lanes.settle([{ lease: bot, lanes: settled }], 'me');
      return claimed.flatMap(({ deliveries }) => deliveries.map(({ message }) => message.text));
    };
    const request = { portalId: PORTAL, source: 'sms' as const, key: 'a', chatId, bulk: true, report: {} };
    await intake.acceptSendRequests([{ ...request, words: { text: 'sale', marks: [] } }]);
    expect(await next(soon, 600_000)).toEqual(['sale']);
    // Nobody waits behind it: it keeps its time.
    await portions.letWordsPass();
    expect(await next(soon, 600_000)).toEqual([]);
    await intake.acceptOperatorMessages([operatorMessage(5, ANN, 'your order is here')]);
    await portions.letWordsPass();
    expect(await next({ outcome: 'delivered' }, 0)).toEqual(['your order is here']);
    expect(await next({ outcome: 'delivered' }, 0)).toEqual(['sale']);
    expect(await rowsOf(`SELECT pending FROM lanes WHERE channel = 'outbound'`)).toEqual([{ pending: 0 }]);
  });

  it('is told in the dialog with the client’s next words, the newest of it', async () => {
    const notes = () =>
      rowsOf(`SELECT d.payload ->> 'code' AS code, m.text, l.due_at = 'infinity' AS sleeps
                FROM deliveries d JOIN lanes l ON l.id = d.lane_id JOIN messages m ON m.id = d.message_id
               WHERE d.kind = 'note'`);
    await storage.db.query(`DELETE FROM deliveries`);
    await storage.db.query(`UPDATE lanes SET pending = 0`);
    await storage.db.query(`UPDATE chat_links SET dialog_open = true`);
    for (const key of ['a', 'b']) {
      await advertise(key);
      await telegram({ outcome: 'delivered', note: { code: 'sms', detail: '', about: 'message' } });
    }
    expect(await notes()).toEqual([{ code: 'sms', text: 'b', sleeps: true }]);
    await intake.acceptClientUpdates([update(2, ANN, 'I want it')]);
    expect(await notes()).toEqual([{ code: 'sms', text: 'b', sleeps: false }]);
  });
});
