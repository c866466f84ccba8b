import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { StartError } from './start-error.js';

/** Throws {@link StartError} when files cannot be kept on their way to Telegram. */
export async function refuseUnwritableTemporaryFolder(): Promise<void> {
  try {
    await rm(await mkdtemp(path.join(tmpdir(), 'telegram-openlines-')), { recursive: true });
  } catch (cause) {
    throw new StartError(
      `The temporary folder ${tmpdir()} cannot be written (${(cause as NodeJS.ErrnoException).code}). Files wait there on their way to Telegram: set TMPDIR to a folder that can be written, or mount one (docker run --tmpfs /tmp).`,
      { cause },
    );
  }
}
