import { extname } from 'node:path';
import { mediaTypeOf } from '../../common/media-types.js';

/** How a file is shown in Telegram, by the name of its field in Message; `send…` methods are named alike. */
export type MediaKind = 'photo' | 'video' | 'animation' | 'voice' | 'audio' | 'document';

/** Larger pictures are sent as documents (core.telegram.org/bots/api#sending-files: "10 MB max size for photos"). */
export const PHOTO_LIMIT = 10 * 1024 * 1024;

/** What the methods take, after their descriptions in the Bot API; everything else is a document. */
const KIND_OF_MIME: ReadonlyMap<string, MediaKind> = new Map([
  ['image/jpeg', 'photo'],
  ['image/png', 'photo'],
  ['image/webp', 'photo'],
  ['image/gif', 'animation'],
  ['video/mp4', 'video'],
  ['video/quicktime', 'video'],
  ['audio/ogg', 'voice'],
  ['audio/opus', 'voice'],
  ['audio/mpeg', 'audio'],
  ['audio/mp3', 'audio'],
  ['audio/mp4', 'audio'],
  ['audio/m4a', 'audio'],
  ['audio/x-m4a', 'audio'],
  ['audio/aac', 'audio'],
]);

/** What a type or an extension that says nothing is taken for, by the kind that the portal names. */
const KIND_OF_PORTAL: ReadonlyMap<string, MediaKind> = new Map([
  ['photo', 'photo'],
  ['video', 'video'],
  ['audio', 'audio'],
]);

/** What a file is sent as when Telegram refuses it as what it seems to be. */
const FALLBACK: Readonly<Record<MediaKind, MediaKind | null>> = {
  photo: 'document',
  video: 'document',
  animation: 'document',
  voice: 'audio',
  audio: 'document',
  document: null,
};

/**
 * How an operator's file is sent: by its type, else by its extension, else by what the portal calls it.
 *
 * @param file `kind` as in `attachments`; `size` in bytes
 */
export function mediaKindOf(file: { kind: string; name: string; mime: string | null; size: number }): MediaKind {
  const mime = file.mime?.toLowerCase() ?? '';
  const kind = says(mime) ? KIND_OF_MIME.get(mime) : (KIND_OF_MIME.get(mediaTypeOf(file.name) ?? '') ?? unnamed(file));
  if (kind === 'photo' && file.size > PHOTO_LIMIT) return 'document';
  return kind ?? 'document';
}

/** The next form to try; null: there is none. */
export function fallbackOf(kind: MediaKind): MediaKind | null {
  return FALLBACK[kind];
}

function says(mime: string): boolean {
  return mime !== '' && mime !== 'application/octet-stream' && mime !== 'binary/octet-stream';
}

function unnamed({ name, kind }: { name: string; kind: string }): MediaKind | undefined {
  return extname(name) === '' ? KIND_OF_PORTAL.get(kind) : undefined;
}
