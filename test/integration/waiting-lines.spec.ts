import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { ChatsRepository } from '../../src/storage/history/chats.repository.js';
import type { ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { MessageRetentionRepository } from '../../src/storage/history/message-retention.repository.js';
import { OverviewRepository } from '../../src/storage/history/overview.repository.js';
import { WaitingWorkRepository } from '../../src/storage/history/waiting-work.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import type { LearnedChat } from '../../src/storage/work/learned-chats.js';
import type { Settlement, WaitsFor } from '../../src/storage/work/settlement.js';
import { BOT, createTestStorage, LINE_ID, operatorMessage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let lanes: LanesRepository;
let overview: OverviewRepository;
let waiting: WaitingWorkRepository;
let portal: Lease;
let updateId: number;
let eventId: number;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  overview = new OverviewRepository(storage.db);
  waiting = new WaitingWorkRepository(storage.db);
  [updateId, eventId] = [0, 0];
  const held = await new EndpointsRepository(storage.db).acquire('me', 10);
  portal = held.find(({ endpoint }) => endpoint === 'portal:1')!;
});
afterEach(() => storage.close());

const says = (client: number, ...texts: string[]) =>
  intake.acceptClientUpdates(texts.map((text) => update((updateId += 1), client, text)));
/** Nobody's words, as a reaction brings them. */
const line = (client: number, text: string) => {
  const said = { kind: 'reaction', text, marks: [], raw: {}, systemLine: true };
  return intake.acceptClientUpdates([update((updateId += 1), client, text, { said, sawChat: false })]);
};
const session = (client: number, sessionId: number, open: boolean) =>
  intake.acceptSessionEvent({ source: 'bitrix24:1', key: `e${(eventId += 1)}`, portalId: PORTAL, name: 'E', raw: {} }, [
    { externalChatId: `tg:${client}`, lineId: LINE_ID, sessionId: String(sessionId), open },
  ]);

const claim = (heads = 10) => lanes.claim(portal, 10, heads);
const textsOf = (claimed: ClaimedLane[]) =>
  claimed.map(({ deliveries }) => deliveries.map(({ message }) => message.text));
const settle = (claimed: ClaimedLane[], outcome: Partial<Settlement>, chat?: LearnedChat) =>
  lanes.settle(
    [
      {
        lease: portal,
        lanes: claimed.map((lane) => ({
          lane,
          dueInMs: 0,
          chat,
          deliveries: lane.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const, ...outcome })),
        })),
      },
    ],
    'instance',
  );
const waits = (claimed: ClaimedLane[], waitsFor: WaitsFor, chat?: LearnedChat) =>
  settle(claimed, { outcome: 'postponed', waitsFor }, chat);
/** The client's words arrived in this session. */
async function begun(client: number, sessionId: number): Promise<void> {
  await says(client, `hello of ${client}`);
  await settle(await claim(), {}, { bitrixChatId: `${client}`, bitrixSessionId: String(sessionId) });
}
const dialog = async (client: number) =>
  (
    await storage.db.query<{ open: boolean | null; session: string | null }>(
      `SELECT dialog_open AS open, bitrix_session_id AS session FROM chat_links WHERE external_id = $1`,
      [`tg:${client}`],
    )
  ).rows[0];
const lane = async (client: number) =>
  (
    await storage.db.query<{ pending: number; held: boolean }>(
      `SELECT pending, due_at = 'infinity' AS held FROM lanes l JOIN chat_links c ON c.id = l.chat_id
        WHERE c.external_id = $1 AND channel = 'inbound'`,
      [`tg:${client}`],
    )
  ).rows[0];

describe('a line in a dialog without a session', () => {
  beforeEach(async () => {
    await begun(5, 321);
    await session(5, 321, false);
  });

  it('is no work: nothing is claimed, due, late or counted', async () => {
    expect((await line(5, '👍')).accepted).toBe(1);
    expect(await claim()).toEqual([]);
    expect(await lanes.withWorkDue(['portal:1'])).toEqual([]);
    expect(await lane(5)).toEqual({ pending: 1, held: true });
    expect(await waiting.oldestWaiting()).toEqual([]);
    expect(await waiting.oldestWaitingSeconds()).toBeNull();
    expect(await waiting.oldestWaitingByPortal()).toEqual([]);
    expect(await waiting.queueDepths()).toEqual([]);
    expect((await overview.traffic(BOT, PORTAL)).waiting).toBe(0);
    await lanes.wake('portal:1');
    expect(await claim()).toEqual([]);
  });

  it('goes behind the next words, in one claim, however many waited', async () => {
    for (let n = 1; n <= 12; n++) await line(5, `line ${n}`);
    await says(5, 'one', 'two');
    const claimed = await claim(5);
    expect(textsOf(claimed)).toEqual([['one', 'two', 'line 1', 'line 2', 'line 3']]);
    expect(claimed[0]!.deliveries.map(({ waited }) => waited)).toEqual([false, false, true, true, true]);
    await settle(claimed, {}, { bitrixSessionId: '322' });
    expect(await dialog(5)).toEqual({ open: true, session: '322' });
    expect(textsOf(await claim(20))).toEqual([Array.from({ length: 9 }, (_, n) => `line ${n + 4}`)]);
  });

  it('is woken when a version that knows no waiting put words behind it', async () => {
    await line(5, '👍');
    await says(5, 'one');
    // That version leaves the time of a lane with work as it is.
    await storage.db.query(`UPDATE lanes SET due_at = 'infinity' WHERE channel = 'inbound'`);
    expect(await claim()).toEqual([]);
    await lanes.wakeForgotten('portal:1');
    expect(textsOf(await claim(5))).toEqual([['one', '👍']]);
  });

  it('goes when a session begins without the client', async () => {
    await line(5, '👍');
    expect((await session(5, 322, true)).endpoints).toEqual(['portal:1']);
    expect(textsOf(await claim())).toEqual([['👍']]);
  });

  it('waits on when the words before it were refused', async () => {
    await line(5, '👍');
    await says(5, 'refused');
    const [words] = await claim(1);
    await settle([words!], { outcome: 'failed', code: 'x' });
    const rest = await claim();
    expect(textsOf(rest)).toEqual([['👍']]);
    await waits(rest, 'session');
    expect(await lane(5)).toEqual({ pending: 1, held: true });
    expect(await claim()).toEqual([]);
    await says(5, 'and again');
    expect(textsOf(await claim())).toEqual([['and again', '👍']]);
  });

  it('leaves no trace of the claim at which it was found to wait', async () => {
    await new ChatsRepository(storage.db).doubtSessions(PORTAL);
    await storage.db.query(`UPDATE chat_links SET dialog_open = NULL`);
    await line(5, '👍');
    const claimed = await claim();
    expect(claimed[0]!.chat.dialogOpen).toBeNull();
    await waits(claimed, 'session', { dialogOpen: false });
    expect(await lane(5)).toEqual({ pending: 1, held: true });
    await says(5, 'words');
    const [again] = await claim();
    expect(again!.deliveries.map(({ message, attempt }) => [message.text, attempt])).toEqual([
      ['words', 1],
      ['👍', 1],
    ]);
    const { rows } = await storage.db.query(
      `SELECT FROM attempts a JOIN messages m ON m.id = a.message_id WHERE m.can_wait`,
    );
    expect(rows).toHaveLength(0);
  });

  it('is found by a new portal, and waits there too', async () => {
    await line(5, '👍');
    await new BotsRepository(storage.db).assign(BOT, null);
    await new BotsRepository(storage.db).assign(BOT, { portalId: PORTAL, lineId: '8' });
    const claimed = await claim();
    expect(textsOf(claimed)).toEqual([['👍']]);
    expect(claimed[0]!.chat).toMatchObject({ dialogOpen: null, bitrixSessionId: null });
    await waits(claimed, 'session', { dialogOpen: false });
    expect(await lane(5)).toEqual({ pending: 1, held: true });
  });

  it('is erased when it is too old, with its place in the lane', async () => {
    await line(5, '👍');
    await says(6, 'another client');
    await new PortalsRepository(storage.db).setRetention(PORTAL, 30);
    await storage.db.query(`UPDATE messages SET created_at = now() - interval '40 days'`);
    const retention = new MessageRetentionRepository(storage.db);
    await retention.expireMessages(PORTAL, 0n, 100);
    const { rows } = await storage.db.query<{ text: string }>(`SELECT text FROM messages`);
    expect(rows).toEqual([{ text: 'another client' }]);
    expect(await lane(5)).toMatchObject({ pending: 0 });
    await says(5, 'new words');
    expect(
      textsOf(await claim())
        .flat()
        .sort(),
    ).toEqual(['another client', 'new words']);
  });
});

describe('a lane that is told to wait', () => {
  beforeEach(async () => {
    await begun(5, 321);
    await line(5, '👍');
  });

  it('does not, when words came meanwhile: they pass the line', async () => {
    const claimed = await claim();
    await says(5, 'meanwhile');
    expect(await waits(claimed, 'words')).toEqual(['portal:1']);
    expect(textsOf(await claim())).toEqual([['meanwhile', '👍']]);
  });

  it('does not, when a session began meanwhile', async () => {
    await session(5, 321, false);
    const claimed = await claim();
    await session(5, 322, true);
    await waits(claimed, 'session', { dialogOpen: false });
    expect(await dialog(5)).toEqual({ open: true, session: '322' });
    expect(textsOf(await claim())).toEqual([['👍']]);
  });

  it('does, in an open session that is being closed, until the client says something', async () => {
    await waits(await claim(), 'words', { dialogOpen: true, bitrixSessionId: '321' });
    expect(await lane(5)).toEqual({ pending: 1, held: true });
    expect(await dialog(5)).toEqual({ open: true, session: '321' });
    await line(5, '🔥');
    expect(textsOf(await claim())).toEqual([['🔥', '👍']]);
  });

  it('keeps to itself', async () => {
    await waits(await claim(), 'words');
    await begun(6, 400);
    await says(6, 'hello');
    expect(textsOf(await claim())).toEqual([['hello']]);
    expect(await lane(5)).toEqual({ pending: 1, held: true });
  });
});

describe('which session is open', () => {
  beforeEach(() => begun(5, 321));

  it('is told by events in any order, each as often as it comes', async () => {
    expect(await dialog(5)).toEqual({ open: true, session: '321' });
    await session(5, 322, true);
    await session(5, 321, false);
    expect(await dialog(5)).toEqual({ open: true, session: '322' });
    await session(5, 322, false);
    await session(5, 322, true);
    expect(await dialog(5)).toEqual({ open: false, session: '322' });
    await session(5, 1_000, true);
    await session(5, 999, false);
    expect(await dialog(5)).toEqual({ open: true, session: '1000' });
    const event = { source: 'bitrix24:1', key: 'same', portalId: PORTAL, name: 'E', raw: {} };
    const told = [{ externalChatId: 'tg:5', lineId: LINE_ID, sessionId: '1000', open: false }];
    expect(await intake.acceptSessionEvent(event, told)).toMatchObject({ duplicates: 0 });
    expect(await intake.acceptSessionEvent(event, told)).toMatchObject({ duplicates: 1 });
  });

  it('does not depend on whether the answer or the end of its session comes first', async () => {
    await says(5, 'a rating');
    const claimed = await claim();
    await session(5, 322, true);
    await session(5, 322, false);
    await settle(claimed, {}, { bitrixSessionId: '322' });
    expect(await dialog(5)).toEqual({ open: false, session: '322' });
    await says(5, 'an older answer');
    await settle(await claim(), {}, { bitrixSessionId: '321' });
    expect(await dialog(5)).toEqual({ open: false, session: '322' });
  });

  it('is not known any more when an operator writes although it seemed over, or events may be lost', async () => {
    await session(5, 321, false);
    await intake.acceptOperatorMessages([
      { ...operatorMessage(1, 5, 'bye'), said: { ...operatorMessage(1, 5, 'bye').said, authorId: '0' } },
    ]);
    expect(await dialog(5)).toMatchObject({ open: false });
    await intake.acceptOperatorMessages([
      { ...operatorMessage(2, 5, 'hi'), said: { ...operatorMessage(2, 5, 'hi').said, authorId: '27' } },
    ]);
    expect(await dialog(5)).toMatchObject({ open: null });
    await session(5, 322, true);
    await new ChatsRepository(storage.db).doubtSessions(PORTAL);
    expect(await dialog(5)).toEqual({ open: null, session: '322' });
  });

  it('is not told by dialogs of another line or portal', async () => {
    const event = (key: string, portalId: bigint) => ({ source: 's', key, portalId, name: 'E', raw: {} });
    const told = { externalChatId: 'tg:5', sessionId: '999', open: false };
    await intake.acceptSessionEvent(event('a', PORTAL), [{ ...told, lineId: '8' }]);
    await intake.acceptSessionEvent(event('b', 2n), [{ ...told, lineId: LINE_ID }]);
    expect(await dialog(5)).toEqual({ open: true, session: '321' });
  });
});
