import { randomUUID } from 'node:crypto';
import { open, unlink, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** An empty file on the disk without a name: its content goes with the last handle, not even a crash leaves it behind. */
export async function openTemporaryFile(prefix: string): Promise<FileHandle> {
  const path = join(tmpdir(), `${prefix}-${randomUUID()}`);
  const handle = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
