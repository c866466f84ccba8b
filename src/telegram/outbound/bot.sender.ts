import { Injectable, Logger } from '@nestjs/common';
import { UpstreamError, type UpstreamErrorKind } from '../../common/upstream-error.js';
import type { DeliveryResult, HeldLease, LaneResult } from '../../relay/endpoint-driver.js';
import { OperatorDirectory } from '../../relay/operator-directory.js';
import type { RichText } from '../../relay/rich-text.js';
import type { ClaimedLane } from '../../storage/work/claimed-lane.js';
import { isOwnWords } from '../../storage/work/own-words.js';
import { telegramError } from '../api/telegram-problems.js';
import type { BotApi } from '../api/telegram.client.js';
import { ChatTarget } from './chat-target.js';
import { deleteMessage, editMessage, removeKeyboard } from './message-changes.js';
import { headingOf, withoutName } from './operator-name.js';
import { OperatorFiles } from './operator-files.js';
import type { Outgoing, Progress } from './outgoing.js';
import { PartSender } from './part.sender.js';
import type { ChatTurn } from './send-pace.js';
import { SentParts } from './sent-parts.js';

/** After these a message is not continued, or only as a repetition. */
const ENDS: ReadonlySet<UpstreamErrorKind> = new Set(['refused', 'unknown']);

/** Sends what operators say and change, part by part, each part once. */
@Injectable()
export class BotSender {
  private readonly logger = new Logger(BotSender.name);

  constructor(
    private readonly operators: OperatorDirectory,
    private readonly files: OperatorFiles,
    private readonly parts: PartSender,
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
    const outgoing: Outgoing = {
      api: api.by(held),
      chat,
      delivery,
      turn,
      target,
      sent,
      leftOut: [],
      signal: held.signal,
    };
    const { result, waitMs } = await this.attempt(outgoing);
    const leftOut = finallyLeftOut(outgoing, result);
    const deliveries = [{ ...result, ...sent.recorded, ...(leftOut.length > 0 ? { leftOut } : {}) }];
    return { deliveries, nextInMs: waitMs, chat: target.lesson };
  }

  private async attempt(outgoing: Outgoing): Promise<{ result: DeliveryResult; waitMs?: number }> {
    const { delivery, sent } = outgoing;
    const { seq, kind } = delivery;
    try {
      const progress = await this.proceed(outgoing);
      if (!progress.done) {
        const result = { seq, delivered: false as const, postponed: { begun: sent.grew } };
        return { result, waitMs: progress.waitMs };
      }
      const isOperators = delivery.message.bitrixMessageId !== null;
      const reportDelivery = kind === 'message' && isOperators;
      // Nobody in the dialog wrote it, so they are told what the client has read.
      const { kind: words } = delivery.message;
      const note = kind === 'message' && isOwnWords(words) ? { note: { code: words, detail: '' } } : {};
      return { result: { seq, delivered: true, reportDelivery, ...note } };
    } catch (error) {
      const failure = error instanceof UpstreamError ? error : this.notPrepared(error);
      return { result: { seq, delivered: false, error: failure } };
    }
  }

  private async proceed(outgoing: Outgoing): Promise<Progress> {
    const { chat, delivery } = outgoing;
    if (delivery.kind === 'delete') return deleteMessage(outgoing);
    if (delivery.payload?.['keyboardOnly'] === true) return removeKeyboard(outgoing);
    const heading = await headingOf(chat, delivery.message, this.operators);
    const said = (delivery.kind === 'edit' ? delivery.payload : delivery.message) as unknown as RichText;
    const words = await withoutName({ text: said.text, marks: said.marks }, chat, delivery.message, this.operators);
    if (delivery.kind === 'edit') return editMessage(outgoing, words, heading);
    return this.files.use(outgoing, (files) => this.parts.send(outgoing, { words, heading, files }));
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

/** Files that will not follow any more: those before a file that was sent, or all when the message is at its end. */
function finallyLeftOut({ leftOut, sent, delivery }: Outgoing, result: DeliveryResult): Outgoing['leftOut'] {
  if (result.delivered || ('error' in result && ENDS.has(result.error.kind))) return leftOut;
  const lastFile = sent.between(0, delivery.message.attachments.length).at(-1)?.part ?? -1;
  return leftOut.filter(({ ordinal }) => ordinal < lastFile);
}
