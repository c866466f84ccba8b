import { spawnSync } from 'node:child_process';
import { availableParallelism, cpus, loadavg, totalmem, type as osType, release } from 'node:os';
import { meets, ratioOf, type Figure, type Target } from './figure.js';

/** Where and when the figures were taken. */
export interface Machine {
  date: string;
  /** Of the source, with `+` behind it when something was changed since; null outside of a checkout. */
  commit: string | null;
  system: string;
  cpu: string;
  cores: number;
  memoryGiB: number;
  /** Processes that ran or waited to, one-minute mean, before the bench began. */
  loadBefore: number;
  node: string;
  postgres: string;
}

export function describeMachine(postgres: string): Machine {
  return {
    date: new Date().toISOString(),
    commit: commit(),
    system: `${osType()} ${release()}`,
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    loadBefore: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    node: process.version,
    postgres,
  };
}

function commit(): string | null {
  const git = (...args: string[]) => spawnSync('git', args, { cwd: import.meta.dirname, encoding: 'utf8' });
  const head = git('rev-parse', '--short=12', 'HEAD');
  if (head.status !== 0) return null;
  return head.stdout.trim() + (git('status', '--porcelain', '--untracked-files=no').stdout === '' ? '' : '+');
}

/** For machines: every figure with its ratio to the baseline and whether it meets its target (null: there is none). */
export function json(machine: Machine, seconds: number, figures: readonly Figure[]): string {
  const judged = figures.map((figure) => ({ ...figure, ratio: ratioOf(figure), met: meets(figure) ?? null }));
  return `${JSON.stringify({ machine, seconds, figures: judged }, null, 2)}\n`;
}

const HEADINGS = ['', 'what', 'figure', 'p50 ms', 'p99 ms', 'baseline', 'ratio', 'target', '', 'CPU ms each'];

/** A table for people, the machine above it and what the baselines are below. */
export function table(machine: Machine, figures: readonly Figure[]): string {
  const rows = [HEADINGS, ...figures.map(cells)];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: string[]) =>
    row
      .map((cell, column) => (column < 2 || column > 6 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!)))
      .join('  ')
      .trimEnd();
  const baselines = figures.flatMap(({ id, baseline }) => (baseline ? [`${id}: ${baseline.what}`] : []));
  return [
    `${machine.date}, commit ${machine.commit ?? 'unknown'}, ${machine.cores} cores (${machine.cpu}), ${machine.memoryGiB} GiB, ${machine.system}, ` +
      `Node ${machine.node}, PostgreSQL ${machine.postgres}, fsync on; load before: ${machine.loadBefore}`,
    'Program, PostgreSQL, both networks and the load share these cores: compare the ratios, not the figures.',
    '',
    line(rows[0]!),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.slice(1).map(line),
    '',
    'Baselines, in the same run:',
    ...new Set(baselines.map((text) => `  ${text}`)),
    'CPU ms each: program + PostgreSQL.',
  ].join('\n');
}

function cells(figure: Figure): string[] {
  const { id, what, value, unit, latency, baseline, target, cpuMsEach } = figure;
  const met = meets(figure);
  const ratio = ratioOf(figure);
  return [
    id,
    what,
    `${rounded(value)} ${unit}`,
    latency ? rounded(latency.p50) : '–',
    latency ? rounded(latency.p99) : '–',
    baseline ? `${rounded(baseline.value)} ${unit}` : '–',
    ratio === undefined ? '–' : `× ${ratio.toFixed(2)}`,
    target ? goal(target, unit) : '–',
    met === undefined ? '' : met ? 'met' : 'missed',
    cpuMsEach ? `${cpuMsEach.program.toFixed(2)} + ${cpuMsEach.postgres.toFixed(2)}` : '–',
  ];
}

function goal({ atLeast, atMost, timesBaseline, p50, p99 }: Target, unit: string): string {
  return [
    atLeast === undefined ? '' : `≥ ${atLeast} ${unit}`,
    atMost === undefined ? '' : `≤ ${atMost} ${unit}`,
    timesBaseline === undefined ? '' : `≥ × ${timesBaseline}`,
    p50 === undefined ? '' : `p50 ≤ ${p50}`,
    p99 === undefined ? '' : `p99 ≤ ${p99}`,
  ]
    .filter(Boolean)
    .join(', ');
}

function rounded(value: number): string {
  return value >= 100 ? Math.round(value).toString() : value.toFixed(1);
}
