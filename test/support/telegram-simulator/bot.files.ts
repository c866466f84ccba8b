import { createHash } from 'node:crypto';
import type {
  Audio,
  Animation,
  Document,
  File,
  LivePhoto,
  PhotoSize,
  Sticker,
  Video,
  VideoNote,
  Voice,
} from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { FileStore, StoredContent } from './file.store.js';
import type { ImageSize } from './image.header.js';
import {
  downloadExtension,
  fitInto,
  KINDS,
  mimeTypeFor,
  type MediaDetails,
  type MediaFields,
  type MediaKind,
} from './media.kinds.js';
import { sampleJpeg } from './sample.media.js';

/** The cloud hands out files up to this size (`MAX_DOWNLOAD_FILE_SIZE` in tdlib/telegram-bot-api). */
const DOWNLOAD_LIMIT = 20 << 20;
/** A link to a file holds for at least an hour (core.telegram.org/bots/api#getfile). */
const LINK_LIFETIME_MS = 3_600_000;
/** The longer sides of the smaller versions that Telegram makes of a photo. */
const PHOTO_SIDES = [90, 320, 800];
const THUMBNAIL_SIDE = 320;

export interface FileRules {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** As a local Bot API server: files of any size, `file_path` is where the file lies on the disk. */
  readonly local: boolean;
}

/** One file as one bot knows it. */
export interface BotFile {
  readonly id: string;
  readonly uniqueId: string;
  readonly kind: keyof typeof KINDS;
  readonly content: StoredContent;
  readonly extension: string;
}

interface Link {
  readonly path: string;
  readonly file: BotFile;
  readonly until: number;
}

type FileIds = Pick<File, 'file_id' | 'file_unique_id'> & { file_size: number };

/**
 * The files that one bot has seen. A `file_id` is the bot's own and stays good for ever; `file_unique_id` names the
 * content and is the same for every bot. The bytes of a photo are kept as they came: its largest size are they, the
 * smaller ones are pictures of their own.
 */
export class BotFiles {
  private readonly files = new Map<string, BotFile>();
  private readonly fieldsById = new Map<string, MediaFields>();
  private readonly linksByFile = new Map<string, Link>();
  private readonly linksByPath = new Map<string, Link>();
  private links = 0;

  constructor(
    private readonly botId: number,
    private readonly store: FileStore,
    private readonly rules: FileRules,
  ) {}

  /** Takes in a file of this kind and answers the fields of Message that carry it. */
  keepMedia(kind: MediaKind, content: StoredContent, details: MediaDetails = {}): MediaFields {
    const fields = this.describe(kind, content, details);
    const described = fields[kind];
    for (const { file_id } of Array.isArray(described) ? described : [described!]) this.fieldsById.set(file_id, fields);
    return fields;
  }

  /** All sizes of a photo, the smallest first. */
  keepPhoto(content: StoredContent, size: ImageSize, kind: 'photo' | 'profile_photo' = 'photo'): PhotoSize[] {
    const longest = Math.max(size.width, size.height);
    const smaller = PHOTO_SIDES.filter((side) => side < longest).map((side) => this.reduced(content, size, side, kind));
    return [...smaller, { ...this.register(kind, content), ...size }];
  }

  find(fileId: string): BotFile | undefined {
    return this.files.get(fileId);
  }

  /** The media that a message with this file carried; `undefined` for thumbnails and profile photos. */
  fieldsOf(fileId: string): MediaFields | undefined {
    return this.fieldsById.get(fileId);
  }

  /** getFile: where the file can be downloaded from, for an hour. */
  locate(fileId: string): File {
    const file = this.files.get(fileId);
    if (!file) throw badRequest('wrong file_id or the file is temporarily unavailable');
    if (!this.rules.local && file.content.size > DOWNLOAD_LIMIT) throw badRequest('file is too big');
    const ids = { file_id: file.id, file_unique_id: file.uniqueId, file_size: file.content.size };
    return { ...ids, file_path: this.linkTo(file).path };
  }

  /** What lies under a path that getFile named; `undefined` once it no longer does, and always on a local server. */
  open(path: string): BotFile | undefined {
    const link = this.linksByPath.get(path);
    return link && !this.rules.local && link.until > this.rules.now() ? link.file : undefined;
  }

  /** Every path that getFile has named is gone, as if its hour were over; the next getFile names another. */
  expireLinks(): void {
    this.linksByFile.clear();
    this.linksByPath.clear();
  }

  private linkTo(file: BotFile): Link {
    const known = this.linksByFile.get(file.id);
    if (known && known.until > this.rules.now()) return known;
    const name = `file_${this.links}${file.extension && `.${file.extension}`}`;
    const relative = `${KINDS[file.kind].folder}/${name}`;
    this.links += 1;
    const path = this.rules.local ? this.store.link(file.content, `${this.botId}/${relative}`) : relative;
    const link = { path, file, until: this.rules.now() + LINK_LIFETIME_MS };
    this.linksByFile.set(file.id, link);
    this.linksByPath.set(path, link);
    return link;
  }

  private register(kind: BotFile['kind'], content: StoredContent, details: MediaDetails = {}): FileIds {
    const { prefix } = KINDS[kind];
    const uniqueId = `${prefix === 'AgAC' ? 'AQAD' : 'AgAD'}${content.sha256.slice(0, 12)}`;
    const seed = createHash('sha256').update(`${this.botId}:${this.files.size}:${content.sha256}`);
    const id = `${prefix}AgIAAxkB${seed.digest('base64url')}`;
    this.files.set(id, { id, uniqueId, kind, content, extension: downloadExtension(kind, details) });
    return { file_id: id, file_unique_id: uniqueId, file_size: content.size };
  }

  private reduced(of: StoredContent, size: ImageSize, side: number, kind: BotFile['kind']): PhotoSize {
    const fitted = fitInto(size, side);
    return { ...this.register(kind, this.store.keep(sampleJpeg(fitted, of.sha256))), ...fitted };
  }

  private thumbnail(content: StoredContent, size: ImageSize, given: StoredContent | undefined): PhotoSize {
    if (!given) return this.reduced(content, size, THUMBNAIL_SIDE, 'thumbnail');
    return { ...this.register('thumbnail', given), ...fitInto(size, THUMBNAIL_SIDE) };
  }

  private describe(kind: MediaKind, content: StoredContent, details: MediaDetails): MediaFields {
    const { fileName, duration = 0, width = 640, height = 480 } = details;
    const size = { width, height };
    if (kind === 'photo') return { photo: this.keepPhoto(content, size) };

    const ids = this.register(kind, content, details);
    const name = fileName === undefined ? {} : { file_name: fileName };
    const type = { mime_type: details.mimeType ?? mimeTypeFor(kind, fileName) };
    const preview = () => ({ thumbnail: this.thumbnail(content, size, details.thumbnail) });
    switch (kind) {
      case 'video':
        return { video: { ...ids, ...size, duration, ...preview(), ...name, ...type } satisfies Video };
      case 'animation': {
        const animation: Animation = { ...ids, ...size, duration, ...preview(), ...name, ...type };
        return { animation, document: { ...ids, thumbnail: animation.thumbnail!, ...name, ...type } };
      }
      case 'audio': {
        const { title, performer } = details;
        const tags = { ...(title && { title }), ...(performer && { performer }) };
        return { audio: { ...ids, duration, ...tags, ...name, ...type } satisfies Audio };
      }
      case 'document': {
        const document: Document = { ...ids, ...(details.thumbnail && preview()), ...name };
        return { document: details.mimeType === '' ? document : { ...document, ...type } };
      }
      case 'voice':
        return { voice: { ...ids, duration, ...type } satisfies Voice };
      case 'video_note':
        return { video_note: { ...ids, length: details.width ?? 240, duration, ...preview() } satisfies VideoNote };
      case 'sticker':
        return { sticker: { ...ids, ...stickerTraits(details), ...preview() } satisfies Sticker };
      case 'live_photo': {
        const photo = this.keepPhoto(this.store.keep(sampleJpeg(size, content.sha256)), size);
        return { live_photo: { ...ids, ...size, duration, ...type, photo } satisfies LivePhoto, photo };
      }
    }
  }
}

function stickerTraits({ format = 'static', emoji, setName, width = 512, height = 512 }: MediaDetails) {
  return {
    type: 'regular' as const,
    width,
    height,
    is_animated: format === 'animated',
    is_video: format === 'video',
    ...(emoji && { emoji }),
    ...(setName && { set_name: setName }),
  };
}
