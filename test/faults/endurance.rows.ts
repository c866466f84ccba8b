import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { isSound, settle } from './account.js';
import { seconds } from './crashes.rows.js';
import { check, type Row, type RowContext, type RowResult } from './row.js';
import { Stage, until } from './stage.js';
import { Traffic } from './traffic.js';

const FOUND_MS = 120_000;
/** Bitrix24's standard plan lets 2 requests a second through in the long run. */
const ALLOWED_PER_SECOND = 2;
const SAMPLE_MS = 5_000;

export const enduranceRows: Row[] = [
  {
    id: 'R14',
    fault: 'down while operators write',
    target: 'every missed message found within 2 min of the start',
    run: writtenWhileDown,
  },
  {
    id: 'R18',
    fault: 'long run at 80 % of the allowed rate',
    target: '0 QUERY_LIMIT_EXCEEDED, memory flat',
    run: longRun,
  },
];

function writtenWhileDown(context: RowContext): Promise<RowResult> {
  return Stage.use(context, {}, async (stage) => {
    const downMs = context.full ? 600_000 : 20_000;
    const traffic = await Traffic.begin(stage, 10);
    await traffic.flowFor({ clients: 5, operators: 3 }, 3_000);
    await settle(stage, traffic);
    await stage.program.kill();
    traffic.flow({ clients: 1, operators: 3 });
    for (const chat of traffic.chats) stage.portal.operator({ id: 28 }).whispers(`tg:${chat}`, 'Not for the client');
    await sleep(downMs);
    traffic.pause();
    await stage.portal.events.idle();
    traffic.noteLostEvents();
    const begun = performance.now();
    await stage.start();
    const expected = [...traffic.answers.values()].reduce((sum, count) => sum + count, 0);
    await until(
      () => stage.telegram.ledger().length,
      (count) => count >= expected,
      FOUND_MS,
    );
    const took = performance.now() - begun;
    const account = await settle(stage, traffic);
    const whispers = stage.telegram.ledger().filter(({ text }) => text.includes('Not for the client')).length;
    return {
      done: `${downMs / 1000} s away, ${traffic.eventsLost.size} operator messages meanwhile and ${traffic.chats.length} whispers`,
      account,
      checks: [
        check(
          `all of them with the client ${seconds(took)} after the start`,
          took <= FOUND_MS && account.outbound.lost === 0,
        ),
        check('nothing lost, repeated or out of order', isSound(account)),
        check(`out of order among those found: ${account.outbound.foundLate}`, account.outbound.foundLate === 0),
        check(`whispers sent: ${whispers}`, whispers === 0),
      ],
    };
  });
}

function longRun(context: RowContext): Promise<RowResult> {
  return Stage.use(context, { limits: true }, async (stage) => {
    const ms = context.full ? 3_600_000 : 180_000;
    const traffic = await Traffic.begin(stage, 30);
    // Each message of a client is a request of its own at this rate, each answer one for its delivery status.
    traffic.flow({ clients: 0.65 * ALLOWED_PER_SECOND, operators: 0.15 * ALLOWED_PER_SECOND });
    const memory: number[] = [];
    const begun = Date.now();
    let requests = 0;
    for (let since = begun; Date.now() < begun + ms;) {
      await sleep(SAMPLE_MS);
      const now = Date.now();
      requests += stage.portal.calls.filter(({ at, inBatch }) => !inBatch && at >= since && at < now).length;
      since = now;
      memory.push(await residentMiB(stage.program.pid));
    }
    const perSecond = (requests * 1000) / (Date.now() - begun);
    const account = await settle(stage, traffic);
    const { rejectedByBucket, rejectedByOperating } = stage.portal.ledger();
    const quarter = Math.floor(memory.length / 4);
    const [early, late] = [mean(memory.slice(quarter, 2 * quarter)), mean(memory.slice(-quarter))];
    return {
      done: `${ms / 1000} s, ${perSecond.toFixed(2)} requests a second of ${ALLOWED_PER_SECOND}, ${traffic.written} messages both ways`,
      account,
      checks: [
        check(
          `QUERY_LIMIT_EXCEEDED: ${rejectedByBucket}, OPERATION_TIME_LIMIT: ${rejectedByOperating}`,
          rejectedByBucket + rejectedByOperating === 0,
        ),
        check(
          `memory ${Math.round(early)} MiB in the second quarter, ${Math.round(late)} in the last (+ 10 % at most)`,
          late <= early * 1.1,
        ),
        check('nothing lost, repeated or out of order', isSound(account)),
      ],
    };
  });
}

/** Resident memory of a process; 0 where the system does not tell (anything but Linux). */
async function residentMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024;
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}
