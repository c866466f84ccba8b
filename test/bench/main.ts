import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded-postgres.js';
import { bothWays } from './both-ways.measure.js';
import { clientsToBitrix24 } from './clients.measure.js';
import { cpuOfAMessage } from './cpu.measure.js';
import type { Figure } from './figure.js';
import { historySearch } from './history.measure.js';
import { burstOfOnePortal, manyPortals } from './limits.measure.js';
import { liveBeforeBulk } from './live.measure.js';
import { besideLongTransaction } from './long-transaction.measure.js';
import { manyPollingBots } from './many-bots.measure.js';
import { answerLatency, operatorsToTelegram } from './operators.measure.js';
import { mostInAnySecond } from './pace.measure.js';
import { recovery } from './recovery.measure.js';
import { describeMachine, json as jsonOf, table } from './report.js';
import { query, type BenchContext } from './stage.js';
import { startTimes } from './start.measure.js';
import { throughputBesideStored } from './stored.measure.js';
import { memoryWithBacklog } from './waiting.measure.js';
import { acknowledgements } from './webhook.measure.js';

const USAGE = `npm run bench -- [P1 P12 …] [--seconds 10] [--json FILE] [--profile DIR]

Measures the built program (dist/) between both simulated networks, on an embedded PostgreSQL of its own.
  P1 … P17   measures to take, by name (default: all); --only P1,P12 says the same
  --seconds  how long each throughput is measured, 1 to 120 (default: 10)
  --json     where machine and figures are written to, after each measure (default: .data/bench.json)
  --profile  leaves CPU profiles of the program in DIR; the figures are then a little lower
`;

const MEASURES: Record<string, (context: BenchContext) => Promise<Figure[]>> = {
  P1: acknowledgements,
  P2: clientsToBitrix24,
  P3: manyPortals,
  P4: burstOfOnePortal,
  P5: answerLatency,
  P6: operatorsToTelegram,
  P7: recovery,
  P8: memoryWithBacklog,
  P9: startTimes,
  P10: historySearch,
  P11: throughputBesideStored,
  P12: liveBeforeBulk,
  P13: besideLongTransaction,
  P14: bothWays,
  P15: manyPollingBots,
  P16: cpuOfAMessage,
  P17: mostInAnySecond,
};

interface Options {
  only: string[];
  seconds: number;
  json: string;
  profile: string | undefined;
}

/** Null: the usage was asked for. Throws what is wrong with the arguments. */
function readOptions(): Options | null {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      only: { type: 'string' },
      seconds: { type: 'string', default: '10' },
      json: { type: 'string', default: '.data/bench.json' },
      profile: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const named = [...positionals, ...(values.only?.split(',') ?? [])].map((name) => name.trim().toUpperCase());
  const only = named.length > 0 ? named : Object.keys(MEASURES);
  const unknown = only.filter((name) => !(name in MEASURES));
  if (unknown.length > 0) throw new Error(`there is no measure ${unknown.join(', ')}`);
  const seconds = Number(values.seconds);
  if (!(seconds >= 1 && seconds <= 120)) throw new Error('--seconds is a number from 1 to 120');
  return { only, seconds, json: values.json, profile: values.profile };
}

async function run({ only, seconds, json, profile }: Options): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'telegram-openlines-bench-'));
  const quiet = { log: () => undefined, warn: process.emitWarning, error: process.emitWarning };
  const postgres = await startEmbeddedPostgres({ dataDir, logger: quiet });
  const figures: Figure[] = [];
  try {
    const version = await query<{ server_version: string }>(postgres.url, 'SHOW server_version');
    const machine = describeMachine(version.rows[0]!.server_version);
    const environment = await programEnvironment(dataDir, profile);
    await mkdir(path.dirname(json), { recursive: true });
    for (const name of only) {
      process.stderr.write(`${name} …\n`);
      try {
        figures.push(...(await MEASURES[name]!({ postgresUrl: postgres.url, seconds, environment })));
      } catch (error) {
        // The others may still be measured.
        console.error(error);
        process.exitCode = 1;
      }
      await writeFile(json, jsonOf(machine, seconds, figures));
    }
    process.stdout.write(`\n${table(machine, figures)}\n\nThe same for machines: ${path.resolve(json)}\n`);
  } finally {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function programEnvironment(dataDir: string, profile: string | undefined): Promise<Record<string, string>> {
  if (profile === undefined) return { DATA_DIR: dataDir };
  const folder = path.resolve(profile);
  await mkdir(folder, { recursive: true });
  const preload = new URL('profiler.mjs', import.meta.url).href;
  return { DATA_DIR: dataDir, BENCH_PROFILE: folder, NODE_OPTIONS: `--import=${preload}` };
}

let options: Options | null = null;
try {
  options = readOptions();
  if (!options) process.stdout.write(USAGE);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
if (options) await run(options);
