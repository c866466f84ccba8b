import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Environment } from '../../config/environment.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** From here on tokens seem to have run out, links to have expired, and timelines to lie; seconds. */
const CLOCKS_APART_SECONDS = 30;
const GIBIBYTE = 1024 ** 3;
/** Less than this is too little on any disk, and less than 5 % of it on all but large ones. */
const LEAST_FREE_BYTES = GIBIBYTE;
const LEAST_FREE_SHARE = 0.05;
const PLENTY_BYTES = 20 * GIBIBYTE;

/** By how many seconds a clock is ahead of ours; null: it could not be read. */
export interface Ahead {
  database: number | null;
  telegram: number | null;
}

export function clockCheck({ database, telegram }: Ahead): Check {
  const told = { database: rounded(database), telegram: rounded(telegram) };
  if (database === null && telegram === null) return finding('clock', 'clock.unknown', {});
  return finding('clock', [database, telegram].some(isApart) ? 'clock.differ' : 'clock.agree', told);
}

/** @param finish seconds since 1970 at which the portal finished its answer, by its clock; it came at `nowMs` */
export function portalClockCheck(portal: { id: bigint; domain: string }, finish: unknown, nowMs: number): Check[] {
  if (typeof finish !== 'number' || !(finish > 0)) return [];
  const ahead = finish - nowMs / 1000;
  const code = isApart(ahead) ? 'portal.clock_differs' : 'portal.clock_agrees';
  return [finding(`portal:${portal.id}:clock`, code, { portal: portal.domain, ahead: Math.round(ahead) || 0 })];
}

const isApart = (seconds: number | null) => seconds !== null && Math.abs(seconds) > CLOCKS_APART_SECONDS;
/** -0 would be read as behind. */
const rounded = (seconds: number | null) => (seconds === null ? null : Math.round(seconds) || 0);

export interface Space {
  path: string;
  freeBytes: number;
  totalBytes: number;
}

export function diskCheck(disks: Space[], databaseBytes: number | null): Check {
  const scarce = disks.filter(({ freeBytes, totalBytes }) => {
    const share = freeBytes / totalBytes;
    return freeBytes < LEAST_FREE_BYTES || (share < LEAST_FREE_SHARE && freeBytes < PLENTY_BYTES);
  });
  const told = { disks, databaseBytes };
  return scarce.length === 0
    ? finding('disk', 'disk.ok', told)
    : finding('disk', 'disk.scarce', { ...told, scarce: scarce.map(({ path }) => path).join(', ') });
}

/** The disks that we fill: the embedded database's, and the one where files wait on their way to Telegram. */
export async function disksOf(environment: Pick<Environment, 'DATABASE_URL' | 'DATA_DIR'>): Promise<Space[]> {
  const folders = [...(environment.DATABASE_URL ? [] : [resolve(environment.DATA_DIR)]), tmpdir()];
  const found = await Promise.all(folders.map((folder) => spaceOf(folder).catch(() => null)));
  return found.filter((space) => space !== null);
}

/** Of the folder, or of the one in which it would be made. */
async function spaceOf(path: string): Promise<Space> {
  const { bavail, blocks, bsize } = await statfs(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' && dirname(path) !== path) return statfs(dirname(path));
    throw error;
  });
  return { path, freeBytes: bavail * bsize, totalBytes: blocks * bsize };
}

/** Messages that ended without having arrived for certain; a person decides about them. */
export interface Attention {
  /** Of the last day, both ways. */
  failed?: number;
  uncertain?: number;
  /** Messages of clients that no operator can read, and when the first of them came; until they are replayed or discarded. */
  unread?: number;
  unreadSince?: Date;
}

/**
 * An answer that failed is no failure of the service: a client who blocked the bot is everyday life, and the operator
 * was told. Of a client's words that failed nobody else knows.
 */
export function attentionCheck(found: Attention[]): Check {
  const sum = (of: 'failed' | 'uncertain' | 'unread') => found.reduce((total, each) => total + (each[of] ?? 0), 0);
  const unread = sum('unread');
  if (unread > 0) {
    const since = new Date(Math.min(...found.map(({ unreadSince }) => unreadSince?.getTime() ?? Infinity)));
    return finding('attention', 'attention.unread', { count: unread, since: since.toISOString() });
  }
  const [failed, uncertain] = [sum('failed'), sum('uncertain')];
  return failed + uncertain === 0
    ? finding('attention', 'attention.none', {})
    : finding('attention', 'attention.some', { failed, uncertain });
}
