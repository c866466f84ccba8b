import type { Chat, DirectMessagesTopic, Message, ReactionType, ReplyKeyboardMarkup } from '@grammyjs/types';
import { badRequest, forbidden } from './bot-api.error.js';

/** Ways a user or a group has dealt with the bot. `kicked` in a private chat means: the user blocked it. */
export type Membership = 'member' | 'left' | 'kicked';

/** A topic of a forum, by the id of its thread. */
export interface ForumTopicState {
  readonly name: string;
  isClosed: boolean;
}

/** One chat of one bot: everything both sides said and still stands, in order. Both sides share the message ids. */
export class SimulatedChat {
  membership: Membership = 'member';
  /** The bot is an administrator here. */
  isAdministrator = false;
  /** Id of the supergroup that this group has become. */
  migratedTo: number | undefined;
  readonly topics = new Map<number, ForumTopicState>();
  readonly directMessagesTopics = new Map<number, DirectMessagesTopic>();
  /** The last `sendChatAction`, `undefined` once a message of the bot has cleared it. */
  action: string | undefined;
  /** What stands in the place of the people's keyboard, until a message takes it away. */
  replyKeyboard: ReplyKeyboardMarkup | undefined;
  readonly reactions = new Map<number, readonly ReactionType[]>();
  private readonly stored = new Map<number, Message>();
  private readonly fromBot = new Map<number, Message>();
  private readonly threads = new Set<number>();
  private readonly arrivals = new Set<() => void>();
  private lastMessageId = 0;

  constructor(readonly chat: Chat) {}

  get id(): number {
    return this.chat.id;
  }

  /** The chat in which people write to a channel, each in a topic of their own. */
  get isDirectMessages(): boolean {
    return 'is_direct_messages' in this.chat && this.chat.is_direct_messages === true;
  }

  get messages(): Message[] {
    return [...this.stored.values()];
  }

  /** The bot's messages as the people in the chat see them now: edited ones in their new form, deleted ones not. */
  get inbox(): Message[] {
    return [...this.fromBot.values()];
  }

  nextMessageId(): number {
    this.lastMessageId += 1;
    return this.lastMessageId;
  }

  find(messageId: number): Message | undefined {
    return this.stored.get(messageId);
  }

  isFromBot(messageId: number): boolean {
    return this.fromBot.has(messageId);
  }

  /** Keeps what a person wrote, or its new form. */
  keep(message: Message): void {
    this.lastMessageId = Math.max(this.lastMessageId, message.message_id);
    this.stored.set(message.message_id, message);
    const { message_thread_id: thread } = message;
    if (thread !== undefined) this.openThread(thread);
    if (thread !== undefined && message.is_topic_message && !this.topics.has(thread)) {
      this.topics.set(thread, { name: '', isClosed: false });
    }
    if (message.direct_messages_topic) {
      this.directMessagesTopics.set(message.direct_messages_topic.topic_id, message.direct_messages_topic);
    }
  }

  /** Keeps what the bot wrote, or its new form, and wakes who waits for it. */
  keepFromBot(message: Message): void {
    this.keep(message);
    this.fromBot.set(message.message_id, message);
    this.action = undefined;
    for (const arrived of this.arrivals) arrived();
  }

  remove(messageId: number): boolean {
    this.fromBot.delete(messageId);
    this.reactions.delete(messageId);
    return this.stored.delete(messageId);
  }

  /** From now on messages can be sent into this thread. */
  openThread(threadId: number): void {
    this.threads.add(threadId);
  }

  /** Deletes a topic with all that was said in it. */
  removeThread(threadId: number): void {
    this.threads.delete(threadId);
    this.topics.delete(threadId);
    for (const message of this.messages) {
      if (message.message_thread_id === threadId) this.remove(message.message_id);
    }
  }

  /** Throws 400 when the bot may not write into this thread: it is not there, or closed. */
  checkThread(threadId: number): void {
    if (!this.threads.has(threadId)) throw badRequest('message thread not found');
    if (this.topics.get(threadId)?.isClosed && !this.isAdministrator) throw badRequest('TOPIC_CLOSED');
  }

  /** Throws 403 when the bot may not write here. */
  checkWritable(): void {
    if (this.membership === 'member') return;
    if (this.chat.type === 'private') throw forbidden('bot was blocked by the user');
    if (this.membership === 'kicked') throw forbidden(`bot was kicked from the ${this.chat.type} chat`);
    throw forbidden(`bot is not a member of the ${this.chat.type} chat`);
  }

  /** The inbox as soon as it holds `count` messages; rejects after `timeoutMs`. */
  receives(count: number, timeoutMs: number): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      const settle = (finish: () => void) => {
        clearTimeout(timer);
        this.arrivals.delete(check);
        finish();
      };
      const check = () => {
        if (this.fromBot.size >= count) settle(() => resolve(this.inbox));
      };
      const timer = setTimeout(() => {
        const seen = `${this.fromBot.size} of ${count} messages`;
        settle(() => reject(new Error(`chat ${this.id} received ${seen} within ${timeoutMs} ms`)));
      }, timeoutMs);
      this.arrivals.add(check);
      check();
    });
  }
}
