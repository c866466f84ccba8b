import { setTimeout as sleep } from 'node:timers/promises';
import type { Program } from '../support/program.js';
import { isSound, settle } from './account.js';
import { arrivals, seconds, sendsInFlight, slowDown } from './crashes.rows.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { HANDLER_SECRET, Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

const TAKE_OVER_MS = 30_000;
const SEND = 'imconnector.send.messages';

export const replicaRows: Row[] = [
  {
    id: 'R8',
    fault: '3 processes, 5 % random 5xx, kills',
    target: '0 inversions per chat and direction, lost 0, duplicated 0',
    run: keptInOrder,
  },
  {
    id: 'R9',
    fault: 'every update and event three times, at once to three processes',
    target: 'one delivery each',
    run: threefold,
  },
  {
    id: 'R12',
    fault: 'clocks 5 min apart',
    target: 'no double lease; lost 0, duplicated 0',
    run: clocksApart,
  },
  {
    id: 'R13',
    fault: 'two pollers for one bot, one frozen and resumed',
    target: 'one active, the frozen one cannot write; lost 0, duplicated 0',
    run: frozen,
  },
];

function keptInOrder(context: RowContext): Promise<RowResult> {
  return Stage.use(context, { replicas: 3 }, async (stage) => {
    const [messages, chats, kills] = context.full ? [100_000, 500, 40] : [5_000, 50, 4];
    const traffic = await Traffic.begin(stage, chats);
    const now = () => Math.random() < 0.05;
    const { bitrix24, telegram } = stage;
    bitrix24.faults.next('batch', { html: 503, performed: false }, Infinity, now);
    bitrix24.faults.next('batch', { html: 502, performed: true }, Infinity, now);
    bitrix24.faults.next(SEND, { status: 500, error: 'INTERNAL_SERVER_ERROR' }, Infinity, now);
    telegram.faults.next('sendMessage', { gateway: 502, performed: false }, Infinity, now);
    // One bot sends 28 a second; most is written by clients, so that both directions end together.
    traffic.flow({ clients: 70, operators: 14 }, messages);
    for (let n = 0; n < kills; n++) {
      await sleep(10_000 + Math.random() * 3_000);
      await stage.killAndStart(n % 3);
    }
    await until(
      () => traffic.written,
      (count) => count >= messages + chats,
      3_600_000,
    );
    const account = await settle(stage, traffic, context.full ? 3_600_000 : 240_000);
    return {
      done: `${traffic.written} messages, ${chats} chats, ${kills} × kill -9`,
      account,
      checks: [
        check('0 inversions', account.inbound.reordered + account.outbound.reordered === 0),
        check('nothing lost or repeated', isSound(account)),
      ],
      notes: [
        `${traffic.eventsLost.size} events were lost with the process that was killed over them; ` +
          `${account.outbound.foundLate} of those messages were found after a later one of their chat.`,
      ],
    };
  });
}

function threefold(context: RowContext): Promise<RowResult> {
  return Stage.use(context, { replicas: 3, environment: { TG_USE_POLLING: '0' } }, async (stage) => {
    const rounds = context.full ? 100 : 10;
    const traffic = await Traffic.begin(stage, 20);
    const statuses: number[] = [];
    const toAll = async (path: string, body: unknown) => {
      const answers = await Promise.all(stage.programs.map((program) => program.post(path, body)));
      statuses.push(...answers.map(({ status }) => status));
    };
    const { events } = stage.portal;
    for (let n = 0; n < rounds; n++) {
      events.loseNext(traffic.chats.length);
      const before = events.journal.length;
      for (const chat of traffic.chats) traffic.reply(chat);
      await events.idle();
      const bodies = events.journal.slice(before).filter(({ outcome }) => outcome === 'lost');
      const updates = traffic.chats.map((chat) => traffic.ask(chat));
      await Promise.all([
        ...bodies.map(({ body }) => toAll(`/b24/handler?secret=${HANDLER_SECRET}`, body)),
        ...updates.map((update) => toAll('/tg/webhook', update)),
      ]);
    }
    const account = await settle(stage, traffic);
    return {
      done: `${traffic.written} messages both ways, each posted three times at once, updates once more by Telegram itself`,
      account,
      checks: [
        check('one delivery each, in order', isSound(account) && account.outbound.foundLate === 0),
        check(
          'every post was answered 200',
          statuses.every((status) => status === 200),
        ),
      ],
    };
  });
}

const SHARED_MS = 15_000;

function clocksApart(context: RowContext): Promise<RowResult> {
  const preload = new URL('shifted-clock.mjs', import.meta.url).href;
  const shifted = { NODE_OPTIONS: `--import=${preload}`, SHIFT_CLOCK_MS: String(5 * 60_000) };
  return Stage.use(context, { replicas: 2, each: [{}, shifted] }, async (stage) => {
    const ms = context.full ? 300_000 : 15_000;
    const traffic = await Traffic.begin(stage, 20);
    const fences: string[] = [];
    const takeOvers: number[] = [];
    let conflicts = 0;
    traffic.flow({ clients: 10, operators: 5 });
    await sleep(2_000);
    for (const leave of [await stage.driver('bot:'), undefined]) {
      // Until both have their share: what is handed over for that changes hands in good order.
      await sleep(SHARED_MS);
      // A killed poller's poll is still open at Telegram and ends with a 409 that nobody reads: not counted.
      const before = pollConflicts(stage);
      fences.push(...(await watchFences(stage, ms)));
      conflicts += pollConflicts(stage) - before;
      // The second time whoever drives by then, so that both clocks have been at it.
      const leaving = leave ?? (await stage.driver('bot:'));
      const number = stage.programs.indexOf(leaving!);
      await leaving!.kill();
      takeOvers.push(await flowsAgain(stage));
      await stage.start(number);
    }
    const account = await settle(stage, traffic, 180_000);
    return {
      done: `one of two programs 5 min ahead, ${(2 * ms) / 1000} s, the driver killed twice; ${traffic.written} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(`leases that changed hands while both were up: ${fences.length}`, fences.length === 0),
        check(`polls refused as the second of two while both were up: ${conflicts}`, conflicts === 0),
        check(
          `taken over within ${takeOvers.map(seconds).join(', ')}`,
          takeOvers.every((took) => took <= TAKE_OVER_MS),
        ),
      ],
    };
  });
}

/** Endpoints whose fence changed within this time. */
async function watchFences(stage: Stage, ms: number): Promise<string[]> {
  const read = () => stage.query<{ id: string; fence: string }>('SELECT id, fence::text FROM endpoints ORDER BY id');
  const first = new Map((await read()).map(({ id, fence }) => [id, fence]));
  await sleep(ms);
  return (await read()).filter(({ id, fence }) => first.get(id) !== fence).map(({ id }) => id);
}

function frozen(context: RowContext): Promise<RowResult> {
  return Stage.use(context, { replicas: 2 }, async (stage) => {
    const [rounds, ms] = context.full ? [3, 60_000] : [1, 20_000];
    const traffic = await Traffic.begin(stage, 20);
    slowDown(stage, 100);
    const takeOvers: number[] = [];
    let inFlight = 0;
    let conflicts = 0;
    for (let n = 0; n < rounds; n++) {
      traffic.flow({ clients: 10, operators: 5 });
      await sleep(3_000);
      const sleeper = await driverOf(stage);
      // A load balancer that notices: what it sends to a frozen process would be lost until it is looked for.
      stage.leadToRunning([sleeper]);
      sleeper.signal('SIGSTOP');
      const since = performance.now();
      inFlight += await sendsInFlight(stage);
      takeOvers.push(await flowsAgain(stage));
      await sleep(Math.max(0, ms - (performance.now() - since)));
      const before = pollConflicts(stage);
      sleeper.signal('SIGCONT');
      await sleep(5_000);
      conflicts += pollConflicts(stage) - before;
      stage.leadToRunning();
      traffic.pause();
    }
    const account = await settle(stage, traffic, 180_000);
    return {
      done: `${rounds} × SIGSTOP for ${ms / 1000} s, then SIGCONT; ${traffic.written} messages both ways`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(
          `uncertain ${account.outbound.uncertain} ≤ ${inFlight} sends in flight`,
          account.outbound.uncertain <= inFlight,
        ),
        check(
          `taken over within ${takeOvers.map(seconds).join(', ')}`,
          takeOvers.every((took) => took <= TAKE_OVER_MS),
        ),
        check(`polls refused after the return: ${conflicts}`, conflicts === 0),
      ],
    };
  });
}

async function driverOf(stage: Stage): Promise<Program> {
  const driver = await stage.driver('bot:');
  if (!driver) throw new Error('Nobody drives the bot');
  return driver;
}

/** Milliseconds until something new has arrived on both sides. */
async function flowsAgain(stage: Stage): Promise<number> {
  // What was answered just before is still under way.
  await sleep(500);
  const before = arrivals(stage);
  const flows = await until(
    () => arrivals(stage),
    (now) => now.every((count, side) => count > before[side]!),
    60_000,
  );
  return flows.ok ? flows.ms + 500 : Infinity;
}

function pollConflicts(stage: Stage): number {
  return stage.telegram.calls.filter(({ method, status }) => method === 'getUpdates' && status === 409).length;
}
