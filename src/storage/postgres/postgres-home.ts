import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, realpath, stat, symlink } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import { canEnter, type Account } from './postgres-binaries.js';

/** Where root keeps what another account must reach when DATA_DIR lies below a closed folder such as /root. */
const SHARED_STATE = '/var/lib/telegram-openlines';

/** Where PostgreSQL lives and who runs it. */
export interface PostgresHome {
  /** Folder of the cluster, its log and its port; `account` can enter it. */
  folder: string;
  /** Who runs PostgreSQL; undefined: this process's own account. */
  account: Account | undefined;
}

/**
 * Makes `<dataDir>/postgres`, or finds it. As root, which PostgreSQL refuses to run as, it belongs to whoever owned it
 * before, or to the account `postgres`, which is made when missing; where that account cannot enter `dataDir`, the folder
 * is elsewhere and `<dataDir>/postgres` is a link to it, which `warn` is told.
 */
export async function preparePostgresHome(dataDir: string, warn: (message: string) => void): Promise<PostgresHome> {
  const link = path.join(dataDir, 'postgres');
  const known = await stat(link).catch(ignoreMissing);
  const account = process.getuid?.() === 0 ? await serverAccount(known) : undefined;
  if (!known) await makeHome(link, account, warn);
  const folder = await realpath(link);
  if (account) {
    await chown(folder, account.uid, account.gid);
    if (!(await canEnter(folder, account)))
      throw new EmbeddedPostgresError(
        `PostgreSQL does not run as root, and the account it runs as (uid ${account.uid}) may not enter ${folder}. Open the folders above it (chmod o+x), start as a normal user, or use another DATA_DIR or DATABASE_URL.`,
      );
  }
  return { folder, account };
}

async function makeHome(link: string, account: Account | undefined, warn: (message: string) => void): Promise<void> {
  const dataDir = path.dirname(link);
  if (account) await letThrough(dataDir);
  if (!account || (await canEnter(dataDir, account))) {
    await mkdir(link, { mode: 0o700, recursive: true });
    return;
  }
  await mkdir(SHARED_STATE, { mode: 0o755, recursive: true });
  const place = await mkdtemp(path.join(SHARED_STATE, 'data-'));
  await symlink(place, link);
  warn(
    `PostgreSQL does not run as root, and its own account cannot enter ${dataDir}: the database is kept in ${place}, and ${link} points to it.`,
  );
}

/** DATA_DIR is this program's own: others may pass through it, not look into it. Folders above it are left alone. */
async function letThrough(dataDir: string): Promise<void> {
  const { mode } = await stat(dataDir);
  if (!(mode & 0o001)) await chmod(dataDir, (mode & 0o7777) | 0o011);
}

async function serverAccount(home: { uid: number; gid: number } | undefined): Promise<Account> {
  if (home && home.uid !== 0) return { uid: home.uid, gid: home.gid };
  const known = await lookUp('postgres');
  if (known) return known;
  const shell = '/usr/sbin/nologin';
  await promisify(execFile)('useradd', ['--system', '--user-group', '--no-create-home', '--shell', shell, 'postgres'])
    // BusyBox
    .catch(() => promisify(execFile)('adduser', ['-S', '-D', '-H', '-s', shell, 'postgres']))
    .catch(() => undefined);
  const made = await lookUp('postgres');
  if (made) return made;
  throw new EmbeddedPostgresError(
    'PostgreSQL does not run as root, and an account named postgres could not be made for it. Start as a normal user, or set DATABASE_URL.',
  );
}

async function lookUp(name: string): Promise<Account | undefined> {
  const ask = async (flag: string) => Number((await promisify(execFile)('id', [flag, name])).stdout);
  try {
    return { uid: await ask('-u'), gid: await ask('-g') };
  } catch {
    return undefined;
  }
}

/** For `catch`: a file that is not there is undefined. */
export function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code === 'ENOENT') return undefined;
  throw error;
}
