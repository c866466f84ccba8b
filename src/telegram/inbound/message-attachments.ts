import type { StoredAttachment } from '../../storage/intake/intake.rows.js';
import { extensionOf } from '../../common/media-types.js';
import { asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import { choosePhotoSize } from '../api/photo-sizes.js';
import type { MessageLabels } from './message-labels.js';
import { fileSize, listed, named, playingTime, withDetails } from './message-wording.js';
import { mediaBlocks } from './rich-message.parser.js';

/** Longest file name in code points: file systems take 255 bytes, and three bytes make a letter of most scripts. */
const NAME_LIMIT = 80;

/** What the files of a field are when Telegram does not say; documents may be anything. */
const USUAL_MIME: Readonly<Record<string, string>> = {
  animation: 'video/mp4',
  photo: 'image/jpeg',
  video: 'video/mp4',
  video_note: 'video/mp4',
  voice: 'audio/ogg',
  audio: 'audio/mpeg',
  sticker: 'image/webp',
};

/** Fields of Message that hold files, in the order of detection: the telling one of several stands first. */
export const FILE_FIELDS = [
  'animation',
  'live_photo',
  'photo',
  'video',
  'video_note',
  'voice',
  'audio',
  'document',
] as const;
type FileField = (typeof FILE_FIELDS)[number];

/** What is read in the place of a file. */
export function fileLabel(field: FileField, file: unknown, labels: MessageLabels): string {
  switch (field) {
    case 'photo':
      return labels.photo;
    case 'live_photo':
      return labels.livePhoto;
    case 'audio':
      return audioLabel(asObject(file), labels);
    case 'document':
      return documentLabel(asObject(file), labels);
    case 'voice':
      return listed(labels.voice, playingTime(file));
    case 'video_note':
      return listed(labels.videoNote, playingTime(file));
    default:
      return withDetails(labels[field], playingTime(file));
  }
}

/**
 * The files of a message in the order in which people see them; empty where it holds none that a bot may have (paid
 * media). Any JSON may be passed.
 *
 * A live photo is its still, which every page shows, and the moving part behind it: both were sent. A video sticker is
 * the WebM that it is made of, which Bitrix24 plays. An animated one is its thumbnail, because no page shows gzipped
 * Lottie; without a thumbnail it has no file. A rich message brings the files of its blocks.
 */
export function attachmentsOf(message: JsonObject, labels: MessageLabels): StoredAttachment[] {
  const suffix = `${asNumber(message.message_id) ?? 0}`;
  if (message.rich_message !== undefined) {
    return mediaBlocks(message.rich_message).flatMap(([field, block], index) =>
      filesOf(field, block, `${suffix}_${index + 1}`, labels),
    );
  }
  const field = FILE_FIELDS.find((name) => message[name] !== undefined && message[name] !== null);
  if (field) return filesOf(field, message, suffix, labels);
  return message.sticker === undefined ? [] : stickerFile(asObject(message.sticker), suffix, labels);
}

function filesOf(field: FileField, holder: JsonObject, suffix: string, labels: MessageLabels): StoredAttachment[] {
  const value = asObject(holder[field]);
  const label = fileLabel(field, value, labels);
  if (field === 'photo') return photoFile(holder.photo, suffix, label);
  if (field !== 'live_photo') return fileOf(value, field, suffix, label);
  return [
    ...photoFile(holder.photo ?? value.photo, suffix, label),
    ...fileOf(value, 'video', suffix, fileLabel('video', value, labels)),
  ];
}

function photoFile(sizes: unknown, suffix: string, label: string): StoredAttachment[] {
  const largest = choosePhotoSize(sizes, 'largest');
  return largest ? fileOf(largest, 'photo', suffix, label) : [];
}

function stickerFile(sticker: JsonObject, suffix: string, labels: MessageLabels): StoredAttachment[] {
  // Servers before Bot API 6.6 say `thumb`.
  if (sticker.is_animated === true) {
    return fileOf(asObject(sticker.thumbnail ?? sticker.thumb), 'sticker', suffix, labels.sticker);
  }
  // Bitrix24 shows a file as a video by its extension (disk/lib/typefile.php).
  const file = sticker.is_video === true ? { ...sticker, mime_type: 'video/webm' } : sticker;
  return fileOf(file, 'sticker', suffix, labels.sticker);
}

function fileOf(file: JsonObject, kind: string, suffix: string, label: string): StoredAttachment[] {
  if (!hasFile(file)) return [];
  const mime = mimeOf(file) ?? USUAL_MIME[kind];
  const extension = mime && extensionOf(mime);
  const size = asNumber(file.file_size);
  return [
    {
      kind,
      name: cleanName(asText(file.file_name)) || `${kind}_${suffix}${extension ? `.${extension}` : ''}`,
      mime,
      size: Number.isSafeInteger(size) && size! >= 0 ? size : undefined,
      label,
      telegramFileId: asText(file.file_id),
      telegramUniqueId: asText(file.file_unique_id) || undefined,
    },
  ];
}

function hasFile(file: JsonObject): boolean {
  return asText(file.file_id) !== '';
}

function mimeOf({ mime_type: value }: JsonObject): string | undefined {
  const mime = asText(value).trim().toLowerCase();
  return /^[\w.+-]{1,60}\/[\w.+-]{1,80}$/.test(mime) ? mime : undefined;
}

/**
 * A name that any file system takes and that looks like what it is: signs that are not drawn can turn `…gpj.exe` into
 * what reads as a picture.
 */
function cleanName(name: string): string {
  const drawn = name
    .toWellFormed()
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '')
    .replace(/[<>:"/\\|?*]/g, '_')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+|[. ]+$/g, '');
  const [, stem, extension] = /^(.*?)(\.[^.]{1,12})?$/su.exec(drawn) as unknown as [string, string, string?];
  const kept = [...stem].slice(0, NAME_LIMIT - [...(extension ?? '')].length).join('');
  return kept.trimEnd() === '' ? '' : `${kept.trimEnd()}${extension ?? ''}`;
}

function audioLabel({ performer, title, file_name: fileName, duration }: JsonObject, labels: MessageLabels): string {
  const name =
    [asText(performer), asText(title)].filter((part) => part !== '').join(' – ') || cleanName(asText(fileName));
  return withDetails(named(labels.audio, name), playingTime({ duration }));
}

function documentLabel({ file_name: fileName, file_size: size }: JsonObject, labels: MessageLabels): string {
  return withDetails(named(labels.document, cleanName(asText(fileName))), fileSize(asNumber(size), labels));
}
