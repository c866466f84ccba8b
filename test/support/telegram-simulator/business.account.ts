import { randomBytes } from 'node:crypto';
import type { BusinessBotRights, BusinessConnection, Chat, Message, Update, User } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import { dataOf, pressButton } from './button.presses.js';
import { changedText, newMessage, type MessageContent } from './incoming.message.js';
import type { SimulatedBot } from './simulated.bot.js';
import { SimulatedChat } from './simulated.chat.js';
import type { ClientProfile, SimulatedClient } from './simulated.client.js';

/** The bot may write to who wrote to the account within a day (BusinessBotRights.can_reply). */
const REPLY_WITHIN = 86_400;
const EVERY_MESSAGE_RIGHT: BusinessBotRights = {
  can_reply: true,
  can_read_messages: true,
  can_delete_outgoing_messages: true,
  can_delete_all_messages: true,
};

/**
 * A person's own account that a bot is connected to (Telegram Business). Its conversations are apart from those that
 * the same people have with the bot, though the chats have the same ids.
 */
export class BusinessAccount {
  /** Identifier of the connection. */
  readonly id = randomBytes(15).toString('base64url');
  /** Messages that the bot has marked as read, by chat. */
  readonly read = new Map<number, Set<number>>();
  private readonly since: number;
  private readonly chats: Map<number, SimulatedChat>;
  private readonly lastIncoming: Map<number, number>;
  private isEnabled = true;

  constructor(
    private readonly bot: SimulatedBot,
    readonly owner: SimulatedClient,
    private rights: BusinessBotRights = EVERY_MESSAGE_RIGHT,
    /** An earlier connection of the account: its conversations go on. */
    earlier?: BusinessAccount,
  ) {
    this.since = bot.unixTime;
    this.chats = earlier?.chats ?? new Map();
    this.lastIncoming = earlier?.lastIncoming ?? new Map();
  }

  get connection(): BusinessConnection {
    return {
      id: this.id,
      user: this.owner.user,
      user_chat_id: this.owner.id,
      date: this.since,
      rights: this.rights,
      is_enabled: this.isEnabled,
    };
  }

  // --- what the owner does with the connection

  /** Tells the bot how the connection stands. */
  announce(): Update | undefined {
    return this.bot.deliver({ business_connection: this.connection });
  }

  disconnects(): Update | undefined {
    this.isEnabled = false;
    return this.announce();
  }

  /** With the rights it had, or with others. */
  reconnects(rights: BusinessBotRights = this.rights): Update | undefined {
    this.isEnabled = true;
    return this.grants(rights);
  }

  grants(rights: BusinessBotRights): Update | undefined {
    this.rights = rights;
    return this.announce();
  }

  // --- what people write

  /** The conversation with this client. Throws when there is none. */
  chat(clientId: number): SimulatedChat {
    const chat = this.chats.get(clientId);
    if (!chat) throw new Error(`account ${this.owner.id} has no chat with ${clientId}`);
    return chat;
  }

  /** A client writes to the account. `undefined`, here and below: the bot is not told. */
  clientSends(client: ClientProfile, content: string | MessageContent): Update | undefined {
    this.lastIncoming.set(client.id, this.bot.unixTime);
    return this.writes(this.open(client), { ...client, is_bot: false }, content);
  }

  /** The owner writes to a client on the phone. */
  ownerSends(client: ClientProfile, content: string | MessageContent): Update | undefined {
    return this.writes(this.open(client), this.owner.user, content);
  }

  /** Whoever wrote a message changes its text or caption. */
  edits(clientId: number, messageId: number, text: string): Update | undefined {
    const chat = this.chat(clientId);
    const message = chat.find(messageId);
    if (!message) throw new Error(`chat ${clientId} has no message ${messageId}`);
    const edited = { ...changedText(message, text), edit_date: this.bot.unixTime };
    chat.keep(edited);
    return this.deliver({ edited_business_message: edited } as Pick<Update, 'edited_business_message'>);
  }

  /** The client presses the button with this text. */
  clientPresses(
    client: ClientProfile,
    messageId: number,
    text: string,
    options?: { accessible: boolean },
  ): Update | undefined {
    const message = this.chat(client.id).find(messageId);
    if (!message) throw new Error(`chat ${client.id} has no message ${messageId}`);
    return pressButton(this.bot, { ...client, is_bot: false }, message, dataOf(message, text), options);
  }

  /** Somebody deletes messages for both sides. */
  deletes(clientId: number, ...messageIds: number[]): Update | undefined {
    const chat = this.chat(clientId);
    for (const id of messageIds) chat.remove(id);
    const deleted = { business_connection_id: this.id, chat: chat.chat as Chat.PrivateChat, message_ids: messageIds };
    return this.deliver({ deleted_business_messages: deleted });
  }

  // --- what the bot does

  knows(chatId: number): boolean {
    return this.chats.has(chatId);
  }

  /** The chat, if the bot may write into it; 400 otherwise. */
  writableChat(chatId: number): SimulatedChat {
    const chat = this.readableChat(chatId);
    if (!this.rights.can_reply) throw badRequest('BOT_ACCESS_FORBIDDEN');
    this.checkRecent(chatId);
    return chat;
  }

  /** What the people in the chat see as the author of the bot's messages: the owner. */
  get authorship(): Pick<Message, 'from' | 'sender_business_bot' | 'business_connection_id'> {
    const { id, first_name, username } = this.bot.user;
    return {
      from: this.owner.user,
      sender_business_bot: { id, is_bot: true, first_name, username },
      business_connection_id: this.id,
    };
  }

  /** The bot hears of its own messages too. */
  echo(message: Message): void {
    this.deliver({ business_message: message } as Pick<Update, 'business_message'>);
  }

  marksRead(chatId: number, messageId: number): void {
    const chat = this.readableChat(chatId);
    if (!this.rights.can_read_messages) throw badRequest('BOT_ACCESS_FORBIDDEN');
    this.checkRecent(chatId);
    const message = chat.find(messageId);
    if (!message || message.from?.id === this.owner.id) throw badRequest('MESSAGE_ID_INVALID');
    this.read.set(chatId, (this.read.get(chatId) ?? new Set()).add(messageId));
    this.bot.journal.changed(this.bot, chatId, messageId, 'read');
  }

  /** All of one chat, or none: own ones with one right, anybody's with the other. */
  deletesMessages(messageIds: readonly number[]): void {
    this.checkEnabled();
    const chats = [...this.chats.values()];
    const chat = chats.find((one) => messageIds.every((id) => one.find(id)));
    if (!chat) throw badRequest('MESSAGE_ID_INVALID');
    const own = messageIds.every((id) => chat.find(id)!.sender_business_bot?.id === this.bot.id);
    if (!this.rights.can_delete_all_messages && !(own && this.rights.can_delete_outgoing_messages)) {
      throw badRequest('BOT_ACCESS_FORBIDDEN');
    }
    for (const id of messageIds) {
      chat.remove(id);
      this.bot.journal.changed(this.bot, chat.id, id, 'deleted');
    }
  }

  private readableChat(chatId: number): SimulatedChat {
    this.checkEnabled();
    const chat = this.chats.get(chatId);
    if (!chat) throw badRequest('BUSINESS_PEER_INVALID');
    return chat;
  }

  private checkEnabled(): void {
    if (!this.isEnabled) throw badRequest('BUSINESS_CONNECTION_INVALID');
  }

  private checkRecent(chatId: number): void {
    const last = this.lastIncoming.get(chatId) ?? -Infinity;
    if (last < this.bot.unixTime - REPLY_WITHIN) throw badRequest('BUSINESS_PEER_USAGE_MISSING');
  }

  private open({ id, first_name, last_name, username }: ClientProfile): SimulatedChat {
    const known = this.chats.get(id);
    if (known) return known;
    const chat = { id, type: 'private', first_name, ...(last_name && { last_name }), ...(username && { username }) };
    const opened = new SimulatedChat(chat as Chat.PrivateChat);
    this.chats.set(id, opened);
    return opened;
  }

  private writes(chat: SimulatedChat, from: User, content: string | MessageContent): Update | undefined {
    const message = newMessage(this.bot, chat, { from, business_connection_id: this.id }, content);
    return this.deliver({ business_message: message } as Pick<Update, 'business_message'>);
  }

  private deliver(content: Omit<Update, 'update_id'>): Update | undefined {
    return this.isEnabled ? this.bot.deliver(content) : undefined;
  }
}
