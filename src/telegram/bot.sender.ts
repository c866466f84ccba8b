import { UpstreamError } from '../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../relay/endpoint-driver.js';
import { concat, plain, type Mark, type RichText } from '../relay/rich-text.js';
import type { ClaimedLane } from '../storage/lanes.repository.js';
import { splitForTelegram, TELEGRAM_TEXT_LIMIT, toEntities } from './telegram-markup.js';
import type { ChatTurn } from './send-pace.js';
import type { BotApi } from './telegram.client.js';

const REPEATED = { ru: '(возможно, повтор)', en: '(possibly repeated)' };
/** The client will see nothing more from us in this chat. */
const UNREACHABLE: Record<string, string> = {
  bot_blocked: 'The client blocked the bot',
  user_deactivated: 'The Telegram account was deleted',
  bot_removed: 'The bot was removed from the chat',
};

/**
 * Sends one operator's message, part by part, each part once. Parts that an earlier attempt got through are not
 * sent again; those of this attempt are reported also when a later part fails or must wait.
 *
 * @param turn asked before every part: what has to wait is handed back, so that nothing but this chat waits
 * @param mayStillSend asked before every request: a process that lost the bot must not write any more
 */
export async function sendToClient(
  api: BotApi,
  lane: ClaimedLane,
  turn: ChatTurn,
  mayStillSend: () => boolean,
): Promise<LaneResult> {
  const [delivery] = lane.deliveries;
  const sent = [...delivery!.message.telegramMessageIds];
  try {
    const parts = splitForTelegram({ text: delivery!.message.text, marks: delivery!.message.marks as Mark[] });
    if (parts.length === 0) {
      throw new UpstreamError({
        network: 'telegram',
        kind: 'refused',
        scope: 'message',
        code: 'empty',
        detail: 'There is no text to send.',
      });
    }
    const inDoubt = delivery!.unknown ? sent.length : -1;
    for (const [index, part] of parts.entries()) {
      if (index < sent.length) continue;
      const texts = index === inDoubt ? markedAsRepeated(part, lane.chat.language) : [part];
      const waitMs = turn.take(texts.length, performance.now());
      if (waitMs > 0) {
        const begun = sent.length > delivery!.message.telegramMessageIds.length;
        const result: DeliveryResult = {
          seq: delivery!.seq,
          delivered: false,
          postponed: { begun },
          telegramMessageIds: sent,
        };
        return { deliveries: [result], nextInMs: waitMs };
      }
      let id = 0;
      for (const text of texts) {
        if (!mayStillSend()) {
          throw new UpstreamError({
            network: 'telegram',
            kind: 'not_sent',
            scope: 'message',
            code: 'LEASE_LOST',
            detail: 'Another replica drives this bot now.',
          });
        }
        const message = await api.calls
          .sendMessage({
            chat_id: Number(lane.chat.telegramChatId),
            ...toEntities(text),
            ...(lane.chat.threadId === null ? {} : { message_thread_id: Number(lane.chat.threadId) }),
            ...(lane.chat.businessConnection === null ? {} : { business_connection_id: lane.chat.businessConnection }),
          })
          .finally(() => turn.answered(performance.now()));
        id = message.message_id;
      }
      sent.push(BigInt(id));
    }
    return { deliveries: [{ seq: delivery!.seq, delivered: true, telegramMessageIds: sent, reportDelivery: true }] };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const result: DeliveryResult = { seq: delivery!.seq, delivered: false, error, telegramMessageIds: sent };
    const blockedReason = UNREACHABLE[error.code];
    return { deliveries: [result], ...(blockedReason ? { chat: { blockedReason } } : {}) };
  }
}

/** UNCERTAIN_POLICY=resend repeats a part once, and says so: before its words, or ahead of them when they fill a message. */
function markedAsRepeated(part: RichText, language: string | null): RichText[] {
  const mark = REPEATED[language?.startsWith('ru') ? 'ru' : 'en'];
  const marked = concat(plain(`${mark}\n`), part);
  return marked.text.length <= TELEGRAM_TEXT_LIMIT ? [marked] : [plain(mark), part];
}
