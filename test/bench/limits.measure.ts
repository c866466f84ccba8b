import { setTimeout as sleep } from 'node:timers/promises';
import { directSender, sendInALoop } from './direct-sender.js';
import type { Figure } from './figure.js';
import { FIRST_LINE, query, Stage, type BenchContext } from './stage.js';

/** What Bitrix24 allows a portal (apidocs.bitrix24.com, "Limits"), and what the program is told. */
const REQUESTS_PER_SECOND = 2;
const BURST = 50;
const LIMITED = { B24_REQUESTS_PER_SECOND: String(REQUESTS_PER_SECOND), B24_BURST: String(BURST) };
const WORK_MS = 300;

const PORTALS = 50;
const CHATS_PER_PORTAL = 4;
const ALLOWED = PORTALS * REQUESTS_PER_SECOND;
const BASELINE_SECONDS = 5;
/** Long enough that one request more or less of each portal does not count. */
const STEADY_SECONDS = 20;
/** Few, so that it is soon used up and only what leaks out of the buckets is left to be used. */
const STEADY_BURST = 10;
const BURST_GONE_MS = 60_000;

/** P3: how much of what many portals allow is used, while every chat has words waiting. */
export function manyPortals(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: LIMITED, portals: PORTALS, limits: true }, async (stage) => {
    const others = Array.from({ length: PORTALS - 1 }, (_, n) => ({ portal: n + 1, lineId: FIRST_LINE }));
    await stage.addBots(others);
    await stage.restart({ B24_BURST: String(STEADY_BURST) });
    await stage.networks.call('narrowBuckets', STEADY_BURST);
    await stage.networks.call('delayAnswers', WORK_MS);
    const baseline = await sendInALoop(await stage.networks.call('access'), CHATS_PER_PORTAL, BASELINE_SECONDS);
    await stage.networks.call('clientsWrite', CHATS_PER_PORTAL, CHATS_PER_PORTAL, PORTALS);
    await untilBurstIsGone(stage);
    const { count, perSecond, cpuMsEach, from, to } = await stage.flow(Math.max(STEADY_SECONDS, context.seconds), 0);
    const requests = await stage.networks.call('requests', from, to);
    const what = `client → Bitrix24, ${PORTALS} portals, ${REQUESTS_PER_SECOND} requests/s each, answers after ${WORK_MS} ms`;
    const alone = 'one call after the other, no database';
    return [
      {
        id: 'P3',
        what: `${what}: requests, of ${ALLOWED}/s allowed`,
        unit: '/s',
        value: requests / ((to - from) / 1_000),
        baseline: { what: alone, value: baseline },
        target: { atLeast: 0.95 * ALLOWED },
        count: requests,
      },
      {
        id: 'P3',
        what: `messages in them, ${PORTALS * CHATS_PER_PORTAL} chats`,
        unit: '/s',
        value: perSecond,
        baseline: { what: alone, value: baseline },
        cpuMsEach,
        count,
      },
      await limitErrors('P3', stage),
    ];
  });
}

/** Resolves when the bucket of every portal is as full as the program lets it be. */
async function untilBurstIsGone(stage: Stage): Promise<void> {
  const deadline = Date.now() + BURST_GONE_MS;
  const full = `interval '1 second' * ${(STEADY_BURST - 4) / REQUESTS_PER_SECOND}`;
  for (;;) {
    const { rows } = await query<{ portals: number }>(
      stage.database,
      `SELECT count(*)::int AS portals FROM rest_limits WHERE method = '' AND until > clock_timestamp() + ${full}`,
    );
    if (rows[0]!.portals === PORTALS) return;
    if (Date.now() > deadline) throw new Error(`Only ${rows[0]!.portals} of ${PORTALS} buckets were filled`);
    await sleep(200);
  }
}

const CHATS = 200;
const MESSAGES = 1_000;
/** At this rate one call after the other, without any limit, would take five minutes. */
const DRAIN_WITHIN_MS = 300_000;
/** Calls of the baseline that are really made: the burst, less one for a call that comes early, and the steady rate. */
const BASELINE_AT_ONCE = BURST - 1;
const BASELINE_CALLS = BASELINE_AT_ONCE + 30;

/** P4: a burst of one portal's clients, far above what one call for each message could carry. */
export function burstOfOnePortal(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: LIMITED, portals: 2, limits: true }, async (stage) => {
    await stage.addBots([{ portal: 1, lineId: FIRST_LINE }]);
    await stage.networks.call('workOnMessages', WORK_MS);
    const from = Date.now();
    const seconds = (await stage.networks.call('burst', CHATS, MESSAGES, DRAIN_WITHIN_MS)) / 1_000;
    const requests = await stage.networks.call('requests', from, Date.now());
    await stage.networks.call('assertSound');
    const alone = {
      what:
        `one call for each message at the same limits, no database; the first ${BASELINE_CALLS} measured, ` +
        `the others reckoned at ${REQUESTS_PER_SECOND}/s`,
      value: await secondsOfSingleCalls(stage),
    };
    return [
      {
        id: 'P4',
        what:
          `client → Bitrix24, ${MESSAGES} messages of ${CHATS} chats at once, one portal, bucket of ${BURST}, ` +
          `${REQUESTS_PER_SECOND} requests/s, ${WORK_MS} ms a message`,
        unit: '/s',
        value: MESSAGES / seconds,
        baseline: { ...alone, value: MESSAGES / alone.value },
        target: { timesBaseline: 5 },
        count: MESSAGES,
      },
      { id: 'P4', what: 'until the last one is there', unit: 's', value: seconds, baseline: alone },
      {
        id: 'P4',
        what: 'requests to the portal meanwhile',
        unit: '',
        value: requests,
        baseline: { ...alone, value: MESSAGES },
      },
      await limitErrors('P4', stage),
    ];
  });
}

/** Sends to the second portal, whose bucket nobody else fills. */
async function secondsOfSingleCalls(stage: Stage): Promise<number> {
  const send = directSender((await stage.networks.call('access')).slice(1), CHATS);
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: BASELINE_CALLS }, async (_, n) => {
      await sleep((Math.max(0, n - BASELINE_AT_ONCE + 1) * 1_000) / REQUESTS_PER_SECOND);
      await send(n);
    }),
  );
  return (performance.now() - begun) / 1_000 + (MESSAGES - BASELINE_CALLS) / REQUESTS_PER_SECOND;
}

async function limitErrors(id: string, stage: Stage): Promise<Figure> {
  const value = await stage.networks.call('limitErrors');
  return { id, what: 'QUERY_LIMIT_EXCEEDED and OPERATION_TIME_LIMIT', unit: '', value, target: { atMost: 0 } };
}
