import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../common/upstream-error.js';
import { UNNAMED_FILE } from '../../relay/operator-directory.js';
import type { ClaimedAttachment, ClaimedDelivery } from '../../storage/work/claimed-lane.js';
import { refusal, telegramError } from '../api/telegram-problems.js';
import { FileSpool, tooLarge } from '../files/file-spool.js';
import { mediaKindOf } from './media-kind.js';
import type { ReadyFile } from './media.sender.js';
import { later, type Outgoing, type Progress } from './outgoing.js';

/** How long to wait while other messages' files fill the spool. */
const SPOOL_FULL_MS = 1_000;
/** An event follows the message that it tells of within this time, if it comes at all. */
const EVENT_COMES_MS = 10_000;

/** Fetches the files of an operator's message from the portal. */
@Injectable()
export class OperatorFiles {
  constructor(private readonly spool: FileSpool) {}

  /**
   * Sends with the files that Telegram does not have yet. All are fetched before anything is sent: a portal that does
   * not answer now delays a message, but never halves it. Files that cannot be had are noted as left out.
   */
  async use(outgoing: Outgoing, send: (files: ReadyFile[]) => Promise<Progress>): Promise<Progress> {
    const missing = missingFiles(outgoing);
    if (missing.length === 0) return send([]);
    const turn = outgoing.turn.ask(missing.length, performance.now());
    if (!turn.granted) return later(turn.retryAfterMs);
    const release = this.isHere(outgoing, missing) ? () => undefined : this.spool.tryAcquire(outgoing.chat.botId);
    if (!release) return later(SPOOL_FULL_MS);
    const files: ReadyFile[] = [];
    try {
      for (const attachment of missing) {
        const file = await this.fetch(outgoing, attachment);
        if (file) files.push(file);
      }
      return await send(files);
    } finally {
      await Promise.all(files.map(({ content }) => content.close()));
      release();
    }
  }

  /** Files of a mailing that was sent to others just now. */
  private isHere({ chat: { portalId }, delivery: { message } }: Outgoing, missing: ClaimedAttachment[]): boolean {
    return (
      isMailing(message) &&
      missing.every(({ url }) => portalId !== null && url !== null && this.spool.holds(portalId, url))
    );
  }

  /** null: the file cannot be had, now or later. */
  private async fetch(
    { api, chat, signal, leftOut, delivery: { message } }: Outgoing,
    { ordinal, kind, name, url, mime, size }: ClaimedAttachment,
  ): Promise<ReadyFile | null> {
    const limit = api.uploadLimit;
    try {
      if (chat.portalId === null || url === null) throw refusal('file_gone', 'Nobody knows where the file is.');
      if (size !== null && size > limit) throw tooLarge(limit);
      const content = isMailing(message)
        ? await this.spool.fetchShared(chat.portalId, url, limit, signal)
        : await this.spool.fetch(chat.portalId, url, limit, signal);
      const named = name === UNNAMED_FILE ? (content.name ?? name) : name;
      const seen = { kind, name: named, mime: mime ?? content.mime, size: content.size };
      return { ordinal, name: named, kind: mediaKindOf(seen), content };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind !== 'refused' || (error.code === 'file_needs_disk' && mayBringLinks(message))) throw notNow(error);
      leftOut.push({ ordinal, name, code: error.code, detail: error.detail });
      return null;
    }
  }
}

/** Nobody wrote it, and many may get the same. */
function isMailing({ authorId }: ClaimedDelivery['message']): boolean {
  return authorId === '0';
}

function missingFiles({ delivery: { message }, sent }: Outgoing): ClaimedAttachment[] {
  const last = sent.between(0, message.attachments.length).at(-1)?.part ?? -1;
  return message.attachments.filter(({ ordinal }) => ordinal > last);
}

/** It was found in the dialog before its event came, and the event has links to its files. */
function mayBringLinks({ saidAt, createdAt }: ClaimedDelivery['message']): boolean {
  return Date.now() - Math.min((saidAt ?? createdAt).getTime(), createdAt.getTime()) < EVENT_COMES_MS;
}

/** The portal's trouble is not the bot's: only this message waits for it. */
function notNow({ code, detail, retryAfterMs }: UpstreamError): UpstreamError {
  const said = `The portal does not provide the file at the moment (${code}): ${detail}`;
  return telegramError('file_not_now', { kind: 'not_sent', scope: 'message', retryAfterMs }, said);
}
