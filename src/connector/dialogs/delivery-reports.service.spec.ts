import { afterEach, beforeEach, expect, it } from 'vitest';
import { UpstreamError } from '../../common/upstream-error.js';
import { RelayEvents } from '../../relay/relay-events.js';
import type { DeliveryReport, ReportOutcome } from '../../storage/work/delivery-reports.repository.js';
import { DeliveryReportsService } from './delivery-reports.service.js';

let waiting: DeliveryReport[];
let requests: { ids: bigint[]; permit: boolean }[];
let settled: ReportOutcome[];
let owned: bigint[];
let room: boolean;
let trouble: UpstreamError | null;
let running: DeliveryReportsService;

beforeEach(() => {
  [waiting, requests, settled, owned, room, trouble] = [[], [], [], [1n], true, null];
});
afterEach(() => running.beforeApplicationShutdown());

let id = 0n;
const report = (lineId: string | null, { ageMs = 0, portalId = 1n } = {}): DeliveryReport => ({
  id: ++id,
  portalId,
  messageId: id,
  attempt: 1,
  queuedAt: new Date(Date.now() - ageMs),
  messageCreatedAt: new Date(),
  told: false,
  chat: { externalId: `tg:${id}`, lineId, bitrixChatId: '1' },
  deliveries: [
    { seq: 1n, kind: 'status', message: { bitrixMessageId: '1', bitrixChatId: '1', telegramMessageIds: [1n] } },
  ],
});

function start(): void {
  const due = (looks: { portalId: bigint }[]) =>
    Promise.resolve(
      looks.map(({ portalId }) => ({
        portalId,
        at: new Date(),
        reports: waiting.filter((one) => one.portalId === portalId),
      })),
    );
  const settle = (outcomes: ReportOutcome[]) => {
    settled.push(...outcomes);
    waiting = waiting.filter((one) => !outcomes.some((outcome) => outcome.report === one));
    return Promise.resolve();
  };
  const reportStatus = (_portal: unknown, lanes: DeliveryReport[], _caller: unknown, permit: boolean) => {
    requests.push({ ids: lanes.map((lane) => lane.id), permit });
    return Promise.resolve(
      lanes.map(() => ({
        deliveries: [trouble ? { seq: 1n, delivered: false, error: trouble } : { seq: 1n, delivered: true }],
      })),
    );
  };
  running = new DeliveryReportsService(
    ...([
      { due, settle },
      { findById: () => Promise.resolve({ state: 'active' }) },
      { status: () => owned.map((portal) => ({ id: `portal:${portal}`, owned: true, healthy: true })) },
      { takeBehindWords: () => Promise.resolve(room) },
      { reportStatus },
      new RelayEvents(),
    ] as unknown as ConstructorParameters<typeof DeliveryReportsService>),
  );
  running.onApplicationBootstrap();
}

const moment = () => new Promise((resolve) => setTimeout(resolve, 100));

it('reports what waits for a portal in one request, of all its lines, and nothing of portals that others drive', async () => {
  waiting = [report('7'), report('8'), report('7'), report('7', { portalId: 2n })];
  const [first, second, third, others] = waiting.map((one) => one.id);
  start();
  await moment();
  expect(requests).toEqual([{ ids: [first, third, second], permit: true }]);
  expect(settled.map(({ outcome }) => outcome)).toEqual(['delivered', 'delivered', 'delivered']);
  expect(waiting.map((one) => one.id)).toEqual([others]);
});

it('waits while words need what the portal allows, but not for longer than ten seconds', async () => {
  room = false;
  waiting = [report('7', { ageMs: 9_000 })];
  start();
  await moment();
  expect(requests).toEqual([]);
  expect(settled).toEqual([]);
  await running.beforeApplicationShutdown();
  waiting = [report('7'), report('7', { ageMs: 10_001 })];
  start();
  await moment();
  expect(requests).toMatchObject([{ permit: false }]);
  expect(requests[0]!.ids).toHaveLength(2);
});

it.each([
  ['not_sent', 'retry'],
  ['unknown', 'retry'],
  ['unauthorised', 'retry'],
  ['refused', 'failed'],
] as const)('after %s the report is to %s', async (kind, outcome) => {
  trouble = new UpstreamError({ network: 'bitrix24', kind, scope: 'message', code: 'X', detail: 'x' });
  waiting = [report('7')];
  start();
  await moment();
  expect(settled).toMatchObject([{ outcome, code: 'X', detail: 'x' }]);
});

it('gives up what has no line to go to any more, and makes no request for it', async () => {
  room = false;
  waiting = [report(null)];
  start();
  await moment();
  expect(requests).toEqual([]);
  expect(settled).toMatchObject([{ outcome: 'failed', code: 'NO_LINE' }]);
});
