import { randomInt } from 'node:crypto';
import type {
  ChatMember,
  Location,
  Message,
  MessageReactionUpdated,
  PhotoSize,
  ReactionType,
  Update,
  User,
} from '@grammyjs/types';
import { uploadFromClient, type AlbumItem, type ClientFile } from './client.files.js';
import type { FileContent } from './file.store.js';
import { dataOf, pressButton } from './button.presses.js';
import { changedText, newMessage, type MessageContent } from './incoming.message.js';
import type { MediaKind } from './media.kinds.js';
import { withoutReply } from './reply.parameters.js';
import { sampleJpeg } from './sample.media.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { Membership, SimulatedChat } from './simulated.chat.js';

export type { MessageContent };

/** A payload of /start (core.telegram.org/bots/features#deep-linking). */
const START_PAYLOAD = /^[\w-]{1,64}$/;
const PROFILE_PHOTO = { width: 640, height: 640 };

/** Who a client is: `User` without `is_bot`. */
export type ClientProfile = Omit<User, 'is_bot'>;

export type MessageUpdate = Update & { message: Message };

/** A person in a private chat with the bot. The chat comes into being with the person's first message. */
export class SimulatedClient {
  /** Every photo in all its sizes, the newest first. */
  readonly profilePhotos: PhotoSize[][] = [];

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

  /** Has another name from now on; the bot learns of it with the next message. */
  renames(names: Pick<ClientProfile, 'first_name' | 'last_name' | 'username'>): void {
    this.profile = { ...this.profile, ...names };
    Object.assign(this.chat.chat, names);
  }

  // --- sending

  /** Sends text. The entities the app finds by itself are added unless `extra` has some. */
  sends(text: string, extra: MessageContent = {}): MessageUpdate {
    return this.sendsMessage({ ...extra, text });
  }

  /** Opens the bot by its link, with the payload that stood in it. */
  starts(payload?: string): MessageUpdate {
    if (payload !== undefined && !START_PAYLOAD.test(payload)) throw new Error('a payload is 1-64 of A-Za-z0-9_-');
    return this.sends(payload === undefined ? '/start' : `/start ${payload}`);
  }

  /** Sends a message of any kind: location, contact … as the fields of Message say it. */
  sendsMessage(content: MessageContent): MessageUpdate {
    const message = newMessage(this.bot, this.open(), { from: this.user }, content);
    const update = this.bot.deliver({ message } as Pick<Update, 'message'>);
    if (!update) throw new Error('the bot takes no `message` updates: see its allowed_updates');
    return update as MessageUpdate;
  }

  /** Sends a file, with a caption and more in `extra`. */
  sendsFile(kind: MediaKind, file: ClientFile = {}, extra: MessageContent = {}): MessageUpdate {
    return this.sendsMessage({ ...uploadFromClient(this.bot, kind, file), ...extra });
  }

  /** Sends several files as one album: a message each, with one `media_group_id`. */
  sendsAlbum(items: readonly AlbumItem[], extra: MessageContent = {}): MessageUpdate[] {
    const media_group_id = String(randomInt(2 ** 47, 2 ** 48 - 1));
    return items.map(({ kind, caption, ...file }) =>
      this.sendsFile(kind, file, { ...extra, media_group_id, ...(caption !== undefined && { caption }) }),
    );
  }

  /** Answers a message of the chat, or a part of it that the person has marked. */
  replies(messageId: number, content: string | MessageContent, quote?: string): MessageUpdate {
    const original = this.message(messageId);
    const position = (original.text ?? original.caption ?? '').indexOf(quote ?? '');
    if (position < 0) throw new Error(`message ${messageId} does not say ${quote}`);
    return this.sendsMessage({
      ...(typeof content === 'string' ? { text: content } : content),
      reply_to_message: withoutReply(original),
      ...(quote !== undefined && { quote: { text: quote, position, is_manual: true } }),
    });
  }

  /** Shares the own position for `period` seconds. */
  startsLiveLocation(location: Location, period = 900): MessageUpdate {
    return this.sendsMessage({ location: { ...location, live_period: period } });
  }

  moves(messageId: number, location: Location): Update | undefined {
    return this.rewrites(messageId, (message) => ({
      ...message,
      location: { ...location, live_period: message.location!.live_period! },
    }));
  }

  /** What is left is the last position, without `live_period`. */
  stopsLiveLocation(messageId: number): Update | undefined {
    return this.rewrites(messageId, (message) => {
      const { live_period: _period, ...location } = message.location!;
      return { ...message, location };
    });
  }

  setsProfilePhoto(content?: FileContent): void {
    const stored = this.bot.store.keep(content ?? sampleJpeg(PROFILE_PHOTO, `${this.id}:${this.profilePhotos.length}`));
    this.profilePhotos.unshift(this.bot.files.keepPhoto(stored, PROFILE_PHOTO, 'profile_photo'));
  }

  // --- what was sent

  /** Changes the text, or the caption, of an own message. `undefined`: the bot takes no such updates. */
  edits(messageId: number, text: string): Update | undefined {
    return this.rewrites(messageId, (message) => changedText(message, text));
  }

  /**
   * Puts another file in the place of the one in an own message, or of its text (core.telegram.org/bots/api, of
   * editMessageMedia: "or to replace a text … with a media"); text or caption stands under it unless `extra` has another.
   */
  editsFile(messageId: number, kind: MediaKind, file: ClientFile = {}, extra: MessageContent = {}): Update | undefined {
    const fields = uploadFromClient(this.bot, kind, file);
    return this.rewrites(messageId, ({ photo: _p, video: _v, animation: _a, audio: _u, document: _d, ...rest }) => {
      const { text, entities, link_preview_options: _l, ...bare } = rest;
      const caption = text === undefined ? {} : { caption: text, ...(entities && { caption_entities: entities }) };
      return { ...bare, ...caption, ...fields, ...extra };
    });
  }

  /** Telegram tells of an edit in which nothing that people see has changed. */
  editsInvisibly(messageId: number): Update | undefined {
    return this.rewrites(messageId, (message) => message);
  }

  /** Sets the reaction on a message, or takes it back with `undefined`. */
  reacts(messageId: number, emoji: Extract<ReactionType, { type: 'emoji' }>['emoji'] | undefined): Update | undefined {
    const chat = this.open();
    this.message(messageId);
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

  /** Presses the inline button with this `callback_data` under a message of the bot, as it is or was `shown`. */
  presses(messageId: number, data: string, shown = this.open().find(messageId)): Update | undefined {
    return pressButton(this.bot, this.user, shown, data);
  }

  /** Presses the button with this text. */
  pressesText(message: Message, text: string): Update | undefined {
    return this.presses(message.message_id, dataOf(message, text), message);
  }

  /** Presses the button that asks for the own number. */
  sharesPhone(phone_number = `7${String(this.id).padStart(10, '9')}`): MessageUpdate {
    const buttons = this.open().replyKeyboard?.keyboard.flat() ?? [];
    if (!buttons.some((button) => typeof button !== 'string' && 'request_contact' in button)) {
      throw new Error(`client ${this.id} sees no button that asks for a number`);
    }
    const { first_name, last_name } = this.profile;
    return this.sendsMessage({
      contact: { phone_number, first_name, ...(last_name && { last_name }), user_id: this.id },
    });
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

  private message(messageId: number): Message {
    const message = this.open().find(messageId);
    if (!message) throw new Error(`chat ${this.id} has no message ${messageId}`);
    return message;
  }

  private rewrites(messageId: number, change: (message: Message) => Partial<Message>): Update | undefined {
    const chat = this.open();
    const message = chat.find(messageId);
    if (!message || chat.isFromBot(messageId)) throw new Error(`client ${this.id} has no message ${messageId}`);
    const edited_message = { ...change(message), edit_date: this.bot.unixTime } as Message;
    chat.keep(edited_message);
    return this.bot.deliver({ edited_message } as Pick<Update, 'edited_message'>);
  }

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
