import { Injectable, Logger } from '@nestjs/common';
import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { ClientReactions } from '../../relay/client-reactions.js';
import { ChatsRepository, type DialogChat } from '../../storage/history/chats.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import type { OperatorReaction } from './messenger-events.parser.js';
import { reactionEmoji } from './reaction-emoji.js';

/** Reactions to one message that the portal is asked for. */
const MOST_REACTIONS = 50;

/** Asks the portal: undefined: not now, or not for long, as it refuses. Throws UpstreamError. */
export type AskPortal = (method: string, params: Record<string, unknown>) => Promise<unknown>;

/** Why a reaction is shown to nobody. */
type Obstacle = 'no_like_in_telegram' | 'unknown_message' | 'business_account' | 'portal_does_not_tell';

/**
 * Shows clients the reactions of operators. A message has one of the bot: the newest that Telegram has. Showing the same
 * again does no harm, so nothing is kept of it here; one that cannot be shown is dropped, and the log says so.
 */
@Injectable()
export class OperatorReactions {
  private readonly logger = new Logger(OperatorReactions.name);

  constructor(
    private readonly chats: ChatsRepository,
    private readonly reactions: ClientReactions,
  ) {}

  /** False: some could not be shown now. */
  async show(portal: PortalRecord, told: OperatorReaction[], ask: AskPortal): Promise<boolean> {
    const newest = new Map(told.map((reaction) => [`${reaction.bitrixChatId}/${reaction.bitrixMessageId}`, reaction]));
    /** They are spared for now: the others, and messages, do not wait for one answer after another that does not come. */
    const botsInTrouble = new Set<bigint>();
    for (const reaction of newest.values()) {
      const chat = await this.chats.inDialog(portal.id, reaction.bitrixChatId);
      if (!chat || botsInTrouble.has(chat.botId)) continue;
      try {
        const obstacle = await this.showOne(chat, reaction, ask);
        if (obstacle) this.drop(portal, reaction, obstacle);
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        if (error.kind === 'refused') this.drop(portal, reaction, error.code);
        else {
          botsInTrouble.add(chat.botId);
          const { code } = error;
          this.logger.log({ portalId: String(portal.id), code }, 'A reaction of an operator cannot be shown now');
        }
      }
    }
    return botsInTrouble.size === 0;
  }

  private async showOne(chat: DialogChat, told: OperatorReaction, ask: AskPortal): Promise<Obstacle | null> {
    // setMessageReaction takes no business_connection_id (core.telegram.org/bots/api#setmessagereaction).
    if (chat.isBusiness) return 'business_account';
    const telegramMessageId = firstOf(told.externalIds, chat.externalId);
    if (telegramMessageId === null) return 'unknown_message';
    const emoji = await this.emojiOf(told, ask);
    if (emoji === 'no_like_in_telegram' || emoji === 'portal_does_not_tell') return emoji;
    await this.reactions.show({ ...chat, telegramMessageId }, emoji);
    return null;
  }

  /** What the message shows now; null: nothing. */
  private async emojiOf({ action, name, bitrixMessageId }: OperatorReaction, ask: AskPortal) {
    if (action === 'add') return reactionEmoji(name) ?? 'no_like_in_telegram';
    // Others may have stayed, and some builds do not say whether one came or went.
    const params = { messageId: Number(bitrixMessageId), limit: MOST_REACTIONS };
    const answer = fieldsOf(await ask('im.v2.Chat.Message.Reaction.tail', params));
    if (answer?.reactions === undefined) return action === 'delete' ? null : 'portal_does_not_tell';
    const names = elementsOf(answer.reactions).flatMap((one) => scalar(fieldsOf(one)?.reaction) ?? []);
    const shown = names.flatMap((one) => reactionEmoji(one) ?? []);
    return shown[0] ?? (names.length > 0 && action === null ? 'no_like_in_telegram' : null);
  }

  private drop({ id }: PortalRecord, { bitrixMessageId, name }: OperatorReaction, reason: string): void {
    this.logger.log(
      { portalId: String(id), bitrixMessageId, name, reason },
      'A reaction of an operator cannot be shown',
    );
  }
}

/** Of a message in several parts (an album, a long text) the first; null: it is none of this chat's. */
function firstOf(externalIds: string[], chatId: string): bigint | null {
  const ids = externalIds.flatMap((id) => {
    if (!id.startsWith(`${chatId}:`)) return [];
    const [, number] = /^(\d{1,15})(?=:|$)/.exec(id.slice(chatId.length + 1)) ?? [];
    return number === undefined ? [] : [BigInt(number)];
  });
  return ids.length === 0 ? null : ids.reduce((first, id) => (id < first ? id : first));
}
