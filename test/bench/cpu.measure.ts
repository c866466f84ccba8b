import { sendInALoop } from './direct-sender.js';
import type { Figure } from './figure.js';
import { sendInLoops } from './operators.measure.js';
import { BOT_TOKEN, FIRST_LINE, Stage, UNLIMITED, type BenchContext, type CpuEach } from './stage.js';

const BOTS = 20;
const CHATS_PER_BOT = 40;
const CLIENTS_UNDER_WAY = 1_000;
const ANSWERS_UNDER_WAY = 600;
const BASELINE_SECONDS = 3;

/** P16: CPU of the program and PostgreSQL for one message, each way, with a lot to do. */
export function cpuOfAMessage(context: BenchContext): Promise<Figure[]> {
  const lines = Array.from({ length: BOTS }, (_, n) => String(Number(FIRST_LINE) + n));
  return Stage.use(context, { environment: UNLIMITED, lines }, async (stage) => {
    const tokens = [BOT_TOKEN, ...(await stage.addBots(lines.slice(1).map((lineId) => ({ portal: 0, lineId }))))];
    await stage.networks.call('clientsIntroduceThemselves', CHATS_PER_BOT);
    const access = await stage.networks.call('access');
    const callIn = await cpuOfCalls(() => sendInALoop(access, CHATS_PER_BOT, BASELINE_SECONDS));
    const callOut = await cpuOfCalls(() => sendInLoops(stage, tokens, BASELINE_SECONDS));
    await stage.networks.call('bothWrite', CHATS_PER_BOT, CLIENTS_UNDER_WAY, 0);
    const clients = await stage.flow(context.seconds);
    await stage.networks.call('bothWrite', CHATS_PER_BOT, 0, ANSWERS_UNDER_WAY);
    const operators = await stage.flow(context.seconds);
    const what = 'CPU of the bare call with the same HTTP client';
    const figure = (way: string, { cpuMsEach, count, perSecond }: typeof clients, call: number): Figure => ({
      id: 'P16',
      what: `CPU of a message, ${way} (at ${Math.round(perSecond)}/s)`,
      unit: 'ms',
      value: sumOf(cpuMsEach),
      baseline: { what, value: call },
      cpuMsEach,
      count,
    });
    return [
      { ...figure('operator → Telegram', operators, callOut), target: { atMost: 1.6 } },
      figure('client → Bitrix24', clients, callIn),
    ];
  });
}

function sumOf(cpu: CpuEach): number {
  return cpu === null ? Number.NaN : cpu.program + cpu.postgres;
}

/** Milliseconds of this process for each call. */
async function cpuOfCalls(loop: () => Promise<number>): Promise<number> {
  const before = process.cpuUsage();
  const perSecond = await loop();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000 / (perSecond * BASELINE_SECONDS);
}
