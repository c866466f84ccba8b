import type {
  CallbackQuery,
  ChatMember,
  Message,
  MessageReactionUpdated,
  ReactionType,
  Update,
  User,
} from '@grammyjs/types';
import { findEntities, formatText } from './message.entities.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { Membership, SimulatedChat } from './simulated.chat.js';

/** Who a client is: `User` without `is_bot`. */
export type ClientProfile = Omit<User, 'is_bot'>;

/** What a client may add to a message, or send instead of text. */
export type MessageContent = Partial<Omit<Message, 'message_id' | 'from' | 'chat'>>;

export type MessageUpdate = Update & { message: Message };

/** A person in a private chat with the bot. The chat comes into being with the person's first message. */
export class SimulatedClient {
  constructor(
    private readonly bot: SimulatedBot,
    public profile: ClientProfile,
  ) {}

  get id(): number {
    return this.profile.id;
  }

  get user(): User {
    return { ...this.profile, is_bot: false };
  }

  /** Both sides of the conversation. Throws before the first message. */
  get chat(): SimulatedChat {
    return this.bot.chat(this.id);
  }

  /** What the bot wrote and still stands. */
  get inbox(): Message[] {
    return this.bot.findChat(this.id)?.inbox ?? [];
  }

  /** Sends text. The entities the app finds by itself are added unless `extra` has some. */
  sends(text: string, extra: MessageContent = {}): MessageUpdate {
    const formatted = formatText(text, extra.entities ?? []);
    return this.sendsMessage({ ...extra, ...present(formatted) });
  }

  /** Sends a message of any kind: photo, sticker, location, contact … as the fields of Message say it. */
  sendsMessage(content: MessageContent): MessageUpdate {
    const chat = this.open();
    const caption = content.caption === undefined ? {} : { caption_entities: findEntities(content.caption) };
    const message = {
      message_id: chat.nextMessageId(),
      from: this.user,
      chat: chat.chat,
      date: this.bot.unixTime,
      ...caption,
      ...content,
    } as Message;
    chat.keep(message);
    const update = this.bot.deliver({ message } as Pick<Update, 'message'>);
    if (!update) throw new Error('the bot takes no `message` updates: see its allowed_updates');
    return update as MessageUpdate;
  }

  /** Changes the text, or the caption, of an own message. `undefined`: the bot takes no such updates. */
  edits(messageId: number, text: string): Update | undefined {
    const chat = this.open();
    const message = chat.find(messageId);
    if (!message || chat.isFromBot(messageId)) throw new Error(`client ${this.id} has no message ${messageId}`);
    const { text: formatted, entities } = formatText(text, []);
    const { entities: _entities, caption_entities: _captionEntities, ...rest } = message;
    const changed =
      message.text === undefined
        ? { caption: formatted, ...(entities.length > 0 && { caption_entities: entities }) }
        : present({ text: formatted, entities });
    const edited = { ...rest, ...changed, edit_date: this.bot.unixTime } as Message;
    chat.keep(edited);
    return this.bot.deliver({ edited_message: edited } as Pick<Update, 'edited_message'>);
  }

  /** Sets the reaction on a message, or takes it back with `undefined`. */
  reacts(messageId: number, emoji: Extract<ReactionType, { type: 'emoji' }>['emoji'] | undefined): Update | undefined {
    const chat = this.open();
    if (!chat.find(messageId)) throw new Error(`chat ${this.id} has no message ${messageId}`);
    const reaction: ReactionType[] = emoji === undefined ? [] : [{ type: 'emoji', emoji }];
    const message_reaction: MessageReactionUpdated = {
      chat: chat.chat,
      message_id: messageId,
      user: this.user,
      date: this.bot.unixTime,
      old_reaction: [...(this.reactions.get(messageId) ?? [])],
      new_reaction: reaction,
    };
    this.reactions.set(messageId, reaction);
    return this.bot.deliver({ message_reaction });
  }

  /** Presses the inline button with this `callback_data` under a message of the bot. */
  presses(messageId: number, data: string): Update | undefined {
    const chat = this.open();
    const message = chat.find(messageId);
    const buttons = message?.reply_markup?.inline_keyboard.flat() ?? [];
    if (!buttons.some((button) => 'callback_data' in button && button.callback_data === data)) {
      throw new Error(`message ${messageId} has no button with the data ${data}`);
    }
    const callback_query: CallbackQuery = {
      id: this.bot.openCallbackQuery(),
      from: this.user,
      message: message!,
      chat_instance: String(this.id),
      data,
    };
    return this.bot.deliver({ callback_query });
  }

  /** Blocks the bot. `undefined`: the bot takes no `my_chat_member` updates. */
  blocks(): Update | undefined {
    return this.changesMembership('kicked');
  }

  unblocks(): Update | undefined {
    return this.changesMembership('member');
  }

  /** The bot's messages as soon as there are `count` of them; rejects after `timeoutMs`. */
  receives(count: number, timeoutMs = 5000): Promise<Message[]> {
    return this.bot.openPrivateChat(this).receives(count, timeoutMs);
  }

  private readonly reactions = new Map<number, readonly ReactionType[]>();

  private open(): SimulatedChat {
    const chat = this.bot.startChat(this);
    if (chat.membership === 'kicked') throw new Error(`client ${this.id} has blocked the bot`);
    return chat;
  }

  private changesMembership(membership: Membership): Update | undefined {
    const chat = this.bot.startChat(this);
    const before = chat.membership;
    if (before === membership) throw new Error(`client ${this.id}: the bot is a ${membership} already`);
    chat.membership = membership;
    return this.bot.deliver({
      my_chat_member: {
        chat: chat.chat,
        from: this.user,
        date: this.bot.unixTime,
        old_chat_member: this.memberState(before),
        new_chat_member: this.memberState(membership),
      },
    });
  }

  private memberState(membership: Membership): ChatMember {
    const user = this.bot.user;
    return membership === 'kicked' ? { status: 'kicked', user, until_date: 0 } : { status: membership, user };
  }
}

const present = ({ text, entities }: ReturnType<typeof formatText>) =>
  entities.length > 0 ? { text, entities } : { text };
