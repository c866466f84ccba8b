import type { MessageFilter } from './api.js';
import { api } from './session.js';

interface SaveWindow {
  showSaveFilePicker?: (options: { suggestedName: string }) => Promise<FileSystemFileHandle>;
}

const pick = (window as SaveWindow).showSaveFilePicker?.bind(window);

/** Whether an export goes to the disk as it comes; otherwise the browser holds all of it in memory first. */
export const writesToDisk = pick !== undefined;

/** Null where the person closed the dialog without a file; whatever else went wrong is theirs to know. */
function unlessDeclined(error: unknown): null {
  if (error instanceof DOMException && error.name === 'AbortError') return null;
  throw error;
}

/** Saves what the filter names; false: the person chose no file. Throws when the file is not saved, or not whole. `progress` hears of the bytes so far. */
export async function saveExport(
  format: 'ndjson' | 'csv',
  filter: MessageFilter,
  name: string,
  signal: AbortSignal,
  progress: (received: number) => void,
): Promise<boolean> {
  const handle = await pick?.({ suggestedName: name }).catch(unlessDeclined);
  if (handle === null) return false;
  progress(0);
  const response = await api().export(format, filter, signal);
  let received = 0;
  const counted = response.body!.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        received += chunk.byteLength;
        progress(received);
        controller.enqueue(chunk);
      },
    }),
  );
  if (handle) {
    await counted.pipeTo(await handle.createWritable(), { signal });
    return true;
  }
  const blob = await new Response(counted, {
    headers: { 'content-type': response.headers.get('content-type') ?? '' },
  }).blob();
  const address = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return true;
}
