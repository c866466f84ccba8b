import { Environment } from '../../src/config/environment.js';
import { TelegramClient, type BotApi } from '../../src/telegram/api/telegram.client.js';
import { latencyOf, type Figure, type Latency } from './figure.js';
import { BOT_TOKEN, FIRST_LINE, Stage, UNLIMITED, type BenchContext } from './stage.js';

const BOTS = 40;
/** A private chat takes one message a second: enough chats that the bots are the limit. */
const CHATS_PER_BOT = 40;
/** Enough for every bot to have its next messages at hand. */
const UNDER_WAY = 1_200;
const PAUSE_MS = 60;
const BASELINE_SECONDS = 5;
const BASELINE_SAMPLES = 100;

/** P5: how soon an operator's answer is at Telegram when nothing else is going on. */
export function answerLatency(context: BenchContext): Promise<Figure[]> {
  return Stage.use(context, { environment: UNLIMITED }, async (stage) => {
    await stage.networks.call('clientsIntroduceThemselves', CHATS_PER_BOT);
    const baseline = await callLatency(stage);
    // The first answers warm up what compiles and connects.
    await stage.networks.call('answerLatencies', 10, PAUSE_MS);
    const count = Math.max(20, context.seconds * 10);
    const latency = latencyOf(await stage.networks.call('answerLatencies', count, PAUSE_MS));
    await stage.networks.call('assertSound');
    return [
      {
        id: 'P5',
        what: 'operator → Telegram, idle: from the event to the message',
        unit: 'ms',
        value: latency.p50,
        latency,
        baseline: { what: 'sendMessage alone', value: baseline.p50, latency: baseline },
        target: { p50: 8, p99: 20 },
        count,
      },
    ];
  });
}

/** P6: operators' answers through many bots. */
export function operatorsToTelegram(context: BenchContext): Promise<Figure[]> {
  const lines = Array.from({ length: BOTS }, (_, n) => String(Number(FIRST_LINE) + n));
  return Stage.use(context, { environment: UNLIMITED, lines }, async (stage) => {
    const others = lines.slice(1).map((lineId) => ({ portal: 0, lineId }));
    const tokens = [BOT_TOKEN, ...(await stage.addBots(others))];
    await stage.networks.call('clientsIntroduceThemselves', CHATS_PER_BOT);
    const baseline = await sendInLoops(stage, tokens, BASELINE_SECONDS);
    await stage.networks.call('operatorWrites', UNDER_WAY);
    const { count, perSecond, cpuMsEach } = await stage.flow(context.seconds);
    return [
      {
        id: 'P6',
        what: `operator → Telegram, ${BOTS} bots (28 messages/s each at most), ${BOTS * CHATS_PER_BOT} chats`,
        unit: '/s',
        value: perSecond,
        baseline: { what: `${BOTS} loops of sendMessage with the same HTTP client, no database`, value: baseline },
        target: { atLeast: 1_000, timesBaseline: 0.5 },
        cpuMsEach,
        count,
      },
    ];
  });
}

export async function callLatency(stage: Stage): Promise<Latency> {
  const { calls } = clientFor(stage)(BOT_TOKEN);
  const samples: number[] = [];
  for (let n = 0; n < BASELINE_SAMPLES; n++) {
    const begun = performance.now();
    await calls.sendMessage({ chat_id: 1_000_000, text: `Alone ${n}` });
    samples.push(performance.now() - begun);
  }
  return latencyOf(samples);
}

/** Messages per second of one loop for each bot. */
export async function sendInLoops(stage: Stage, tokens: string[], seconds: number): Promise<number> {
  const api = clientFor(stage);
  const begun = performance.now();
  const counts = await Promise.all(
    tokens.map(async (token, bot) => {
      const { calls } = api(token);
      let sent = 0;
      while (performance.now() < begun + seconds * 1_000) {
        await calls.sendMessage({ chat_id: 1_000_000 + bot * 1_000 + (sent % CHATS_PER_BOT), text: `Alone ${sent}` });
        sent += 1;
      }
      return sent;
    }),
  );
  return counts.reduce((sum, count) => sum + count, 0) / ((performance.now() - begun) / 1_000);
}

function clientFor(stage: Stage): (token: string) => BotApi {
  const environment = Object.assign(new Environment(), { TG_API_ROOT: stage.environment.TG_API_ROOT });
  const client = new TelegramClient(environment);
  return (token) => client.bot(token);
}
