import type { MediaKind } from './media-kind.js';

/** What the client reads above the conversation (core.telegram.org/bots/api#sendchataction). */
export type UploadAction = 'upload_photo' | 'upload_video' | 'upload_voice' | 'upload_document';

/** Shorter uploads are not announced. */
const FIRST_MS = 1_000;
/** "The status is set for 5 seconds or less" (ibid.). */
const REPEAT_MS = 5_000;

const ACTIONS: Partial<Record<MediaKind, UploadAction>> = {
  photo: 'upload_photo',
  video: 'upload_video',
  voice: 'upload_voice',
};

export function uploadActionOf(kind: MediaKind): UploadAction {
  return ACTIONS[kind] ?? 'upload_document';
}

/**
 * Shows again and again that something is on its way, until it is; then nothing is begun any more. The work neither
 * waits for it nor fails with it: the first failure is the last announcement.
 */
export async function announced<Result>(
  show: (signal: AbortSignal) => Promise<unknown>,
  work: () => Promise<Result>,
  times = { firstMs: FIRST_MS, repeatMs: REPEAT_MS },
): Promise<Result> {
  const over = new AbortController();
  let timer = setTimeout(next, times.firstMs);
  function next(): void {
    show(over.signal).then(
      () => {
        if (!over.signal.aborted) timer = setTimeout(next, times.repeatMs);
      },
      // A chat that shows no actions shows none of the next ones either.
      () => undefined,
    );
  }
  try {
    return await work();
  } finally {
    clearTimeout(timer);
    over.abort();
  }
}
