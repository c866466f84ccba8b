import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { MediaKind } from '../support/telegram-simulator/media.kinds.js';

/** A file that a client or an operator can send. */
export interface ShelvedFile {
  name: string;
  mime: string;
  content: Buffer;
  /** As what a client sends it. */
  kind: MediaKind;
  /** Seconds, of what can be played. */
  duration?: number;
}

/** What can be sent without choosing a file, by the name of the file in `samples`. */
const SAMPLES: Record<string, Pick<ShelvedFile, 'mime' | 'kind' | 'duration'>> = {
  'parcel.jpg': { mime: 'image/jpeg', kind: 'photo' },
  'case-blue.jpg': { mime: 'image/jpeg', kind: 'photo' },
  'case-both-sides.jpg': { mime: 'image/jpeg', kind: 'photo' },
  'case-colours.jpg': { mime: 'image/jpeg', kind: 'photo' },
  'price-list.pdf': { mime: 'application/pdf', kind: 'document' },
  'sticker.webp': { mime: 'image/webp', kind: 'sticker' },
  'voice.ogg': { mime: 'audio/ogg', kind: 'voice', duration: 4 },
  'voice.mp3': { mime: 'audio/mpeg', kind: 'audio', duration: 3 },
};

/** As what the Telegram app sends a file of a type; anything else is a document. */
const KINDS: Record<string, MediaKind> = {
  'image/jpeg': 'photo',
  'video/mp4': 'video',
  'audio/mpeg': 'audio',
  'audio/mp4': 'audio',
};

/** Files at hand: the samples, by their names, and what was brought from a disk. */
export class FileShelf {
  private readonly files = new Map<string, ShelvedFile>();

  static async stocked(): Promise<FileShelf> {
    const shelf = new FileShelf();
    for (const [name, traits] of Object.entries(SAMPLES)) {
      const content = await readFile(new URL(`samples/${name}`, import.meta.url));
      shelf.files.set(name, { name, content, ...traits });
    }
    return shelf;
  }

  /** Keeps a file; returns its id. */
  add(name: string, mime: string, content: Buffer): string {
    const id = randomUUID();
    this.files.set(id, { name, mime, content, kind: KINDS[mime] ?? 'document' });
    return id;
  }

  /** The file with this id; throws when there is none. */
  get(id: string): ShelvedFile {
    const file = this.files.get(id);
    if (!file) throw new Error(`no file ${id}`);
    return file;
  }
}
