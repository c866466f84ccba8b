import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { DialogReportsRepository } from '../../src/storage/work/dialog-reports.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { LearnedChat } from '../../src/storage/work/learned-chats.js';
import type { Lease } from '../../src/storage/work/lease.js';
import type { Settlement } from '../../src/storage/work/settlement.js';
import { BOT, createTestStorage, endHolds, operatorMessage, update } from '../support/storage.js';

/** Where the bot may be: at home on line 7 of portal 1, on its line 8, or on a line of another company's portal. */
const HOME = { portalId: 1n, lineId: '7' };
const OTHER_LINE = { portalId: 1n, lineId: '8' };
const OTHER_PORTAL = { portalId: 2n, lineId: '7' };
const ELSEWHERE = [
  ['another line', OTHER_LINE],
  ['another portal', OTHER_PORTAL],
] as const;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let bots: BotsRepository;
let intake: IntakeRepository;
let lanes: LanesRepository;
let reports: DialogReportsRepository;
let bot: Lease;
let home: Lease;
let other: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  await storage.db
    .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, scope)
    VALUES (2, 'm2', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge', '')`);
  bots = new BotsRepository(storage.db);
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  reports = new DialogReportsRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  await endHolds(storage.db);
  const of = (endpoint: string) => leases.find((lease) => lease.endpoint === endpoint)!;
  [bot, home, other] = [of('bot:1'), of('portal:1'), of('portal:2')];
  await intake.acceptClientUpdates([update(1, 5, 'hello')]);
});
afterEach(() => storage.close());

const settle = (lease: Lease, lane: ClaimedLane, outcome: Omit<Settlement, 'seq'>, chat?: LearnedChat) => {
  const deliveries = lane.deliveries.map(({ seq }) => ({ seq, ...outcome }));
  return lanes.settle([{ lease, lanes: [{ lane, deliveries, dueInMs: 0, chat }] }], 'me');
};
const claimOne = async (lease: Lease) => (await lanes.claim(lease, 1, 1))[0]!;
const dialogOf = async () =>
  (
    await storage.db.query(
      `SELECT bitrix_chat_id AS chat, bitrix_user_id AS "user", bitrix_session_id AS session, dialog_open AS open,
              refused_photo AS photo FROM chat_links`,
    )
  ).rows[0];
const notesIn = async () =>
  (
    await storage.db.query(
      `SELECT l.endpoint, d.kind FROM deliveries d JOIN lanes l ON l.id = d.lane_id WHERE d.kind IN ('note', 'status')`,
    )
  ).rows;
const kept = async () =>
  (
    await storage.db.query(
      `SELECT portal_id AS portal, line_id AS line, bitrix_chat_id AS dialog, kind FROM dialog_reports ORDER BY id`,
    )
  ).rows;
const pending = async () =>
  (
    await storage.db.query(
      `SELECT pending FROM lanes l WHERE pending <> (SELECT count(*) FROM deliveries d WHERE d.lane_id = l.id)`,
    )
  ).rows;

const NOTE = { code: 'x', detail: '', about: 'message' as const };
const LEARNED = { bitrixChatId: '42', bitrixUserId: '43', bitrixSessionId: '44', dialogOpen: true, photoRefused: true };
const NOTHING = { chat: null, user: null, session: null, open: null, photo: null };

describe.each(ELSEWHERE)('a bot that goes to %s while a client’s words are under way', (_, place) => {
  it('learns nothing from the answer to them', async () => {
    await storage.db.query(`UPDATE chat_links SET avatar_unique_id = 'photo'`);
    const lane = await claimOne(home);
    await bots.assign(BOT, place);
    await settle(home, lane, { outcome: 'delivered' }, LEARNED);
    expect(await dialogOf()).toEqual(NOTHING);
    const { rows } = await storage.db.query(`SELECT portal_id AS portal, state FROM messages`);
    expect(rows).toEqual([{ portal: 1n, state: 'delivered' }]);
  });

  it('nor when an answer to the client is settled with them that was claimed there', async () => {
    const inbound = await claimOne(home);
    await bots.assign(BOT, place);
    await intake.acceptOperatorMessages([{ ...operatorMessage(1, 5, 'there'), ...place, bitrixChatId: '70' }]);
    const outbound = await claimOne(bot);
    const of = (lane: ClaimedLane, chat?: LearnedChat) => ({
      lane,
      dueInMs: 0,
      chat,
      deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const })),
    });
    const mine = { lease: home, lanes: [of(inbound, LEARNED)] };
    const its = { lease: bot, lanes: [of(outbound)] };
    await lanes.settle([mine, its], 'me');
    expect(await dialogOf()).toEqual({ ...NOTHING, chat: '70' });
  });

  it('keeps what the new place taught meanwhile', async () => {
    const late = await claimOne(home);
    await bots.assign(BOT, place);
    await storage.db.query(
      `UPDATE chat_links SET bitrix_chat_id = '90', bitrix_session_id = '10', dialog_open = false`,
    );
    await settle(home, late, { outcome: 'delivered' }, LEARNED);
    expect(await dialogOf()).toEqual({ ...NOTHING, chat: '90', session: '10', open: false });
  });
});

describe.each(ELSEWHERE)('a bot that goes to %s while an answer is under way', (_, place) => {
  it.each(['failed', 'uncertain'] as const)('has it told where it was written that it is %s', async (outcome) => {
    await intake.acceptOperatorMessages([operatorMessage(1, 5, 'answer')]);
    const lane = await claimOne(bot);
    await bots.assign(BOT, place);
    expect(await settle(bot, lane, { outcome, note: NOTE })).toEqual(['portal:1']);
    expect(await notesIn()).toEqual([]);
    expect(await kept()).toEqual([{ portal: 1n, line: '7', dialog: '1760', kind: 'note' }]);
    const [claimed] = await reports.claim(10, []);
    expect(claimed).toMatchObject({ portalId: 1n, lane: { chat: { lineId: '7', bitrixChatId: '1760' } } });
  });

  it('has its delivery reported where it was written', async () => {
    await intake.acceptOperatorMessages([operatorMessage(1, 5, 'answer')]);
    const lane = await claimOne(bot);
    await bots.assign(BOT, place);
    await settle(bot, lane, { outcome: 'delivered', telegramMessageIds: [9n], reportDelivery: true });
    expect(await notesIn()).toEqual([]);
    expect(await kept()).toEqual([{ portal: 1n, line: '7', dialog: '1760', kind: 'status' }]);
  });
});

describe.each(ELSEWHERE)('a bot that goes to %s while a note is under way', (_, place) => {
  beforeEach(async () => {
    await settle(home, await claimOne(home), { outcome: 'delivered' });
    await intake.acceptOperatorMessages([operatorMessage(1, 5, 'answer')]);
    await settle(bot, await claimOne(bot), { outcome: 'failed', note: NOTE });
    expect(await notesIn()).toEqual([{ endpoint: 'portal:1', kind: 'note' }]);
  });

  it.each(['retry', 'postponed'] as const)('leaves it to the dialog that it is of (%s)', async (outcome) => {
    const note = await claimOne(home);
    await bots.assign(BOT, place);
    expect(await settle(home, note, { outcome })).toContain('portal:1');
    expect(await notesIn()).toEqual([]);
    expect(await kept()).toEqual([{ portal: 1n, line: '7', dialog: '1760', kind: 'note' }]);
    expect(await pending()).toEqual([]);
    expect(await lanes.claim(other, 10, 10)).toEqual([]);
  });

  it('leaves it there also when the event had not named the line', async () => {
    await storage.db.query(`UPDATE messages SET bitrix_line_id = NULL`);
    const note = await claimOne(home);
    await bots.assign(BOT, place);
    await settle(home, note, { outcome: 'retry' });
    const stays = place === OTHER_LINE;
    expect(await notesIn()).toEqual(stays ? [{ endpoint: 'portal:1', kind: 'note' }] : []);
    expect(await kept()).toEqual(stays ? [] : [{ portal: 1n, line: null, dialog: '1760', kind: 'note' }]);
    expect(await pending()).toEqual([]);
  });

  it('keeps it when the bot has come back', async () => {
    const note = await claimOne(home);
    await bots.assign(BOT, place);
    await bots.assign(BOT, HOME);
    await settle(home, note, { outcome: 'retry' });
    expect(await notesIn()).toEqual([{ endpoint: 'portal:1', kind: 'note' }]);
    expect(await kept()).toEqual([]);
  });
});

it('tells nobody what cannot be told where it belongs', async () => {
  const lane = await claimOne(home);
  await settle(home, lane, { outcome: 'failed', note: { ...NOTE, about: 'message' } });
  const note = await claimOne(home);
  expect(note.deliveries.map(({ kind }) => kind)).toEqual(['note']);
  await bots.assign(BOT, OTHER_PORTAL);
  await settle(home, note, { outcome: 'retry' });
  expect([await notesIn(), await kept(), await pending()]).toEqual([[], [], []]);
});

it('brings words that must be said again to whoever the bot serves now', async () => {
  const lane = await claimOne(home);
  await bots.assign(BOT, OTHER_PORTAL);
  await settle(home, lane, { outcome: 'retry' });
  const again = await claimOne(other);
  expect(again.deliveries.map(({ message }) => message.text)).toEqual(['hello']);
  const { rows } = await storage.db.query(`SELECT portal_id AS portal FROM messages`);
  expect(rows).toEqual([{ portal: 2n }]);
});

it('a settlement that waited for a move sees it', async () => {
  await intake.acceptOperatorMessages([operatorMessage(1, 5, 'answer')]);
  const [words, answer] = [await claimOne(home), await claimOne(bot)];
  let settled: Promise<unknown>;
  await storage.db.transaction(async (move) => {
    await move.query(`UPDATE bots SET portal_id = 2 WHERE id = 1`);
    await move.query(`UPDATE chat_links SET portal_id = 2, bitrix_chat_id = NULL`);
    await move.query(`UPDATE lanes SET endpoint = 'portal:2' WHERE channel <> 'outbound'`);
    settled = Promise.all([
      settle(home, words, { outcome: 'delivered' }, LEARNED),
      settle(bot, answer, { outcome: 'failed', note: NOTE }),
    ]);
    settled.catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 500));
  });
  await settled!;
  expect(await dialogOf()).toEqual(NOTHING);
  expect([await notesIn(), (await kept()).length]).toEqual([[], 1]);
});
