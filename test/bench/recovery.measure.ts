import { setTimeout as sleep } from 'node:timers/promises';
import { Program } from '../support/program.js';
import { CHATS, UNDER_WAY } from './clients.measure.js';
import type { Figure } from './figure.js';
import { query, Stage, UNLIMITED, type BenchContext } from './stage.js';

const WAITING = 10_000;
const FILL_WITHIN_MS = 45_000;
/** Longer than the program waits for an answer (65 s): until the kill no send has an outcome. */
const NO_ANSWER_MS = 120_000;
const RECOVER_WITHIN_MS = 60_000;
/** Two figures of a noisy machine closer to each other than this count as the same. */
const SAME = 0.9;

/**
 * P7: `kill -9` with many messages waiting and sends under way that Bitrix24 has performed and not answered yet. The
 * program is started again at once; what arrived before the kill must not come twice.
 */
export function recovery(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: UNLIMITED }, async (stage) => {
    await stage.networks.call('clientsWrite', CHATS, UNDER_WAY);
    const before = await stage.flow(context.seconds);
    await stage.networks.call('delayAnswers', NO_ANSWER_MS);
    await stage.networks.call('clientsWrite', CHATS, WAITING);
    await untilWaiting(stage, WAITING);
    await stage.networks.call('healBitrix24');

    const killedAt = Date.now();
    const [firstAt] = await Promise.all([stage.networks.call('nextArrival', RECOVER_WITHIN_MS), killAndStart(stage)]);
    const after = await stage.flow(context.seconds, 0);
    return [
      {
        id: 'P7',
        what: `kill -9 with ${WAITING} messages waiting, started again at once: until the first one arrives`,
        unit: 's',
        value: (firstAt - killedAt) / 1_000,
        target: { atMost: 10 },
      },
      {
        id: 'P7',
        what: `client → Bitrix24 from then on, still ${WAITING} waiting`,
        unit: '/s',
        value: after.perSecond,
        baseline: { what: `P2 before the kill, ${UNDER_WAY} under way`, value: before.perSecond },
        target: { timesBaseline: SAME },
        cpuMsEach: after.cpuMsEach,
        count: after.count,
      },
    ];
  });
}

async function killAndStart(stage: Stage): Promise<void> {
  await stage.program.kill();
  stage.program = await Program.start(stage.environment);
}

async function untilWaiting(stage: Stage, messages: number): Promise<void> {
  const deadline = Date.now() + FILL_WITHIN_MS;
  for (;;) {
    const { rows } = await query<{ pending: number }>(
      stage.database,
      `SELECT coalesce(sum(pending), 0)::int AS pending FROM lanes WHERE channel = 'inbound'`,
    );
    if (rows[0]!.pending >= messages) return;
    if (Date.now() > deadline) throw new Error(`Only ${rows[0]!.pending} of ${messages} messages were kept`);
    await sleep(100);
  }
}
