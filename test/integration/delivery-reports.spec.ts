import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { HistoryRepository } from '../../src/storage/history/history.repository.js';
import { MessageRetentionRepository } from '../../src/storage/history/message-retention.repository.js';
import { WaitingWorkRepository } from '../../src/storage/history/waiting-work.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import type { OperatorMessageRow } from '../../src/storage/intake/intake.rows.js';
import {
  type DeliveryReport,
  DeliveryReportsRepository,
  type ReportOutcome,
} from '../../src/storage/work/delivery-reports.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { DecisionsRepository } from '../../src/storage/work/decisions.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import type { Lease } from '../../src/storage/work/lease.js';
import { BOT, createTestStorage, endHolds, operatorMessage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let lanes: LanesRepository;
let reports: DeliveryReportsRepository;
let bot: Lease;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  lanes = new LanesRepository(storage.db);
  reports = new DeliveryReportsRepository(storage.db);
  const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
  bot = leases.find(({ endpoint }) => endpoint === 'bot:1')!;
  await endHolds(storage.db);
  await intake.acceptClientUpdates([update(1, 10, 'hello'), update(2, 11, 'hello')]);
});

afterEach(() => storage.close());

const rows = async (sql: string) => (await storage.db.query(sql)).rows;

/** Telegram takes everything that waits for it. */
async function deliver(): Promise<void> {
  for (;;) {
    const claimed = await lanes.claim(bot, 10, 1);
    if (claimed.length === 0) return;
    const settled = claimed.map((lane) => ({
      lane,
      dueInMs: 0,
      deliveries: lane.deliveries.map(({ seq, message }) => ({
        seq,
        outcome: 'delivered' as const,
        telegramMessageIds: [1_000n + message.id],
        reportDelivery: true,
      })),
    }));
    await lanes.settle([{ lease: bot, lanes: settled }], 'me');
  }
}

async function answer(id: number, client: number, more: Partial<OperatorMessageRow> = {}): Promise<void> {
  await intake.acceptOperatorMessages([{ ...operatorMessage(id, client, `answer ${id}`), ...more }]);
  await deliver();
}

const due = async (limit = 10, from: Date | null = null): Promise<DeliveryReport[]> =>
  (await reports.due([{ portalId: PORTAL, from }], limit)).flatMap((found) => found.reports);
const bitrixIds = (found: DeliveryReport[]) => found.map(({ deliveries }) => deliveries[0]!.message.bitrixMessageId);
const outcomes = (found: DeliveryReport[], outcome: Omit<ReportOutcome, 'report' | 'startedAt'>): ReportOutcome[] =>
  found.map((report) => ({ report, startedAt: new Date(), ...outcome }));
const attempts = () => rows(`SELECT kind, number, outcome, code FROM attempts WHERE kind <> 'message' ORDER BY id`);
/** The answers were delivered so many minutes ago. */
const minutesAgo = (minutes: number) =>
  rows(`UPDATE messages SET delivered_at = now() - interval '${minutes} minutes' WHERE direction = 'outbound'`);
const lookFinds = (...ids: number[]) =>
  intake.acceptFound({ messages: ids.map((id) => operatorMessage(id, 10, `answer ${id}`)), changes: [] }, new Date());

describe('the report that an answer was delivered', () => {
  it('comes with its settlement, needs no lane and, told at once, leaves no attempt', async () => {
    await answer(1, 10);
    await answer(2, 11);
    expect(await rows(`SELECT DISTINCT channel FROM lanes ORDER BY 1`)).toEqual([
      { channel: 'inbound' },
      { channel: 'outbound' },
    ]);
    const found = await due();
    expect(found).toMatchObject([
      { attempt: 1, chat: { externalId: 'tg:10', lineId: '7', bitrixChatId: '1760' } },
      { attempt: 1, chat: { externalId: 'tg:11', lineId: '7' } },
    ]);
    expect(found[0]!.deliveries[0]!.message).toMatchObject({
      bitrixMessageId: '1',
      telegramMessageIds: [expect.any(BigInt)],
    });
    await reports.settle(outcomes(found, { outcome: 'delivered' }), 'me');
    // Nobody knows whether that was committed: once more.
    await reports.settle(outcomes(found, { outcome: 'delivered' }), 'me');
    expect(await due()).toEqual([]);
    expect(await rows(`SELECT FROM dialog_reports`)).toEqual([]);
    expect(await attempts()).toEqual([]);
  });

  it('is not there unless the settlement counts', async () => {
    await intake.acceptOperatorMessages([operatorMessage(1, 10, 'answer')]);
    const [lane] = await lanes.claim(bot, 10, 1);
    const deliveries = [{ seq: lane!.deliveries[0]!.seq, outcome: 'delivered' as const, reportDelivery: true }];
    const settlement = [{ lease: bot, lanes: [{ lane: lane!, dueInMs: 0, deliveries }] }];
    await lanes.settle(settlement, 'me');
    await lanes.settle(settlement, 'me');
    expect(bitrixIds(await due())).toEqual(['1']);
  });

  it('is tried again later, and then every try is told', async () => {
    await answer(1, 10);
    const [first] = await due();
    const failed = outcomes([first!], { outcome: 'retry', code: '500', detail: 'x', delayMs: 60_000 });
    await reports.settle(failed, 'me');
    await reports.settle(failed, 'me');
    expect(await due()).toEqual([]);
    const waiting = await new HistoryRepository(storage.db).message(first!.messageId);
    expect(waiting!.waiting).toMatchObject([{ kind: 'status', state: 'queued', attempts: 1, endpoint: 'portal:1' }]);
    expect(
      (await new WaitingWorkRepository(storage.db).queueDepths()).find(({ channel }) => channel === 'status'),
    ).toEqual({
      channel: 'status',
      chats: 1,
      deliveries: 1,
    });
    await rows(`UPDATE dialog_reports SET due_at = now() - make_interval(secs => 0.001)`);
    await reports.settle(outcomes(await due(), { outcome: 'delivered' }), 'me');
    expect(await attempts()).toEqual([
      { kind: 'status', number: 1, outcome: 'retry', code: '500' },
      { kind: 'status', number: 2, outcome: 'delivered', code: null },
    ]);
  });

  it('that is refused ends, and says so', async () => {
    await answer(1, 10);
    await reports.settle(outcomes(await due(), { outcome: 'failed', code: 'NO', detail: 'x' }), 'me');
    expect(await due()).toEqual([]);
    expect(await attempts()).toEqual([{ kind: 'status', number: 1, outcome: 'failed', code: 'NO' }]);
  });

  it('goes where the answer was written, wherever its bot is by now', async () => {
    await answer(1, 10);
    await new BotsRepository(storage.db).assign(BOT, null);
    expect((await due()).map(({ chat }) => chat.lineId)).toEqual(['7']);
  });

  it('of an answer that names neither line nor dialog goes where its chat is', async () => {
    await rows(`UPDATE chat_links SET bitrix_chat_id = '99'`);
    await answer(1, 10, { lineId: null, bitrixChatId: null });
    expect(await due()).toMatchObject([{ chat: { lineId: '7', bitrixChatId: '99', externalId: 'tg:10' } }]);
    await new BotsRepository(storage.db).assign(BOT, null);
    expect(await due()).toMatchObject([{ chat: { lineId: null, bitrixChatId: null } }]);
  });

  it.each([
    ['a portal that must be installed again', `UPDATE portals SET state = 'reauthorise'`],
    [
      'a portal in trouble',
      `INSERT INTO rest_limits (portal_id, method, until) VALUES (1, '*', now() + interval '1 minute')`,
    ],
    [
      'the method',
      `INSERT INTO rest_limits (portal_id, method, until)
       VALUES (1, 'imconnector.send.status.delivery', now() + interval '1 minute')`,
    ],
  ])('waits for %s, and nothing is written meanwhile', async (_, trouble) => {
    await answer(1, 10);
    await rows(trouble);
    expect(await reports.due([{ portalId: PORTAL, from: null }], 10)).toEqual([]);
    await rows(`UPDATE portals SET state = 'active'`);
    await rows(`DELETE FROM rest_limits`);
    expect(bitrixIds(await due())).toEqual(['1']);
  });

  it('is found in turn, from the time that is asked for', async () => {
    for (const id of [1, 2, 3]) await answer(id, 10);
    expect(bitrixIds(await due(2))).toEqual(['1', '2']);
    await rows(
      `UPDATE dialog_reports SET due_at = due_at - interval '1 hour' WHERE id = (SELECT min(id) FROM dialog_reports)`,
    );
    expect(bitrixIds(await due(10, new Date(Date.now() - 60_000)))).toEqual(['2', '3']);
  });

  it('keeps its message from retention, and goes with it when the client is erased', async () => {
    await answer(1, 10);
    await rows(`UPDATE portals SET retention_days = 1`);
    await rows(`UPDATE messages SET created_at = now() - interval '2 days' WHERE direction = 'outbound'`);
    const retention = new MessageRetentionRepository(storage.db);
    expect(await retention.expireMessages(PORTAL, 0n, 100)).toMatchObject({ erased: 0 });
    await reports.settle(outcomes(await due(), { outcome: 'delivered' }), 'me');
    expect(await retention.expireMessages(PORTAL, 0n, 100)).toMatchObject({ erased: 1 });
    await answer(2, 10);
    const found = await due();
    await rows(`DELETE FROM messages`);
    expect(await due()).toEqual([]);
    await reports.settle(outcomes(found, { outcome: 'retry', code: 'x', delayMs: 0 }), 'me');
    expect(await rows(`SELECT FROM dialog_reports`)).toEqual([]);
  });

  it('is made when a person knows of the delivery', async () => {
    await intake.acceptOperatorMessages([operatorMessage(1, 10, 'answer')]);
    const [lane] = await lanes.claim(bot, 10, 1);
    const { seq, message } = lane!.deliveries[0]!;
    const uncertain = { seq, outcome: 'uncertain' as const, code: 'x', telegramMessageIds: [7n] };
    await lanes.settle([{ lease: bot, lanes: [{ lane: lane!, dueInMs: 0, deliveries: [uncertain] }] }], 'me');
    expect(await due()).toEqual([]);
    expect(await new DecisionsRepository(storage.db).resolve(message.id, 'delivered')).toEqual(['portal:1']);
    expect(bitrixIds(await due())).toEqual(['1']);
  });
});

describe('a message that the portal still shows as being sent', () => {
  it('is reported again, but not while a report waits, and not more often than every ten minutes', async () => {
    await answer(1, 10);
    await minutesAgo(11);
    await lookFinds(1);
    expect(bitrixIds(await due())).toEqual(['1']);
    // So late the time of the delivery does not tell when it was reported.
    await reports.settle(outcomes(await due(), { outcome: 'delivered' }), 'me');
    expect(await attempts()).toHaveLength(1);
    await lookFinds(1);
    expect(await due()).toEqual([]);
    await rows(`UPDATE attempts SET finished_at = now() - interval '11 minutes'`);
    await lookFinds(1);
    expect(bitrixIds(await due())).toEqual(['1']);
  });

  it('is not reported again soon after a report that left no attempt', async () => {
    await answer(1, 10);
    await minutesAgo(4);
    await reports.settle(outcomes(await due(), { outcome: 'delivered' }), 'me');
    expect(await attempts()).toEqual([]);
    await minutesAgo(9);
    await lookFinds(1);
    expect(await due()).toEqual([]);
  });
});

it('a hundred thousand reports of one portal in trouble are in nobody’s way', { timeout: 120_000 }, async () => {
  await answer(1, 10);
  await rows(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
              VALUES (2, 'm2', 'ill.bitrix24.com', 'https://ill.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_2')`);
  await rows(`INSERT INTO dialog_reports (portal_id, message_id, kind, line_id, bitrix_chat_id, external_chat_id)
              SELECT 2, (SELECT min(message_id) FROM dialog_reports), 'status', '7', '1', 'tg:1' FROM generate_series(1, 100000)`);
  await rows(`INSERT INTO rest_limits (portal_id, method, until) VALUES (2, '*', now() + interval '1 hour')`);
  await rows(`ANALYZE dialog_reports`);
  const plan = await rows(
    `EXPLAIN (ANALYZE, FORMAT JSON) SELECT FROM dialog_reports WHERE kind = 'note' AND due_at <= now()`,
  );
  expect(JSON.stringify(plan)).toContain('dialog_reports_notes');
  const looks = [1n, 2n].map((portalId) => ({ portalId, from: null }));
  const found = await reports.due(looks, 500);
  expect(found.map(({ portalId, reports: all }) => [portalId, all.length])).toEqual([[PORTAL, 1]]);
  await rows(`DELETE FROM rest_limits`);
  expect((await reports.due(looks, 500)).map(({ reports: all }) => all.length)).toEqual([1, 500]);
});
