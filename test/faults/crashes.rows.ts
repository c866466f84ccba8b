import { setTimeout as sleep } from 'node:timers/promises';
import { isSound, settle } from './account.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

const CHATS = 20;
/** Promised: another process, or the next start, has taken over by then. */
const RECOVERY_MS = 30_000;
const DRAIN_MS = 10_000;
/** Both networks take their time, so that every kill meets calls that are under way. */
const ANSWER_MS = 40;

export const crashRows: Row[] = [
  {
    id: 'R1',
    fault: 'kill -9 under load, peers healthy',
    target: 'lost 0, duplicated 0, uncertain ≤ sends in flight, recovered in ≤ 30 s',
    run: killedUnderLoad,
  },
  {
    id: 'R2',
    fault: 'kill -9 while Bitrix24 answers 503',
    target: 'lost 0, duplicated 0',
    run: killedDuringOutage,
  },
  {
    id: 'R16',
    fault: 'SIGTERM under load',
    target: 'exit 0 in ≤ 10 s, lost 0, nothing sent again, nothing uncertain',
    run: stoppedUnderLoad,
  },
];

function killedUnderLoad(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const kills = context.full ? 200 : 15;
    const traffic = await Traffic.begin(stage, CHATS);
    slowDown(stage, ANSWER_MS);
    traffic.flow({ clients: 10, operators: 3 });
    const recoveries: number[] = [];
    let inFlight = 0;
    for (let n = 0; n < kills; n++) {
      await sleep(Math.random() * 800);
      await stage.program.kill();
      inFlight += await sendsInFlight(stage);
      const before = arrivals(stage);
      const begun = performance.now();
      await stage.start();
      const recovered = await until(
        () => arrivals(stage),
        (now) => now.every((count, side) => count > before[side]!),
        60_000,
      );
      recoveries.push(recovered.ok ? performance.now() - begun : Infinity);
    }
    const account = await settle(stage, traffic, 180_000);
    const slowest = Math.max(...recoveries);
    return {
      done: `${kills} × kill -9, ${traffic.written} messages both ways in ${CHATS} chats`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(
          `uncertain ${account.outbound.uncertain} ≤ ${inFlight} sends begun and not yet written down as answered`,
          account.outbound.uncertain <= inFlight,
        ),
        check(`both directions flow again ${seconds(slowest)} after the kill`, slowest <= RECOVERY_MS),
      ],
    };
  });
}

function killedDuringOutage(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const kills = context.full ? 20 : 4;
    const traffic = await Traffic.begin(stage, CHATS);
    stage.bitrix24.faults.next('*', { html: 503, performed: false }, Infinity);
    let attempts = 0;
    for (let n = 0; n < kills; n++) {
      traffic.flow({ clients: 20, operators: 0 });
      const before = await attemptsOf(stage);
      const tried = await until(
        () => attemptsOf(stage),
        (count) => count > before,
        RECOVERY_MS,
      );
      if (tried.ok) attempts++;
      traffic.pause();
      await stage.killAndStart();
    }
    stage.bitrix24.faults.clear();
    const account = await settle(stage, traffic);
    return {
      done: `${kills} × kill -9 during one outage, ${traffic.written} messages of clients`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(`every program had tried to send before it was killed: ${attempts} of ${kills}`, attempts === kills),
      ],
    };
  });
}

function stoppedUnderLoad(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const stops = context.full ? 20 : 4;
    const traffic = await Traffic.begin(stage, CHATS);
    slowDown(stage, 500);
    traffic.flow({ clients: 20, operators: 10 });
    const ends: { code: number | null; ms: number }[] = [];
    for (let n = 0; n < stops; n++) {
      const before = arrivals(stage);
      await until(
        () => arrivals(stage),
        (now) => now.every((count, side) => count > before[side]!),
        RECOVERY_MS,
      );
      await sleep(1_000 + Math.random() * 1_000);
      const begun = performance.now();
      const code = await stage.program.stop();
      ends.push({ code, ms: performance.now() - begun });
      await stage.start();
    }
    const account = await settle(stage, traffic);
    const slowest = Math.max(...ends.map(({ ms }) => ms));
    return {
      done: `${stops} × SIGTERM, ${traffic.written} messages both ways; sends take 0.5 s`,
      account,
      checks: [
        check('nothing lost, repeated or out of order', isSound(account)),
        check(`nothing uncertain: ${account.outbound.uncertain}`, account.outbound.uncertain === 0),
        check(
          `exit codes ${ends.map(({ code }) => code).join(' ')}`,
          ends.every(({ code }) => code === 0),
        ),
        check(`drained in ${seconds(slowest)} at most`, slowest <= DRAIN_MS),
      ],
    };
  });
}

export function slowDown(stage: Stage, ms: number): void {
  stage.telegram.faults.next('sendMessage', { delayMs: ms }, Infinity);
  stage.bitrix24.faults.next('imconnector.send.messages', { delayMs: ms }, Infinity);
}

/** Messages that Bitrix24 and Telegram have. */
export function arrivals(stage: Stage): number[] {
  return [stage.portal.lines.messages.size, stage.telegram.ledger().length];
}

/** Answers that the program was sending to Telegram when it last wrote anything down. */
export async function sendsInFlight(stage: Stage): Promise<number> {
  const [row] = await stage.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM deliveries d JOIN lanes l ON l.id = d.lane_id
      WHERE d.state = 'sending' AND l.channel = 'outbound'`,
  );
  return row!.count;
}

async function attemptsOf(stage: Stage): Promise<number> {
  const [row] = await stage.query<{ count: number }>('SELECT count(*)::int AS count FROM attempts');
  return row!.count;
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
