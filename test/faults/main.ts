import { readdirSync } from 'node:fs';
import { writeFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import { startEmbeddedPostgres } from '../../src/storage/postgres/embedded-postgres.js';
import { commitRows } from './commits.rows.js';
import { crashRows } from './crashes.rows.js';
import { enduranceRows } from './endurance.rows.js';
import { fileRows } from './files.rows.js';
import { neighbourRows } from './neighbours.rows.js';
import { networkRows } from './networks.rows.js';
import { replicaRows } from './replicas.rows.js';
import { isMet, printed, table, type Finished } from './report.js';
import type { Row } from './row.js';
import { silenceRows } from './silence.rows.js';
import { storageRows } from './storage.rows.js';
import { tokenRows } from './tokens.rows.js';

const USAGE = `npm run test:faults [-- --only R1,restarts] [--full] [--json FILE] [--jobs 3]

Breaks the built program (dist/), both simulated networks and PostgreSQL in every way of the list, under load, and
then holds what was written against what arrived; before that come the tests of test/faults, which wait for real
leases, holds and retries. Exit code 1 when a target is missed or a test fails.
  --only  rows and files of tests, by name: R1 … R29, restarts, pace … (default: all)
  --full  the counts and times of the targets; takes some hours
  --json  also writes the results to FILE
  --jobs  rows at the same time, 1 to 8, each with networks, programs and a PostgreSQL of its own (default: 3)
`;

const ROWS: Row[] = [
  ...crashRows,
  ...networkRows,
  ...storageRows,
  ...commitRows,
  ...neighbourRows,
  ...fileRows,
  ...silenceRows,
  ...replicaRows,
  ...tokenRows,
  ...enduranceRows,
].sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
/** Those that take longest begin first. */
const LONG = ['R18', 'R1', 'R19', 'R6', 'R8', 'R20', 'R23'];

/** Files of tests beside this one, by name. */
const SPECS = readdirSync(import.meta.dirname).flatMap((file) => /^(.+)\.spec\.ts$/.exec(file)?.[1] ?? []);

interface Options {
  specs: string[];
  only: Row[];
  full: boolean;
  json: string | undefined;
  jobs: number;
}

/** Null: the usage was asked for. Throws what is wrong with the arguments. */
function readOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      full: { type: 'boolean', default: false },
      json: { type: 'string' },
      jobs: { type: 'string', default: '3' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const names = values.only?.split(',').map((name) => name.trim().toLowerCase());
  const only = ROWS.filter(({ id }) => names?.includes(id.toLowerCase()) ?? true);
  const specs = SPECS.filter((spec) => names?.includes(spec) ?? true);
  const known = [...specs, ...only.map(({ id }) => id.toLowerCase())];
  const unknown = names?.filter((name) => !known.includes(name)) ?? [];
  if (unknown.length > 0) throw new Error(`there is nothing called ${unknown.join(', ')}`);
  const jobs = Number(values.jobs);
  if (!Number.isInteger(jobs) || jobs < 1 || jobs > 8) throw new Error('--jobs is a number from 1 to 8');
  return { specs, only, full: values.full, json: values.json, jobs };
}

async function run({ specs, only, full, json, jobs }: Options): Promise<boolean> {
  const passed = specs.length === 0 || (await test(specs));
  if (only.length === 0) return passed;
  const waiting = [...only].sort((a, b) => rank(a) - rank(b));
  const finished: Finished[] = [];
  await Promise.all(
    Array.from({ length: Math.min(jobs, waiting.length) }, () => work(waiting, full, (row) => finished.push(row))),
  );
  const results = only.map(({ id }) => finished.find((row) => row.id === id)!);
  process.stdout.write(`\n${table(results)}\n`);
  if (json) await writeFile(json, `${JSON.stringify({ date: new Date().toISOString(), full, results }, null, 2)}\n`);
  return passed && results.every(isMet);
}

async function test(specs: string[]): Promise<boolean> {
  const files = specs.map((spec) => `test/faults/${spec}.spec.ts`);
  // Several of them run more than one program each.
  const options = { config: 'test/vitest.config.ts', project: 'faults', watch: false, maxWorkers: 6 };
  const vitest = await startVitest('test', files, options);
  await vitest.close();
  return !process.exitCode;
}

/** Takes one row after the other, on a PostgreSQL of its own with the settings of a real one. */
async function work(waiting: Row[], full: boolean, finished: (row: Finished) => void): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'telegram-openlines-faults-'));
  // R6 kills the server on purpose: what it says about that would only disturb.
  const quiet = { log: () => undefined, warn: () => undefined, error: process.emitWarning };
  const postgres = await startEmbeddedPostgres({ dataDir, logger: quiet });
  try {
    for (let row = waiting.shift(); row; row = waiting.shift()) {
      process.stderr.write(`${row.id} ${row.fault} …\n`);
      const result = await carryOut(row, { postgresUrl: postgres.url, dataDir, full });
      process.stderr.write(`${printed(result)}\n`);
      finished(result);
    }
  } finally {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
}

async function carryOut(row: Row, context: Parameters<Row['run']>[0]): Promise<Finished> {
  const { id, fault, target } = row;
  const begun = performance.now();
  const result = await row.run(context).catch((error: Error) => ({
    done: 'broke off',
    checks: [{ what: error.message, ok: false }],
  }));
  return { id, fault, target, ...result, seconds: Math.round((performance.now() - begun) / 1000) };
}

function rank({ id }: Row): number {
  const place = LONG.indexOf(id);
  return place < 0 ? LONG.length : place;
}

let options: Options | null = null;
try {
  options = readOptions();
  if (!options) process.stdout.write(USAGE);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n\n${USAGE}`);
  process.exitCode = 2;
}
// Answers that a network was told to give much later must not hold the end.
if (options) process.exit((await run(options)) ? 0 : 1);
