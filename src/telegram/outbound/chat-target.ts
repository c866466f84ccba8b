import type { ReplyParameters } from '@grammyjs/types';
import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { LearnedChat } from '../../storage/work/learned-chats.js';
import { GroupMigrated } from '../api/telegram-errors.js';
import { isRefusal, unreachableReason } from '../api/telegram-problems.js';

/** The parameters that address a message. */
export interface TargetParams {
  chat_id: number;
  message_thread_id?: number;
  direct_messages_topic_id?: number;
  business_connection_id?: string;
  reply_parameters?: ReplyParameters;
}

/**
 * The address of a chat. After a clear refusal that a new address or a missing original explains, the same call is made
 * once more in another way; nothing else is repeated.
 */
export class ChatTarget {
  private chatId: bigint;
  private thread: bigint | null;
  private reply: ReplyParameters | undefined;
  private readonly learned: LearnedChat = {};

  constructor(private readonly chat: ClaimedLane['chat']) {
    this.chatId = chat.telegramChatId;
    this.thread = chat.threadId;
  }

  /** What the calls taught about the chat. */
  get lesson(): LearnedChat | undefined {
    return Object.keys(this.learned).length > 0 ? this.learned : undefined;
  }

  /** The next message that is sent answers this one. */
  answers(original: ClaimedDelivery['message']['replyTo']): void {
    if (!original) return;
    this.reply = {
      message_id: Number(original.telegramMessageId),
      allow_sending_without_reply: true,
      ...(original.quote === null ? {} : { quote: original.quote }),
    };
  }

  /** Calls a method that sends something. */
  async send<Answer>(call: (params: TargetParams) => Promise<Answer>): Promise<Answer> {
    for (;;) {
      try {
        const answer = await this.ask(() => call({ ...this.address, ...this.place }));
        this.reply = undefined;
        return answer;
      } catch (error) {
        if (!this.evades(error)) throw error;
      }
    }
  }

  /** Calls a method that changes messages, in the place where they were sent. */
  change<Answer>(call: (params: Pick<TargetParams, 'chat_id' | 'business_connection_id'>) => Promise<Answer>) {
    return this.ask(() => call(this.address));
  }

  private async ask<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    try {
      return await call();
    } catch (error) {
      if (error instanceof GroupMigrated) this.learned.telegramChatId = error.chatId;
      const unreachable = unreachableReason(error);
      if (unreachable) this.learned.blockedReason = unreachable;
      throw error;
    }
  }

  /**
   * Where the chat shows what the bot is doing; null: direct messages of a channel, and channels, show nothing
   * (core.telegram.org/bots/api#sendchataction).
   */
  get stage(): Pick<TargetParams, 'chat_id' | 'message_thread_id' | 'business_connection_id'> | null {
    const { type } = this.chat;
    if (type === 'direct_messages' || type === 'channel') return null;
    return { ...this.address, ...(this.thread === null ? {} : { message_thread_id: Number(this.thread) }) };
  }

  private get address() {
    const { businessConnection } = this.chat;
    return {
      chat_id: Number(this.chatId),
      ...(businessConnection === null ? {} : { business_connection_id: businessConnection }),
    };
  }

  private get place() {
    const topic = this.chat.type === 'direct_messages' ? 'direct_messages_topic_id' : 'message_thread_id';
    return {
      ...(this.thread === null ? {} : { [topic]: Number(this.thread) }),
      ...(this.reply ? { reply_parameters: this.reply } : {}),
    };
  }

  /** True when the next call takes another way; each way is given up once, so this ends. */
  private evades(error: unknown): boolean {
    if (error instanceof GroupMigrated && this.chatId === this.chat.telegramChatId && error.chatId !== this.chatId) {
      this.chatId = error.chatId;
      return true;
    }
    // Topics of a private chat are the client's own folders: without one they read it all the same.
    if (isRefusal(error, 'topic_deleted') && this.chat.type === 'private' && this.thread !== null) {
      this.thread = null;
      return true;
    }
    if (isRefusal(error, 'quote_refused') && this.reply?.quote !== undefined) {
      const { quote: _, ...reply } = this.reply;
      this.reply = reply;
      return true;
    }
    if (isRefusal(error, 'quote_refused', 'reply_refused') && this.reply) {
      this.reply = undefined;
      return true;
    }
    return false;
  }
}
