import type { Side } from './account.js';
import type { RowResult } from './row.js';

/** One row with what came of it. */
export interface Finished extends RowResult {
  id: string;
  fault: string;
  target: string;
  seconds: number;
}

export function isMet({ checks }: Finished): boolean {
  return checks.length > 0 && checks.every(({ ok }) => ok);
}

const HEADINGS = [
  '',
  'what was done',
  'written',
  'lost',
  'duplicated',
  'reordered',
  'found late',
  'uncertain',
  'failed',
  '',
  's',
];

/** A Markdown table for people, and below it every check, missed ones marked. Pairs are client → operator / operator → client. */
export function table(rows: readonly Finished[]): string {
  const cells = [HEADINGS, ...rows.map(cellsOf)];
  const widths = HEADINGS.map((_, column) => Math.max(3, ...cells.map((row) => row[column]!.length)));
  const line = (row: string[]) => `| ${row.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`;
  return [
    line(HEADINGS),
    line(widths.map((width) => '-'.repeat(width))),
    ...rows.map((row) => line(cellsOf(row))),
    '',
    'Pairs: client → operator / operator → client. Found late: an operator message whose event came while no program',
    'could take it (Bitrix24 posts an event once); it was found in the dialog, after a later one of its chat was sent.',
    '',
    ...rows.map(printed),
  ].join('\n');
}

/** One row and its checks, over several lines. */
export function printed(row: Finished): string {
  return [
    `${row.id} ${isMet(row) ? 'met' : 'MISSED'} (${row.seconds} s). ${row.fault}. Target: ${row.target}.`,
    ...row.checks.map(({ what, ok }) => `    ${ok ? '+' : 'MISSED'} ${what}`),
    ...(row.notes ?? []).map((note) => `    ${note}`),
  ].join('\n');
}

function cellsOf(row: Finished): string[] {
  const pair = (of: (side: Side) => number): string =>
    row.account ? `${of(row.account.inbound)} / ${of(row.account.outbound)}` : '–';
  return [
    row.id,
    `${row.fault}: ${row.done}`,
    pair(({ written }) => written),
    pair(({ lost }) => lost),
    pair(({ duplicated }) => duplicated),
    pair(({ reordered }) => reordered),
    pair(({ foundLate }) => foundLate),
    pair(({ uncertain }) => uncertain),
    pair(({ failed }) => failed),
    isMet(row) ? 'met' : 'MISSED',
    String(row.seconds),
  ];
}
