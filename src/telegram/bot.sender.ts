import { UpstreamError } from '../common/upstream-error.js';
import type { DeliveryResult, LaneResult } from '../relay/endpoint-driver.js';
import type { Mark } from '../relay/rich-text.js';
import { concat, plain } from '../relay/rich-text.js';
import type { ClaimedDelivery, ClaimedLane } from '../storage/lanes.repository.js';
import { splitForTelegram, toEntities } from './telegram-markup.js';
import type { BotApi } from './telegram.client.js';

const REPEATED = { ru: '(возможно, повтор)\n', en: '(possibly repeated)\n' };
/** The client will see nothing more from us in this chat. */
const UNREACHABLE: Record<string, string> = {
  bot_blocked: 'The client blocked the bot',
  user_deactivated: 'The Telegram account was deleted',
  bot_removed: 'The bot was removed from the chat',
};

/**
 * Sends one operator's message, part by part, each part once. Parts that an earlier attempt got through are not
 * sent again; those of this attempt are reported also when a later part fails.
 *
 * @param mayStillSend asked before every request: a process that lost the bot must not write any more
 */
export async function sendToClient(api: BotApi, lane: ClaimedLane, mayStillSend: () => boolean): Promise<LaneResult> {
  const [delivery] = lane.deliveries;
  const sent = [...delivery!.message.telegramMessageIds];
  try {
    const parts = partsOf(delivery!, lane.chat.language);
    if (parts.length === 0) {
      throw new UpstreamError({
        network: 'telegram',
        kind: 'refused',
        scope: 'message',
        code: 'empty',
        detail: 'There is no text to send.',
      });
    }
    for (const part of parts.slice(sent.length)) {
      if (!mayStillSend()) {
        throw new UpstreamError({
          network: 'telegram',
          kind: 'not_sent',
          scope: 'message',
          code: 'LEASE_LOST',
          detail: 'Another replica drives this bot now.',
        });
      }
      const message = await api.calls.sendMessage({
        chat_id: Number(lane.chat.telegramChatId),
        ...toEntities(part),
        ...(lane.chat.threadId === null ? {} : { message_thread_id: Number(lane.chat.threadId) }),
        ...(lane.chat.businessConnection === null ? {} : { business_connection_id: lane.chat.businessConnection }),
      });
      sent.push(BigInt(message.message_id));
    }
    return { deliveries: [{ seq: delivery!.seq, delivered: true, telegramMessageIds: sent, reportDelivery: true }] };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const result: DeliveryResult = { seq: delivery!.seq, delivered: false, error, telegramMessageIds: sent };
    const blockedReason = UNREACHABLE[error.code];
    return { deliveries: [result], ...(blockedReason ? { chat: { blockedReason } } : {}) };
  }
}

function partsOf(delivery: ClaimedDelivery, language: string | null) {
  const words = { text: delivery.message.text, marks: delivery.message.marks as Mark[] };
  // UNCERTAIN_POLICY=resend repeats a message once, and says so.
  const marked = delivery.unknown ? concat(plain(REPEATED[language?.startsWith('ru') ? 'ru' : 'en']), words) : words;
  return splitForTelegram(marked);
}
