import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { latencyOf, type Figure, type Target } from './figure.js';
import { load, type LoadResult } from './keep-alive-load.js';
import { createDatabase, CpuMeter, dropDatabase, Stage, UNLIMITED, type BenchContext, type CpuEach } from './stage.js';

const CONNECTIONS = 50;
const PACE = 1_500;
const CHATS = 500;
const WARM_UP_SECONDS = 2;
const SECRET = 'bench-webhook-secret';
export const WEBHOOK = { TG_USE_POLLING: '0', TG_WEBHOOK_SECRET: SECRET };

/** P1: updates that Telegram pushes, acknowledged after their commit: at a pace, and as fast as it goes. */
export async function acknowledgements(context: BenchContext): Promise<Figure[]> {
  const pacedBaseline = await measureBaseline(context, PACE);
  const paced = await measureProgram(context, {}, PACE);
  const baseline = await measureBaseline(context);
  const waiting = await measureProgram(context, {});
  const sending = await measureProgram(context, UNLIMITED);
  const figure = (
    what: string,
    { result, cpuMsEach }: typeof waiting,
    compared: LoadResult,
    target: Target | undefined,
  ): Figure => ({
    id: 'P1',
    what,
    unit: '/s',
    value: result.answered / result.seconds,
    latency: latencyOf(result.samples),
    baseline: {
      what: 'Fastify and pg, one INSERT for each request',
      value: compared.answered / compared.seconds,
      latency: latencyOf(compared.samples),
    },
    ...(target && { target }),
    cpuMsEach,
    count: result.answered,
  });
  return [
    figure(`webhook acknowledgements, ${CONNECTIONS} connections, ${PACE}/s come`, paced, pacedBaseline, {
      p50: 5,
      p99: 30,
    }),
    figure('the same, as fast as they are answered, a portal that takes 2 calls/s', waiting, baseline, {
      atLeast: 3_000,
      timesBaseline: 0.5,
    }),
    figure('the same while they are sent on as fast as it goes', sending, baseline, undefined),
  ];
}

/** Pushes so many updates and waits for their acknowledgements. */
export function pushUpdates(stage: Stage, requests: number): Promise<LoadResult> {
  return push(`${stage.program.url}/tg/webhook`, { requests });
}

function measureProgram(context: BenchContext, environment: Record<string, string>, perSecond?: number) {
  return Stage.use(context, { environment: { ...WEBHOOK, ...environment } }, async (stage) => {
    let meter: Promise<CpuMeter> | undefined;
    const onCounting = () => void (meter = CpuMeter.start(stage));
    const result = await push(`${stage.program.url}/tg/webhook`, { ...timing(context, perSecond), onCounting });
    const cpuMsEach: CpuEach = await (await meter!).each(result.answered);
    return { result, cpuMsEach };
  });
}

async function measureBaseline(context: BenchContext, perSecond?: number): Promise<LoadResult> {
  const database = await createDatabase(context.postgresUrl);
  const script = fileURLToPath(new URL('baseline.ts', import.meta.url));
  const server = spawn(process.execPath, [...process.execArgv, script, database], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [url] = (await once(createInterface(server.stdout), 'line')) as [string];
    return await push(`${url}/tg/webhook`, timing(context, perSecond));
  } finally {
    server.kill();
    await once(server, 'exit');
    await dropDatabase(context.postgresUrl, database);
  }
}

const timing = ({ seconds }: BenchContext, perSecond?: number) => ({
  seconds,
  warmUpSeconds: WARM_UP_SECONDS,
  ...(perSecond !== undefined && { perSecond }),
});

function push(url: string, bounds: Partial<Parameters<typeof load>[0]>): Promise<LoadResult> {
  const headers = { 'X-Telegram-Bot-Api-Secret-Token': SECRET };
  return load({ url, headers, connections: CONNECTIONS, body: update, ...bounds });
}

function update(n: number): string {
  const id = 2_000_000 + (n % CHATS);
  const person = { id, first_name: `Client ${n % CHATS}`, last_name: 'Petrov', username: `client_${n % CHATS}` };
  return JSON.stringify({
    update_id: 700_000_000 + n,
    message: {
      message_id: 1 + Math.floor(n / CHATS),
      from: { ...person, is_bot: false, language_code: 'en' },
      chat: { ...person, type: 'private' },
      date: Math.floor(Date.now() / 1_000),
      text: `Message ${n}: is the blue one still available in size 42?`,
    },
  });
}
