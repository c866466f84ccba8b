import { latencyOf, type Figure } from './figure.js';
import { callLatency } from './operators.measure.js';
import { sendInALoop } from './direct-sender.js';
import { FIRST_LINE, Stage, UNLIMITED, type BenchContext } from './stage.js';

const BOTS = 400;
const CHATS_PER_BOT = 2;
const UNDER_WAY = 1_000;
const PAUSE_MS = 50;
/** An answer that took longer counts with that. */
const PATIENCE_MS = 30_000;
const BASELINE_SECONDS = 5;

/** P15: hundreds of bots whose updates one process asks for by long polling. */
export function manyPollingBots(context: BenchContext): Promise<Figure[]> {
  const lines = Array.from({ length: BOTS }, (_, n) => String(Number(FIRST_LINE) + n));
  return Stage.use(context, { environment: UNLIMITED, lines }, async (stage) => {
    await stage.addBots(lines.slice(1).map((lineId) => ({ portal: 0, lineId })));
    await stage.networks.call('clientsIntroduceThemselves', CHATS_PER_BOT);
    const call = await callLatency(stage);
    const loop = await sendInALoop(await stage.networks.call('access'), BOTS * CHATS_PER_BOT, BASELINE_SECONDS);
    const answers = Math.max(100, context.seconds * 20);
    // The first ones warm up what compiles and connects.
    await stage.networks.call('liveAnswers', 20, BOTS * CHATS_PER_BOT, PAUSE_MS, PATIENCE_MS);
    const latency = latencyOf(
      await stage.networks.call('liveAnswers', answers, BOTS * CHATS_PER_BOT, PAUSE_MS, PATIENCE_MS),
    );
    await stage.networks.call('bothWrite', CHATS_PER_BOT, UNDER_WAY, 0);
    const { count, perSecond, cpuMsEach } = await stage.flow(context.seconds);
    return [
      {
        id: 'P15',
        what: `operator → Telegram while ${BOTS} bots of one process poll, p99 (at most ${PATIENCE_MS / 1_000} s)`,
        unit: 'ms',
        value: latency.p99,
        latency,
        baseline: { what: 'sendMessage alone', value: call.p99, latency: call },
        target: { atMost: 200 },
        count: answers,
      },
      {
        id: 'P15',
        what: `client → Bitrix24, ${BOTS} bots`,
        unit: '/s',
        value: perSecond,
        baseline: { what: 'one call after the other with the same HTTP client, no database', value: loop },
        target: { atLeast: 1_500 },
        cpuMsEach,
        count,
      },
    ];
  });
}
