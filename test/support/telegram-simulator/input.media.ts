import { badRequest, type BotApiError } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import type { FileContent, StoredContent } from './file.store.js';
import { readImageSize } from './image.header.js';
import { extensionOf, KINDS, type MediaDetails, type MediaFields, type MediaKind } from './media.kinds.js';
import type { UploadedFile } from './multipart.form.js';
import type { SimulatedBot } from './simulated.bot.js';

/** Largest photo (`MAX_PHOTO_SIZE` in TDLib), its largest width + height and its most uneven sides. */
const PHOTO_BYTES = 10 << 20;
const PHOTO_SIDES = 10_000;
const PHOTO_RATIO = 20;
/** What Telegram fetches from a URL (core.telegram.org/bots/api#sending-files). */
const URL_PHOTO_BYTES = 5 << 20;
const URL_FILE_BYTES = 20 << 20;

const STICKER_FORMATS: Readonly<Record<string, MediaDetails['format']>> = { tgs: 'animated', webm: 'video' };

/** The web as Telegram's servers see it: `undefined` when nothing answers under this URL. */
export type FetchUrl = (url: string) => Promise<{ type: string; content: FileContent } | undefined>;

/** Where a call names a file: the parameter, its value, the thumbnail, and the refusal for a value that names none. */
interface FileSource {
  readonly field: string;
  readonly value: string;
  readonly thumbnail: string;
  readonly missing: BotApiError;
}

/** The media that the parameter named like its kind carries: `photo` of sendPhoto … */
export function readMediaParam(bot: SimulatedBot, params: CallParams, kind: MediaKind): Promise<MediaFields> {
  const missing = badRequest(`there is no ${kind} in the request`);
  const source = { field: kind, value: params.text(kind), thumbnail: params.text('thumbnail'), missing };
  return readMedia(bot, params, kind, source, detailsIn(params));
}

/** The media of one InputMedia: its `media` is a file id, a URL or `attach://<part>`. */
export function readInputMedia(bot: SimulatedBot, params: CallParams, kind: MediaKind, item: CallParams) {
  const missing = badRequest("can't parse InputMedia: media not found");
  const source = { field: '', value: item.text('media'), thumbnail: item.text('thumbnail'), missing };
  return readMedia(bot, params, kind, source, detailsIn(item));
}

async function readMedia(
  bot: SimulatedBot,
  params: CallParams,
  kind: MediaKind,
  source: FileSource,
  details: MediaDetails,
): Promise<MediaFields> {
  const thumbnail = attached(params, 'thumbnail', source.thumbnail)?.content;
  const described = { ...details, ...(thumbnail && { thumbnail }) };
  const upload = attached(params, source.field, source.value);
  if (upload) return keepUpload(bot, kind, upload, described);
  if (source.value === '' || source.value.startsWith('attach://')) throw source.missing;
  if (source.value.includes('.')) return keepFetched(bot, kind, source.value, described);
  return knownMedia(bot, kind, source.value);
}

function attached(params: CallParams, field: string, value: string): UploadedFile | undefined {
  return params.files.get(value.startsWith('attach://') ? value.slice('attach://'.length) : field);
}

function keepUpload(bot: SimulatedBot, kind: MediaKind, upload: UploadedFile, details: MediaDetails): MediaFields {
  const { content, fileName } = upload;
  if (content.size === 0) throw badRequest('file must be non-empty');
  const name = fileName === '' ? {} : { fileName };
  const format = STICKER_FORMATS[extensionOf(fileName)] ?? 'static';
  return bot.files.keepMedia(kind, content, { ...details, ...name, format, ...measured(bot, kind, content) });
}

/** A dot makes a file id a URL, as in TDLib. */
async function keepFetched(
  bot: SimulatedBot,
  kind: MediaKind,
  url: string,
  details: MediaDetails,
): Promise<MediaFields> {
  if (kind === 'video_note' || !URL.canParse(url)) throw badRequest('wrong file identifier/HTTP URL specified');
  const answer = await bot.fetchUrl(url);
  if (!answer) throw badRequest('failed to get HTTP URL content');
  const content = bot.store.keep(answer.content);
  if (content.size > (kind === 'photo' ? URL_PHOTO_BYTES : URL_FILE_BYTES)) {
    throw badRequest('failed to get HTTP URL content');
  }
  if (content.size === 0 || !fits(kind, answer.type)) throw badRequest('wrong type of the web page content');
  const fileName = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  const name = fileName === '' ? {} : { fileName };
  return bot.files.keepMedia(kind, content, {
    ...details,
    ...name,
    mimeType: answer.type,
    ...measured(bot, kind, content),
  });
}

/** What Telegram takes from a URL: documents only as PDF and ZIP, other kinds by their type. */
function fits(kind: MediaKind, type: string): boolean {
  if (kind === 'document') return ['application/pdf', 'application/zip', 'image/gif'].includes(type);
  if (kind === 'photo' || kind === 'sticker') return type.startsWith('image/');
  if (kind === 'animation') return type === 'image/gif' || type === 'video/mp4';
  return type.startsWith(kind === 'video' ? 'video/' : 'audio/');
}

function knownMedia(bot: SimulatedBot, kind: MediaKind, fileId: string): MediaFields {
  const file = bot.files.find(fileId);
  if (!file) throw badRequest("wrong remote file identifier specified: can't unserialize it");
  const fields = bot.files.fieldsOf(fileId);
  if (!fields || file.kind !== kind) {
    throw badRequest(`can't use file of type ${KINDS[file.kind].tdName} as ${KINDS[kind].tdName}`);
  }
  return fields;
}

/** The size that the server reads from a picture. Throws what a photo is refused for. */
function measured(bot: SimulatedBot, kind: MediaKind, content: StoredContent): MediaDetails {
  if (kind !== 'photo') return {};
  if (content.size > PHOTO_BYTES) {
    const sizes = `file of size ${content.size} bytes is too big for a photo; the maximum size is ${PHOTO_BYTES} bytes`;
    throw badRequest(sizes);
  }
  const size = readImageSize(bot.store.head(content));
  if (!size) throw badRequest('IMAGE_PROCESS_FAILED');
  const [shorter, longer] = [size.width, size.height].sort((a, b) => a - b) as [number, number];
  if (shorter + longer > PHOTO_SIDES || longer > shorter * PHOTO_RATIO) throw badRequest('PHOTO_INVALID_DIMENSIONS');
  return size;
}

function detailsIn(params: CallParams): MediaDetails {
  const pixels = (name: string) => (params.has(name) ? { [name]: params.integer(name, 0, 0, 10_000) } : {});
  const words = (name: string) => (params.has(name) ? { [name]: params.text(name) } : {});
  const side = params.has('length') ? { width: params.integer('length', 0, 0, 640) } : {};
  return {
    duration: params.integer('duration', 0, 0, 86_400),
    ...pixels('width'),
    ...pixels('height'),
    ...side,
    ...words('title'),
    ...words('performer'),
    ...words('emoji'),
  };
}
