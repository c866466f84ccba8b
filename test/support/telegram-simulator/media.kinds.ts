import type { Message } from '@grammyjs/types';
import { extname } from 'node:path';
import type { ImageSize } from './image.header.js';
import type { StoredContent } from './file.store.js';

/** What a message carries as a file, by the name of its field in Message. */
export type MediaKind =
  'photo' | 'video' | 'animation' | 'audio' | 'document' | 'voice' | 'video_note' | 'sticker' | 'live_photo';

/** The fields of Message that go with a file: `animation` comes with `document`, `live_photo` with `photo`. */
export type MediaFields = Partial<Pick<Message, MediaKind>>;

/** What the sender says about a file; what is absent is made up or left out, as the kind wants. */
export interface MediaDetails {
  readonly fileName?: string;
  readonly mimeType?: string;
  readonly width?: number;
  readonly height?: number;
  /** Seconds. */
  readonly duration?: number;
  readonly title?: string;
  readonly performer?: string;
  readonly emoji?: string;
  readonly setName?: string;
  /** Of a sticker: WebP, gzipped Lottie, WebM. */
  readonly format?: 'static' | 'animated' | 'video';
  readonly thumbnail?: StoredContent;
}

export interface KindTraits {
  /** What file ids begin with, so that people can tell them apart; nobody may rely on it. */
  readonly prefix: string;
  /** Where getFile says the file lies. */
  readonly folder: string;
  /** As TDLib names the type in its refusals. */
  readonly tdName: string;
  readonly caption: boolean;
}

export const KINDS: Readonly<Record<MediaKind | 'thumbnail' | 'profile_photo', KindTraits>> = {
  photo: { prefix: 'AgAC', folder: 'photos', tdName: 'Photo', caption: true },
  video: { prefix: 'BAAC', folder: 'videos', tdName: 'Video', caption: true },
  animation: { prefix: 'CgAC', folder: 'animations', tdName: 'Animation', caption: true },
  audio: { prefix: 'CQAC', folder: 'music', tdName: 'Audio', caption: true },
  document: { prefix: 'BQAC', folder: 'documents', tdName: 'Document', caption: true },
  voice: { prefix: 'AwAC', folder: 'voice', tdName: 'VoiceNote', caption: true },
  video_note: { prefix: 'DQAC', folder: 'video_notes', tdName: 'VideoNote', caption: false },
  sticker: { prefix: 'CAAC', folder: 'stickers', tdName: 'Sticker', caption: false },
  live_photo: { prefix: 'BAAC', folder: 'videos', tdName: 'Video', caption: true },
  thumbnail: { prefix: 'AAMC', folder: 'thumbnails', tdName: 'Thumbnail', caption: false },
  profile_photo: { prefix: 'AgAC', folder: 'profile_photos', tdName: 'ProfilePhoto', caption: false },
};

const MIME_TYPES: Readonly<Record<string, string>> = {
  csv: 'text/csv',
  doc: 'application/msword',
  docx: 'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
  gif: 'image/gif',
  jpeg: 'image/jpeg',
  jpg: 'image/jpeg',
  json: 'application/json',
  m4a: 'audio/mp4',
  mov: 'video/quicktime',
  mp3: 'audio/mpeg',
  mp4: 'video/mp4',
  oga: 'audio/ogg',
  ogg: 'audio/ogg',
  pdf: 'application/pdf',
  png: 'image/png',
  tgs: 'application/x-tgsticker',
  txt: 'text/plain',
  webm: 'video/webm',
  webp: 'image/webp',
  xls: 'application/vnd.ms-excel',
  xlsx: 'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
  zip: 'application/zip',
};

/** What the server takes a file for: the ending of its name decides, whatever the form said. */
export function mimeTypeOf(fileName: string | undefined): string {
  return MIME_TYPES[extensionOf(fileName)] ?? 'application/octet-stream';
}

export const extensionOf = (fileName = '') => extname(fileName).slice(1).toLowerCase();

/** The type of a file of this kind: the name's when it fits the kind, the kind's own otherwise. */
export function mimeTypeFor(kind: MediaKind, fileName: string | undefined): string {
  const named = mimeTypeOf(fileName);
  if (kind === 'video') return named.startsWith('video/') ? named : 'video/mp4';
  if (kind === 'audio') return named.startsWith('audio/') ? named : 'audio/mpeg';
  if (kind === 'voice') return named.startsWith('audio/') ? named : 'audio/ogg';
  if (kind === 'animation') return named === 'image/gif' ? named : 'video/mp4';
  return named;
}

/** The ending of the path under which getFile offers a file of this kind; '' when the file never had one. */
export function downloadExtension(kind: keyof typeof KINDS, { fileName, format }: MediaDetails): string {
  if (kind === 'photo' || kind === 'thumbnail' || kind === 'profile_photo') return 'jpg';
  if (kind === 'sticker') return { static: 'webp', animated: 'tgs', video: 'webm' }[format ?? 'static'];
  const named = extensionOf(fileName);
  if (kind === 'document') return named;
  if (kind === 'voice') return ['mp3', 'm4a'].includes(named) ? named : 'oga';
  if (kind === 'audio') return ['ogg', 'oga', 'mp3', 'm4a'].includes(named) ? named : 'mp3';
  return named || 'mp4';
}

/** Shrinks a size so that its longer side is at most `longest`. */
export function fitInto({ width, height }: ImageSize, longest: number): ImageSize {
  const scale = Math.min(1, longest / Math.max(width, height));
  return { width: Math.max(1, Math.round(width * scale)), height: Math.max(1, Math.round(height * scale)) };
}
