import { setTimeout as sleep } from 'node:timers/promises';
import { latencyOf, type Figure } from './figure.js';
import { Stage, UNLIMITED, type BenchContext } from './stage.js';

const AUTOMATIC = 10_000;
const CHATS = 500;
/** Chats in which people answer meanwhile. */
const LIVE_CHATS = 20;
const PAUSE_MS = 500;
/** A live answer that took longer counts with that. */
const PATIENCE_MS = 30_000;

/** P12: operators' answers through a bot that has a newsletter to send, and what becomes of that. */
export function liveBeforeBulk(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: UNLIMITED }, async (stage) => {
    const { networks } = stage;
    await networks.call('clientsIntroduceThemselves', CHATS);
    const answers = Math.max(20, context.seconds * 2);
    const alone = latencyOf(await networks.call('liveAnswers', answers, LIVE_CHATS, PAUSE_MS, PATIENCE_MS));
    const automatic = await networks.call('automaticTexts', AUTOMATIC, LIVE_CHATS);
    const bulk = await sentPerSecond(stage, () => sleep(context.seconds * 1_000));
    let latencies: number[] = [];
    const both = await sentPerSecond(stage, async () => {
      latencies = await networks.call('liveAnswers', answers, LIVE_CHATS, PAUSE_MS, PATIENCE_MS);
    });
    const latency = latencyOf(latencies);
    return [
      {
        id: 'P12',
        what: `an operator's answer behind ${automatic} automatic texts of its bot, p99 (at most ${PATIENCE_MS / 1_000} s)`,
        unit: 'ms',
        value: latency.p99,
        latency,
        baseline: { what: 'the same with nothing else to send', value: alone.p99, latency: alone },
        target: { atMost: 1_000 },
        count: answers,
      },
      {
        id: 'P12',
        what: 'messages of the bot meanwhile',
        unit: '/s',
        value: both,
        baseline: { what: 'automatic texts alone', value: bulk },
        target: { timesBaseline: 0.9 },
      },
    ];
  });
}

async function sentPerSecond({ networks }: Stage, work: () => Promise<unknown>): Promise<number> {
  const [before, begun] = [await networks.call('sent'), performance.now()];
  await work();
  return ((await networks.call('sent')) - before) / ((performance.now() - begun) / 1_000);
}
