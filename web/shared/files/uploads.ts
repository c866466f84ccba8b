import { ApiError } from '../page-api.js';

/** Files that the service has by now, so that trying again does not bring them twice. */
export class Uploads {
  private readonly known = new WeakMap<File, string>();

  /** One after the other; `upload` throws what keeps a file from being kept. */
  async ids(files: readonly File[], upload: (file: File) => Promise<{ id: string }>): Promise<string[]> {
    const ids: string[] = [];
    for (const file of files) {
      const id = this.known.get(file) ?? (await upload(file)).id;
      this.known.set(file, id);
      ids.push(id);
    }
    return ids;
  }

  /** To be called with why a message with these files was not sent. */
  forget(error: unknown, files: readonly File[]): void {
    if (!(error instanceof ApiError) || error.code !== 'attachment_gone') return;
    for (const file of files) this.known.delete(file);
  }
}
