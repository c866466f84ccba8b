import { Injectable } from '@nestjs/common';
import type { ReactionTypeEmoji } from '@grammyjs/types';
import { ClientReactions, type ReactedMessage } from '../../relay/client-reactions.js';
import { BotGoneError, RunningBots } from './running-bots.js';

@Injectable()
export class ClientReactionsService extends ClientReactions {
  constructor(private readonly running: RunningBots) {
    super();
  }

  async show({ botId, telegramChatId, telegramMessageId }: ReactedMessage, emoji: string | null): Promise<void> {
    try {
      const { api, state } = await this.running.find(botId);
      if (state === 'disabled') return;
      await api.calls.setMessageReaction({
        chat_id: Number(telegramChatId),
        message_id: Number(telegramMessageId),
        reaction: emoji === null ? [] : [{ type: 'emoji', emoji: emoji as ReactionTypeEmoji['emoji'] }],
      });
    } catch (error) {
      // Its chats are gone with it.
      if (!(error instanceof BotGoneError)) throw error;
    }
  }
}
