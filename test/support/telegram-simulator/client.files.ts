import { randomUUID } from 'node:crypto';
import type { FileContent } from './file.store.js';
import { readImageSize } from './image.header.js';
import type { MediaDetails, MediaFields, MediaKind } from './media.kinds.js';
import { sampleJpeg, sampleMp3, sampleMp4, sampleOgg, sampleTgs, sampleWebm, sampleWebp } from './sample.media.js';
import type { SimulatedBot } from './simulated.bot.js';

/** A file that a person sends; without content it is a small sample that nobody else has. */
export type ClientFile = Omit<MediaDetails, 'thumbnail'> & { readonly content?: FileContent };

/** One item of an album. */
export type AlbumItem = ClientFile & {
  readonly kind: 'photo' | 'video' | 'document' | 'audio';
  readonly caption?: string;
};

const DEFAULTS: Readonly<Record<MediaKind, MediaDetails>> = {
  photo: { width: 1280, height: 960 },
  video: { width: 1280, height: 720, duration: 12, fileName: 'video.mp4' },
  animation: { width: 480, height: 270, duration: 3, fileName: 'animation.mp4' },
  audio: { duration: 181, fileName: 'song.mp3', title: 'Song', performer: 'Singer' },
  document: { fileName: 'document.pdf' },
  voice: { duration: 7 },
  video_note: { width: 384, duration: 9 },
  sticker: { emoji: '👋', setName: 'HotCherry', format: 'static' },
  live_photo: { width: 1280, height: 960, duration: 3, mimeType: 'video/mp4' },
};

/** Uploads what a person sends and answers the fields of Message that carry it. A `mimeType` of '' leaves it out. */
export function uploadFromClient(bot: SimulatedBot, kind: MediaKind, { content, ...given }: ClientFile): MediaFields {
  const details = { ...DEFAULTS[kind], ...given };
  const stored = bot.store.keep(content ?? sampleOf(kind, details));
  const size = kind === 'photo' && given.width === undefined ? readImageSize(bot.store.head(stored)) : undefined;
  return bot.files.keepMedia(kind, stored, { ...details, ...size });
}

function sampleOf(kind: MediaKind, { format, width = 1, height = 1 }: MediaDetails): Buffer {
  const label = randomUUID();
  switch (kind) {
    case 'photo':
      return sampleJpeg({ width, height }, label);
    case 'voice':
      return sampleOgg(label);
    case 'audio':
      return sampleMp3(label);
    case 'document':
      return Buffer.from(`%PDF-1.4\n%${label}\n`);
    case 'sticker':
      return { static: sampleWebp, animated: sampleTgs, video: sampleWebm }[format ?? 'static'](label);
    default:
      return sampleMp4(label);
  }
}
