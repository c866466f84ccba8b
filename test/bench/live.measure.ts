import { setTimeout as sleep } from 'node:timers/promises';
import { latencyOf, type Figure } from './figure.js';
import { query, Stage, UNLIMITED, type BenchContext } from './stage.js';

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
    await networks.call('automaticTexts', AUTOMATIC, LIVE_CHATS);
    const bulk = await sentPerSecond(stage, () => sleep(context.seconds * 1_000));
    const waiting = await waitingAnswers(stage);
    let latencies: number[] = [];
    const both = await sentPerSecond(stage, async () => {
      latencies = await networks.call('liveAnswers', answers, LIVE_CHATS, PAUSE_MS, PATIENCE_MS);
    });
    const left = await waitingAnswers(stage);
    if (left === 0) throw new Error(`All ${waiting} automatic texts were gone before the live answers`);
    const latency = latencyOf(latencies);
    return [
      {
        id: 'P12',
        what: `an operator's answer while ${waiting} to ${left} automatic texts of its bot wait, p99 (at most ${PATIENCE_MS / 1_000} s)`,
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

async function waitingAnswers({ database }: Stage): Promise<number> {
  const sql = `SELECT coalesce(sum(pending), 0)::int AS waiting FROM lanes WHERE channel = 'outbound'`;
  return (await query<{ waiting: number }>(database, sql)).rows[0]!.waiting;
}

async function sentPerSecond({ networks }: Stage, work: () => Promise<unknown>): Promise<number> {
  const [before, begun] = [await networks.call('sent'), performance.now()];
  await work();
  return ((await networks.call('sent')) - before) / ((performance.now() - begun) / 1_000);
}
