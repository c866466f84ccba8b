import type { Account } from './account.js';

/** What every row is given. */
export interface RowContext {
  /** Connection string of a superuser of a PostgreSQL that no other row uses meanwhile. */
  postgresUrl: string;
  /** Folder of that PostgreSQL: `<dataDir>/postgres/cluster`. */
  dataDir: string;
  /** The counts of the target, not the shortened ones. */
  full: boolean;
}

/** One thing that must be true for the row to be met. */
export interface Check {
  what: string;
  ok: boolean;
}

export interface RowResult {
  /** What was really done, with its counts. */
  done: string;
  account?: Account;
  checks: Check[];
  /** What was seen and is no part of the target. */
  notes?: string[];
}

/** One fault of the list in the README. */
export interface Row {
  id: string;
  fault: string;
  target: string;
  run: (context: RowContext) => Promise<RowResult>;
}

export function check(what: string, ok: boolean): Check {
  return { what, ok };
}
