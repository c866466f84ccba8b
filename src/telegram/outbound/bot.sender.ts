import { Injectable, Logger } from '@nestjs/common';
import { languageOf } from '../../common/language.js';
import { UpstreamError, type UpstreamErrorKind } from '../../common/upstream-error.js';
import {
  FILES_LEFT_OUT,
  type DeliveryResult,
  type HeldLease,
  type LaneResult,
  type LeftOutFile,
} from '../../relay/endpoint-driver.js';
import { OperatorSide } from '../../relay/operator-side.js';
import { concat, plain, type RichText } from '../../relay/rich-text.js';
import type { ClaimedDelivery, ClaimedAttachment, ClaimedLane } from '../../storage/work/claimed-lane.js';
import { WELCOME } from '../../storage/intake/welcome.js';
import { ChatTarget } from './chat-target.js';
import { FileSpool, tooLarge } from '../files/file-spool.js';
import { sendText } from './formatted-words.js';
import { mediaKindOf } from './media-kind.js';
import { MediaSender, type ReadyFile } from './media.sender.js';
import { deleteMessage, editMessage } from './message-changes.js';
import { planMessage, type Heading, type PlannedCall } from './message-plan.js';
import { headingOf, withoutName } from './operator-name.js';
import { DONE, later, type Outgoing, type Progress } from './outgoing.js';
import type { ChatTurn } from './send-pace.js';
import { SentParts } from './sent-parts.js';
import { TELEGRAM_CAPTION_LIMIT, TELEGRAM_TEXT_LIMIT } from '../markup/telegram-markup.js';
import { faultOf, isFileRefused, refusal, telegramError } from '../api/telegram-problems.js';
import type { BotApi } from '../api/telegram.client.js';

const REPEATED = { ru: '(возможно, повтор)', en: '(possibly repeated)' };
/** How long to wait while other messages' files fill the spool. */
const SPOOL_FULL_MS = 1_000;
/** An event follows the message that it tells of within this time, if it comes at all. */
const EVENT_COMES_MS = 10_000;
/** After these a message is not continued, or only as a repetition. */
const ENDS: ReadonlySet<UpstreamErrorKind> = new Set(['refused', 'unknown']);

/** Sends what operators say and change, part by part, each part once. */
@Injectable()
export class BotSender {
  private readonly logger = new Logger(BotSender.name);

  constructor(
    private readonly operators: OperatorSide,
    private readonly spool: FileSpool,
    private readonly media: MediaSender,
  ) {}

  /**
   * Sends the one delivery of the lane. Parts that an earlier attempt got through are not sent again; those of this
   * attempt are reported also when a later part fails or must wait.
   */
  async send(api: BotApi, lane: ClaimedLane, turn: ChatTurn, held: HeldLease): Promise<LaneResult> {
    const { chat } = lane;
    const delivery = lane.deliveries[0]!;
    const target = new ChatTarget(chat);
    const sent = new SentParts(delivery.message);
    const leftOut: LeftOutFile[] = [];
    const { result, waitMs } = await this.attempt(
      { api: api.by(held), chat, delivery, turn, target, sent, signal: held.signal },
      leftOut,
    );
    // What stands before a file that was sent, or before an end, will not follow any more.
    const ended = result.delivered || ('error' in result && ENDS.has(result.error.kind));
    const lastFile = sent.between(0, delivery.message.attachments.length).at(-1)?.part ?? -1;
    const final = ended ? leftOut : leftOut.filter(({ ordinal }) => ordinal < lastFile);
    const deliveries = [{ ...result, ...sent.recorded, ...(final.length > 0 ? { leftOut: final } : {}) }];
    return { deliveries, nextInMs: waitMs, chat: target.lesson };
  }

  private async attempt(
    outgoing: Outgoing,
    leftOut: LeftOutFile[],
  ): Promise<{ result: DeliveryResult; waitMs?: number }> {
    const { delivery, sent } = outgoing;
    const { seq, kind } = delivery;
    try {
      const progress = await this.proceed(outgoing, leftOut);
      if (!progress.done) {
        const result = { seq, delivered: false as const, postponed: { begun: sent.grew } };
        return { result, waitMs: progress.waitMs };
      }
      const isOperators = delivery.message.bitrixMessageId !== null;
      const reportDelivery = kind === 'message' && isOperators;
      // Nobody in the dialog wrote it, so they are told what the client has read.
      const note = delivery.message.kind === WELCOME ? { note: { code: WELCOME, detail: '' } } : {};
      return { result: { seq, delivered: true, reportDelivery, ...note } };
    } catch (error) {
      const failure = error instanceof UpstreamError ? error : this.notPrepared(error);
      return { result: { seq, delivered: false, error: failure } };
    }
  }

  private async proceed(outgoing: Outgoing, leftOut: LeftOutFile[]): Promise<Progress> {
    const { chat, delivery } = outgoing;
    if (delivery.kind === 'delete') return deleteMessage(outgoing);
    const heading = await headingOf(chat, delivery.message, this.operators);
    const said = (delivery.kind === 'edit' ? delivery.payload : delivery.message) as unknown as RichText;
    const words = await withoutName({ text: said.text, marks: said.marks }, chat, delivery.message, this.operators);
    if (delivery.kind === 'edit') return editMessage(outgoing, words, heading);
    const missing = this.missingFiles(outgoing);
    if (missing.length === 0) return this.sendParts(outgoing, words, heading, [], leftOut);
    const waitMs = outgoing.turn.waitMs(missing.length, performance.now());
    if (waitMs > 0) return later(waitMs);
    const release = this.spool.tryAcquire(chat.botId);
    if (!release) return later(SPOOL_FULL_MS);
    const files: ReadyFile[] = [];
    try {
      // All of them before anything is sent: a portal that does not answer now delays a message, but never halves it.
      for (const attachment of missing) {
        const file = await this.fetch(outgoing, attachment, leftOut);
        if (file) files.push(file);
      }
      return await this.sendParts(outgoing, words, heading, files, leftOut);
    } finally {
      await Promise.all(files.map(({ content }) => content.close()));
      release();
    }
  }

  private missingFiles({ delivery: { message }, sent }: Outgoing): ClaimedAttachment[] {
    const last = sent.between(0, message.attachments.length).at(-1)?.part ?? -1;
    return message.attachments.filter(({ ordinal }) => ordinal > last);
  }

  private async fetch(
    { api, chat, signal, delivery: { message } }: Outgoing,
    { ordinal, kind, name, url, mime, size }: ClaimedAttachment,
    leftOut: LeftOutFile[],
  ): Promise<ReadyFile | null> {
    const limit = api.uploadLimit;
    try {
      if (chat.portalId === null || url === null) throw refusal('file_gone', 'Nobody knows where the file is.');
      if (size !== null && size > limit) throw tooLarge(limit);
      const content = await this.spool.fetch(chat.portalId, url, limit, signal);
      const seen = { kind, name, mime: mime ?? content.mime, size: content.size };
      return { ordinal, name, kind: mediaKindOf(seen), content };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind !== 'refused' || (error.code === 'file_needs_disk' && mayBringLinks(message))) throw notNow(error);
      leftOut.push({ ordinal, name, code: error.code, detail: error.detail });
      return null;
    }
  }

  /** Plans anew after every call, because a file that Telegram does not take may have had the words for its caption. */
  private async sendParts(
    outgoing: Outgoing,
    words: RichText,
    heading: Heading | null,
    files: ReadyFile[],
    leftOut: LeftOutFile[],
  ): Promise<Progress> {
    const { api, turn, target, sent, delivery } = outgoing;
    const { attachments, replyTo } = delivery.message;
    if (sent.parts.size === 0) target.answers(replyTo);
    let mark = delivery.unknown ? REPEATED[languageOf(outgoing.chat.language)] : null;
    let captioned = true;
    /** Messages that the turn has granted and that no call has used. */
    let granted = 0;
    for (;;) {
      const left = files.filter(({ ordinal }) => !leftOut.some((file) => file.ordinal === ordinal));
      const attached = attachments.length;
      const [next] = planMessage({ words, heading, attached, files: left, sent: sent.parts, captioned });
      if (!next) break;
      const { before, call } = mark === null ? { before: null, call: next } : markedAsRepeated(next, mark);
      const messages = call.parts.length + (before ? 1 : 0);
      const waitMs = messages > granted ? turn.take(messages - granted, performance.now()) : 0;
      if (waitMs > 0) return later(waitMs);
      granted = Math.max(granted, messages);
      let used = messages;
      try {
        if (before) {
          await sendText(api, target, before);
          mark = null;
        }
        await this.perform(outgoing, call, files, leftOut);
        mark = null;
      } catch (error) {
        if (call.type === 'text' || !call.caption || faultOf(error) !== 'words') throw error;
        // It is the words that Telegram does not take there, so they go as a message of their own.
        captioned = false;
        used = before ? 1 : 0;
      } finally {
        for (let answered = 0; answered < used; answered++) turn.answered(performance.now());
        granted -= used;
      }
    }
    if (sent.parts.size === 0) throw nothingToSend(leftOut);
    return DONE;
  }

  private async perform(
    outgoing: Outgoing,
    call: PlannedCall,
    files: ReadyFile[],
    leftOut: LeftOutFile[],
  ): Promise<void> {
    const { api, target, sent } = outgoing;
    if (call.type === 'text') return sent.add(call.parts, [await sendText(api, target, call.words)]);
    const group = call.parts.map((part) => files.find(({ ordinal }) => ordinal === part)!);
    const sending = { ...outgoing, botId: outgoing.chat.botId };
    const ids = group.length > 1 ? await this.media.sendAlbum(sending, group, call.caption) : null;
    if (ids) return sent.add(call.parts, ids);
    let { caption } = call;
    for (const file of group) {
      try {
        sent.add([file.ordinal], [await this.media.sendOne(sending, file, caption)]);
        caption = null;
      } catch (error) {
        if (!isFileRefused(error)) throw error;
        leftOut.push({ ordinal: file.ordinal, name: file.name, code: error.code, detail: error.detail });
      }
    }
  }

  private notPrepared(cause: unknown): UpstreamError {
    // Not an answer of Telegram: our own fault or the database's. What was sent is in the result.
    this.logger.error({ err: cause }, 'A message could not be prepared');
    return notPrepared(cause);
  }
}

/** What the log explains: a fault of the program, or of the database. */
export function notPrepared(cause: unknown): UpstreamError {
  const detail = 'The message could not be prepared; see the log.';
  return telegramError('INTERNAL', { kind: 'not_sent', scope: 'message' }, detail, { cause });
}

/** UNCERTAIN_POLICY=resend repeats a part once, and says so: before its words, or ahead of them when they fill a message. */
function markedAsRepeated(call: PlannedCall, mark: string): { before: RichText | null; call: PlannedCall } {
  const words = call.type === 'text' ? call.words : call.caption;
  const marked = words === null ? plain(mark) : concat(plain(`${mark}\n`), words);
  const limit = call.type === 'text' ? TELEGRAM_TEXT_LIMIT : TELEGRAM_CAPTION_LIMIT;
  if (marked.text.length > limit) return { before: plain(mark), call };
  return { before: null, call: call.type === 'text' ? { ...call, words: marked } : { ...call, caption: marked } };
}

function nothingToSend(leftOut: LeftOutFile[]): UpstreamError {
  if (leftOut.length === 0) return refusal('empty', 'There is no text to send.');
  const files = leftOut.map((file) => `${file.name}: ${file.code} (${file.detail})`);
  return refusal(FILES_LEFT_OUT, files.join('; '));
}

/** It was found in the dialog before its event came, which has links to its files. */
function mayBringLinks({ saidAt, createdAt }: ClaimedDelivery['message']): boolean {
  return Date.now() - Math.min((saidAt ?? createdAt).getTime(), createdAt.getTime()) < EVENT_COMES_MS;
}

/** The portal's trouble is not the bot's: only this message waits for it. */
function notNow({ code, detail, retryAfterMs }: UpstreamError): UpstreamError {
  const said = `The portal does not give the file now (${code}): ${detail}`;
  return telegramError('file_not_now', { kind: 'not_sent', scope: 'message', retryAfterMs }, said);
}
