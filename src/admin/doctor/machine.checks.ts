import { statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, resolve } from 'node:path';
import type { Environment } from '../../config/environment.js';
import { check } from './doctor.checks.js';
import type { Check } from './doctor.dto.js';

/** From here on tokens seem to have run out, links to have expired, and timelines to lie; seconds. */
const CLOCKS_APART_SECONDS = 30;
const GIBIBYTE = 1024 ** 3;
/** Less than this is too little on any disk, and less than 5 % of it on all but large ones. */
const LEAST_FREE_BYTES = GIBIBYTE;
const LEAST_FREE_SHARE = 0.05;
const PLENTY_BYTES = 20 * GIBIBYTE;
const SET_CLOCK = 'Set the clocks by NTP (systemd-timesyncd, chrony; a container has the clock of its host).';

/** By how many seconds a clock is ahead of ours; null: it could not be read. */
export interface Ahead {
  database: number | null;
  telegram: number | null;
}

export function clockCheck({ database, telegram }: Ahead): Check {
  const told = [difference('database', database), difference('Telegram', telegram)].filter((each) => each !== null);
  const apart = [database, telegram].some(isApart);
  return check(
    'clock',
    !apart,
    told.length > 0 ? `${apart ? 'Clocks differ' : 'Clocks agree'} (${told.join(', ')})` : 'No clock could be read',
    SET_CLOCK,
  );
}

/** @param finish seconds since 1970 at which the portal finished its answer, by its clock; it came at `nowMs` */
export function portalClockCheck(portal: { id: bigint; domain: string }, finish: unknown, nowMs: number): Check[] {
  if (typeof finish !== 'number' || !(finish > 0)) return [];
  const ahead = finish - nowMs / 1000;
  return [
    check(
      `portal:${portal.id}:clock`,
      !isApart(ahead),
      `${isApart(ahead) ? 'Clocks differ' : 'Clocks agree'} (${difference(portal.domain, ahead)})`,
      SET_CLOCK,
    ),
  ];
}

const isApart = (seconds: number | null) => seconds !== null && Math.abs(seconds) > CLOCKS_APART_SECONDS;

function difference(whose: string, ahead: number | null): string | null {
  if (ahead === null) return null;
  const seconds = Math.round(Math.abs(ahead));
  return seconds === 0 ? whose : `${whose} is ${seconds} s ${ahead > 0 ? 'ahead' : 'behind'}`;
}

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
  const told = disks.map(({ path, freeBytes, totalBytes }) => `${path}: ${gib(freeBytes)} of ${gib(totalBytes)} free`);
  if (databaseBytes !== null) told.push(`the database holds ${gib(databaseBytes)}`);
  return check(
    'disk',
    scarce.length === 0,
    told.join('; ') || 'No disk could be looked at',
    `Make room, or a larger disk, for ${scarce.map(({ path }) => path).join(', ')}. A database without room takes no messages in; both networks keep them for a while.`,
  );
}

const gib = (bytes: number) => `${(bytes / GIBIBYTE).toFixed(1)} GiB`;

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
    const since = Math.min(...found.map(({ unreadSince }) => unreadSince?.getTime() ?? Infinity));
    const whose = unread === 1 ? '1 message of a client has' : `${unread} messages of clients have`;
    return check(
      'attention',
      false,
      `${whose} failed since ${new Date(since).toISOString()}: no operator has read ${unread === 1 ? 'it' : 'them'}`,
      'See GET /admin/messages?state=failed&direction=inbound, or Attention in the console: each names its reason. Retry what can go now, discard the rest.',
    );
  }
  const [failed, uncertain] = [sum('failed'), sum('uncertain')];
  const what =
    failed + uncertain === 0
      ? 'No message of the last 24 hours waits for a person'
      : `Of the last 24 hours, ${failed} failed and ${uncertain} uncertain messages wait for a person: see GET /admin/messages?state=failed and ?state=uncertain, then retry, resolve or discard`;
  return check('attention', true, what, '');
}
