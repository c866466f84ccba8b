import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { latencyOf, type Figure } from './figure.js';
import type { Paced } from './networks.process.js';
import { FIRST_LINE, Stage, UNLIMITED, type BenchContext } from './stage.js';

/** As many as their limit of 28/s and that of their chats (1/s each) need for the pace. */
const BOTS = 12;
const CHATS_PER_BOT = 25;
/** Each way. */
const PACE = 150;
const WARM_UP_SECONDS = 5;
/** From here on (`--seconds`) the transaction is as old as the target has it; a minute shows the slope. */
const LONG_FORM_SECONDS = 60;

/** P13: what a backup, a report or a forgotten session, which keeps every old version of every row, costs. */
export function besideLongTransaction(context: BenchContext): Promise<Figure[]> {
  const openSeconds = context.seconds >= LONG_FORM_SECONDS ? 600 : 60;
  const lines = Array.from({ length: BOTS }, (_, n) => String(Number(FIRST_LINE) + n));
  return Stage.use(context, { environment: UNLIMITED, lines }, async (stage) => {
    await stage.addBots(lines.slice(1).map((lineId) => ({ portal: 0, lineId })));
    await stage.networks.call('clientsIntroduceThemselves', CHATS_PER_BOT);
    await stage.networks.call('writeAtPace', CHATS_PER_BOT, PACE);
    await sleep(WARM_UP_SECONDS * 1_000);
    const before = await measured(stage, context.seconds);
    const client = new Client({ connectionString: stage.database });
    await client.connect();
    await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM messages');
    await sleep((openSeconds - context.seconds) * 1_000);
    const during = await measured(stage, context.seconds);
    await client.end();
    await stage.networks.call('stopWriting');
    await stage.networks.call('assertSound');
    const figures = (way: string, old: Paced, { latencies, perSecond }: Paced): Figure[] => {
      const [latency, plain] = [latencyOf(latencies), latencyOf(old.latencies)];
      const what = `${way}, ${PACE}/s each way, beside a REPEATABLE READ transaction of ${openSeconds} s`;
      const baseline = { what: 'the same before it', value: old.perSecond, latency: plain };
      return [
        { id: 'P13', what, unit: '/s', value: perSecond, latency, baseline, target: { timesBaseline: 0.8 } },
        {
          id: 'P13',
          what: `${way}, p99`,
          unit: 'ms',
          value: latency.p99,
          baseline: { what: 'the same before it', value: plain.p99 },
          target: { atMost: plain.p99 * 1.2 },
          count: latencies.length,
        },
      ];
    };
    return [
      ...figures('client → Bitrix24', before.clients, during.clients),
      ...figures('operator → Telegram', before.operators, during.operators),
    ];
  });
}

async function measured({ networks }: Stage, seconds: number) {
  const from = performance.timeOrigin + performance.now();
  await sleep(seconds * 1_000);
  const to = performance.timeOrigin + performance.now();
  return networks.call('pacedBetween', from, to);
}
