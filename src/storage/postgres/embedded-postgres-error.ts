import { StartError } from '../../common/start-error.js';

/** Names what cannot be used and what to do about it. */
export class EmbeddedPostgresError extends StartError {
  override readonly name = 'EmbeddedPostgresError';
}

const REASONS: Record<string, string> = {
  EACCES: 'this account may not read or write there',
  EPERM: 'this account may not change it',
  EROFS: 'it is on a read-only file system',
  ENOTDIR: 'a part of the path is a file',
  EEXIST: 'a file of that name is in the way',
  ENOENT: 'it points to a place that is gone',
  ENOSPC: 'the disk is full',
};

/** An error of the file system as one that names DATA_DIR, the reason and the cure; any other as it is. */
export function asDataDirError(error: unknown, dataDir: string): unknown {
  const { code, path: where } = error as NodeJS.ErrnoException;
  const reason = code && REASONS[code];
  if (!reason || error instanceof EmbeddedPostgresError) return error;
  return new EmbeddedPostgresError(
    `DATA_DIR ${dataDir} cannot be used: ${where ?? dataDir}: ${reason} (${code}). Give it another folder, or set DATABASE_URL.`,
    { cause: error },
  );
}
