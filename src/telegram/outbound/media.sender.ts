import { createHash } from 'node:crypto';
import { Injectable, Logger } from '@nestjs/common';
import type { Message, MessageEntity } from '@grammyjs/types';
import { UpstreamError } from '../../common/upstream-error.js';
import type { RichText } from '../../relay/rich-text.js';
import { UploadsRepository, type UploadKey } from '../../storage/work/uploads.repository.js';
import type { BotCalls } from '../api/bot-api.js';
import type { ChatTarget, TargetParams } from './chat-target.js';
import type { SpooledFile } from '../files/file-spool.js';
import { sendFormatted, underneath } from './formatted-words.js';
import type { ReplyMarkup } from '../markup/reply-markup.js';
import { fallbackOf, type MediaKind } from './media-kind.js';
import { Upload } from '../api/request-body.js';
import { TELEGRAM_CAPTION_LIMIT } from '../markup/telegram-markup.js';
import { faultOf, isFileRefused, isRefusal, telegramError } from '../api/telegram-problems.js';
import type { BotApi } from '../api/telegram.client.js';
import { announced, uploadActionOf } from './upload-action.js';

/** A file that is ready to be sent. */
export interface ReadyFile {
  ordinal: number;
  name: string;
  kind: MediaKind;
  content: SpooledFile;
}

/** The bot that sends, and where to. */
export interface Sending {
  botId: bigint;
  api: BotApi;
  target: ChatTarget;
  /** Aborted: an upload that is not complete is given up. */
  signal: AbortSignal;
}

const METHOD = {
  photo: 'sendPhoto',
  video: 'sendVideo',
  animation: 'sendAnimation',
  voice: 'sendVoice',
  audio: 'sendAudio',
  document: 'sendDocument',
} as const satisfies Record<MediaKind, keyof BotCalls>;

type CaptionParams = { caption?: string; caption_entities?: MessageEntity[]; reply_markup?: ReplyMarkup };
type SendOne = (params: TargetParams & Record<string, unknown>) => Promise<Message>;
/** Its type names each family that may stand together; which one it is, the plan knows. */
type Album = Parameters<BotCalls['sendMediaGroup']>[0]['media'];

/** These show a name to the client, so the same content under another name is another file. */
const NAMED: ReadonlySet<MediaKind> = new Set(['document', 'audio', 'video', 'animation']);

/**
 * Sends files as what they are: those that the bot has sent before by their file id, others as an upload. What
 * Telegram refuses in one form goes in the next, at last as a document.
 */
@Injectable()
export class MediaSender {
  private readonly logger = new Logger(MediaSender.name);

  constructor(private readonly uploads: UploadsRepository) {}

  /** Sends one file, with what stands under it, and answers its message id. */
  sendOne(
    sending: Sending,
    file: ReadyFile,
    caption: RichText | null,
    markup: ReplyMarkup | null = null,
  ): Promise<bigint> {
    return withCaption(caption, (params) => this.sendInSomeForm(sending, file, { ...params, ...underneath(markup) }));
  }

  private async sendInSomeForm(sending: Sending, file: ReadyFile, caption: CaptionParams): Promise<bigint> {
    for (let kind = file.kind; ;) {
      try {
        return await this.sendAs(kind, sending, file, caption);
      } catch (error) {
        const next = faultOf(error) === 'form' ? fallbackOf(kind) : null;
        if (!next) throw error;
        kind = next;
      }
    }
  }

  /** Sends an album and returns a message id for each file, unless Telegram takes these files only one by one. */
  async sendAlbum(sending: Sending, files: ReadyFile[], caption: RichText | null): Promise<bigint[] | 'one_by_one'> {
    const known = await Promise.all(files.map((file) => this.fileIdOf(keyOf(sending.botId, file, file.kind))));
    try {
      return await withCaption(caption, (params) => this.sendTogether(sending, files, known, params));
    } catch (error) {
      if (!isFileRefused(error)) throw error;
      // Sent one by one, they show which of them was refused.
      return 'one_by_one';
    }
  }

  private async sendTogether(
    sending: Sending,
    files: ReadyFile[],
    known: (string | null)[],
    caption: CaptionParams,
  ): Promise<bigint[] | 'one_by_one'> {
    const { botId, api, target } = sending;
    if (newBytes(files, known) > api.uploadLimit) return 'one_by_one';
    const messages = await target.send((params) =>
      uploading(sending, files, known, (media, bytes) =>
        (bytes > 0 ? api.uploads(bytes) : api.calls).sendMediaGroup({
          ...params,
          media: files.map(({ kind }, index) => ({
            type: kind,
            media: media[index]!,
            ...streamed(kind),
            ...(index === 0 ? caption : {}),
          })) as unknown as Album,
        }),
      ),
    );
    await Promise.all(
      files.map(async (file, index) => {
        if (known[index] === null) await this.remember(keyOf(botId, file, file.kind), messages[index]!);
      }),
    );
    return messages.map(({ message_id }) => BigInt(message_id));
  }

  private async sendAs(kind: MediaKind, sending: Sending, file: ReadyFile, caption: CaptionParams): Promise<bigint> {
    const { botId, api, target } = sending;
    const key = keyOf(botId, file, kind);
    const send = (fileId: string | null) =>
      target.send((params) =>
        uploading(sending, [{ ...file, kind }], [fileId], ([media], bytes) => {
          const method = (bytes > 0 ? api.uploads(bytes) : api.calls)[METHOD[kind]] as SendOne;
          return method({ ...params, [kind]: media, ...streamed(kind), ...caption });
        }),
      );
    const known = await this.fileIdOf(key);
    if (known !== null) {
      try {
        return BigInt((await send(known)).message_id);
      } catch (error) {
        if (!isRefusal(error, 'file_id_refused')) throw error;
        await this.forget(key, known);
      }
    }
    const message = await send(null);
    await this.remember(key, message);
    return BigInt(message.message_id);
  }

  private fileIdOf(key: UploadKey): Promise<string | null> {
    return this.uploads.use(key).catch((error: unknown) => this.withoutUploads(error));
  }

  /** Telegram may have taken the file as something else; then its id is of no use for this kind. */
  private async remember(key: UploadKey, message: Message): Promise<void> {
    const fileId = fileIdIn(message, key.kind as MediaKind);
    if (fileId === undefined) return;
    await this.uploads.remember(key, fileId).catch((error: unknown) => this.withoutUploads(error));
  }

  private async forget(key: UploadKey, fileId: string): Promise<void> {
    await this.uploads.forget(key, fileId).catch((error: unknown) => this.withoutUploads(error));
  }

  /** Earlier uploads only save time: no message may fail because of them. */
  private withoutUploads(error: unknown): null {
    this.logger.warn({ err: error }, 'Earlier uploads of the bot could not be looked up; files are uploaded again');
    return null;
  }
}

/**
 * Makes a call with files in the place of those without a file id. A request that failed before all of its content
 * was read cannot have been understood: then nothing was sent, whatever became of the connection.
 */
async function uploading<Answer>(
  { api, target, signal }: Sending,
  files: ReadyFile[],
  known: (string | null)[],
  call: (media: (string | Upload)[], bytes: number) => Promise<Answer>,
): Promise<Answer> {
  let unread = 0;
  async function* content(file: ReadyFile): AsyncGenerator<Uint8Array> {
    for await (const chunk of file.content.content()) {
      signal.throwIfAborted();
      yield chunk;
    }
    unread--;
  }
  const media = files.map((file, index) => {
    const fileId = known[index] ?? null;
    if (fileId !== null) return fileId;
    unread++;
    return new Upload(() => content(file), file.content.size, uploadName(file.name));
  });
  const bytes = newBytes(files, known);
  const { stage } = target;
  const action = uploadActionOf(files[0]!.kind);
  try {
    if (bytes === 0 || !stage) return await call(media, bytes);
    const show = (over: AbortSignal) => api.calls.sendChatAction({ ...stage, action }, over);
    return await announced(show, () => call(media, bytes));
  } catch (error) {
    if (!(error instanceof UpstreamError) || error.kind !== 'unknown' || unread === 0) throw error;
    throw telegramError(error.code, { kind: 'not_sent', scope: error.scope }, error.detail, { cause: error });
  }
}

function newBytes(files: ReadyFile[], known: (string | null)[]): number {
  return files.reduce((sum, { content }, index) => sum + ((known[index] ?? null) === null ? content.size : 0), 0);
}

function keyOf(botId: bigint, { content, name }: ReadyFile, kind: MediaKind): UploadKey {
  const { digest } = content;
  return { botId, kind, digest: NAMED.has(kind) ? createHash('sha256').update(digest).update(name).digest() : digest };
}

function withCaption<Answer>(
  caption: RichText | null,
  send: (params: CaptionParams) => Promise<Answer>,
): Promise<Answer> {
  if (caption === null) return send({});
  return sendFormatted(caption, TELEGRAM_CAPTION_LIMIT, ({ text, entities }) =>
    send({ caption: text, caption_entities: entities }),
  );
}

/** A video can be watched while it loads. */
function streamed(kind: MediaKind): Record<string, unknown> {
  return kind === 'video' ? { supports_streaming: true } : {};
}

function fileIdIn(message: Message, kind: MediaKind): string | undefined {
  // The id of any of its sizes is the photo.
  if (kind === 'photo') return message.photo?.at(-1)?.file_id;
  return message[kind]?.file_id;
}

/** A name that fits unescaped into the header of a multipart section. */
function uploadName(name: string): string {
  // oxlint-disable-next-line no-control-regex
  const safe = name.replace(/[\u0000-\u001f\u007f";\\/]/g, '_').trim();
  return safe === '' ? 'file' : safe;
}
