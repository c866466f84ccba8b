import { randomInt } from 'node:crypto';
import type { Chat, ChatMember, ChatMemberAdministrator, Message, Update, User } from '@grammyjs/types';
import { dataOf, pressButton } from './button.presses.js';
import { changedText, newMessage, type MessageContent } from './incoming.message.js';
import { withoutReply } from './reply.parameters.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { Membership, SimulatedChat } from './simulated.chat.js';
import type { ClientProfile } from './simulated.client.js';

/** The account by which Telegram copies posts of a channel into its discussion group. */
const TELEGRAM: User = { id: 777000, is_bot: false, first_name: 'Telegram' };
const TOPIC_COLOR = 7322096;

/** An administrator who writes in the name of the group. */
const ANONYMOUS: User = { id: 1087968824, is_bot: true, first_name: 'Group', username: 'GroupAnonymousBot' };
const SERVICE_FIELDS = [
  'new_chat_members',
  'left_chat_member',
  'new_chat_title',
  'pinned_message',
  'forum_topic_created',
  'forum_topic_closed',
  'migrate_to_chat_id',
  'migrate_from_chat_id',
] as const satisfies readonly (keyof Message)[];

const ADMINISTRATOR_RIGHTS: Omit<ChatMemberAdministrator, 'status' | 'user'> = {
  can_be_edited: false,
  is_anonymous: false,
  can_manage_chat: true,
  can_delete_messages: true,
  can_manage_video_chats: false,
  can_restrict_members: false,
  can_promote_members: false,
  can_change_info: false,
  can_invite_users: false,
  can_post_stories: false,
  can_edit_stories: false,
  can_delete_stories: false,
  can_pin_messages: true,
  can_manage_topics: true,
  can_send_welcome_messages: false,
};

/** Ways the bot can stand in a group. */
export type BotStatus = Membership | 'administrator';

export type GroupChat = Chat.GroupChat | Chat.SupergroupChat | Chat.ChannelChat;

/** A group, a supergroup, a forum, a channel or its direct messages, as the people in it see it. */
export class SimulatedGroup {
  /** Everything that was said there, and what of it is the bot's. */
  readonly chat: SimulatedChat;
  private status: BotStatus = 'left';

  constructor(
    private readonly bot: SimulatedBot,
    chat: GroupChat,
  ) {
    this.chat = bot.openChat(chat);
    this.chat.membership = 'left';
  }

  get id(): number {
    return this.chat.id;
  }

  // --- the bot comes and goes

  /** Somebody takes the bot in, throws it out, or makes it an administrator. `undefined`: the bot is not told. */
  sets(status: BotStatus, by: ClientProfile): Update | undefined {
    const old = this.status;
    if (old === status) throw new Error(`the bot is ${status} in ${this.id} already`);
    this.stands(status);
    const update = this.bot.deliver({
      my_chat_member: {
        chat: this.chat.chat,
        from: person(by),
        date: this.bot.unixTime,
        old_chat_member: this.member(old),
        new_chat_member: this.member(status),
      },
    });
    const came = !isPresent(old) && isPresent(status);
    if (came && !this.isChannel) this.writes({ from: person(by) }, { new_chat_members: [this.bot.user] });
    return update;
  }

  private get isChannel(): boolean {
    return this.chat.chat.type === 'channel';
  }

  private stands(status: BotStatus): void {
    this.status = status;
    this.chat.isAdministrator = status === 'administrator';
    this.chat.membership = status === 'administrator' ? 'member' : status;
  }

  private member(status: BotStatus): ChatMember {
    const user = this.bot.user;
    if (status === 'kicked') return { status, user, until_date: 0 };
    if (status !== 'administrator') return { status, user };
    return { status, user, ...ADMINISTRATOR_RIGHTS };
  }

  // --- what people write

  /** Somebody writes. `undefined`: the bot does not hear it, because of its privacy mode or because it is not there. */
  says(by: ClientProfile, content: string | MessageContent): Update | undefined {
    return this.writes({ from: person(by) }, content);
  }

  /** An administrator writes as the group itself. */
  saysAnonymously(content: string | MessageContent, author_signature?: string): Update | undefined {
    const signed = author_signature === undefined ? {} : { author_signature };
    return this.writes({ from: ANONYMOUS, sender_chat: this.chat.chat, ...signed }, content);
  }

  /** Somebody answers a message, in the thread in which it stands. */
  replies(by: ClientProfile, messageId: number, content: string | MessageContent): Update | undefined {
    const original = this.message(messageId);
    const { message_thread_id, is_topic_message } = original;
    const thread = { ...(message_thread_id && { message_thread_id }), ...(is_topic_message && { is_topic_message }) };
    return this.writes({ from: person(by), ...thread, reply_to_message: withoutReply(original) }, content);
  }

  /** Whoever wrote a message changes its text or caption. */
  edits(messageId: number, text: string): Update | undefined {
    const edited_message = { ...changedText(this.message(messageId), text), edit_date: this.bot.unixTime };
    this.chat.keep(edited_message);
    return this.hears(edited_message)
      ? this.bot.deliver({ edited_message } as Pick<Update, 'edited_message'>)
      : undefined;
  }

  /** Somebody presses the button with this text. */
  presses(by: ClientProfile, messageId: number, text: string, options?: { accessible: boolean }): Update | undefined {
    const message = this.message(messageId);
    return pressButton(this.bot, person(by), message, dataOf(message, text), options);
  }

  /** Telegram copies a post of the channel that the group belongs to. Answers the id of the copy. */
  copiesPost(post: Message): number {
    const { message_id, chat, date, sender_chat: _sender, ...content } = post;
    const copy = this.chat.nextMessageId();
    const channel = chat as Chat.ChannelChat;
    this.chat.openThread(copy);
    this.writes(
      { message_id: copy, from: TELEGRAM, sender_chat: channel, is_automatic_forward: true },
      { ...content, forward_origin: { type: 'channel', chat: channel, message_id, date } },
    );
    return copy;
  }

  /** Somebody comments on a post, in the thread under its copy. */
  comments(by: ClientProfile, copy: number, content: string | MessageContent): Update | undefined {
    const reply_to_message = withoutReply(this.message(copy));
    return this.writes({ from: person(by), message_thread_id: copy, reply_to_message }, content);
  }

  private message(messageId: number): Message {
    const message = this.chat.find(messageId);
    if (!message) throw new Error(`chat ${this.id} has no message ${messageId}`);
    return message;
  }

  private writes(sender: Partial<Message>, content: string | MessageContent): Update | undefined {
    const message = newMessage(this.bot, this.chat, sender, content);
    return this.hears(message) ? this.bot.deliver({ message } as Pick<Update, 'message'>) : undefined;
  }

  /** With privacy mode on: commands, replies to the bot, its name, and what nobody in particular has said. */
  private hears(message: Message): boolean {
    if (this.chat.membership !== 'member') return false;
    if (this.chat.isAdministrator || this.bot.user.can_read_all_group_messages) return true;
    const words = (message.text ?? message.caption ?? '').toLowerCase();
    const isService = SERVICE_FIELDS.some((field) => message[field] !== undefined);
    const isReply = message.reply_to_message?.from?.id === this.bot.id;
    const isMention = words.includes(`@${this.bot.profile.username.toLowerCase()}`);
    return isService || isReply || isMention || /^\/\w+(\s|$)/.test(words);
  }

  // --- topics of a forum

  /** Id of the thread of a new topic. */
  createsTopic(by: ClientProfile, name: string): number {
    const message_thread_id = this.chat.nextMessageId();
    this.chat.topics.set(message_thread_id, { name, isClosed: false });
    const place = { message_id: message_thread_id, message_thread_id, is_topic_message: true as const };
    this.writes({ from: person(by), ...place }, { forum_topic_created: { name, icon_color: TOPIC_COLOR } });
    return message_thread_id;
  }

  saysInTopic(by: ClientProfile, threadId: number, content: string | MessageContent): Update | undefined {
    if (!this.chat.topics.has(threadId)) throw new Error(`chat ${this.id} has no topic ${threadId}`);
    const place = { message_thread_id: threadId, is_topic_message: true as const };
    const reply_to_message = withoutReply(this.message(threadId));
    return this.writes({ from: person(by), ...place, reply_to_message }, content);
  }

  renamesTopic(by: ClientProfile, threadId: number, name: string): Update | undefined {
    this.chat.topics.set(threadId, { ...this.chat.topics.get(threadId)!, name });
    const place = { message_thread_id: threadId, is_topic_message: true as const };
    return this.writes({ from: person(by), ...place }, { forum_topic_edited: { name } });
  }

  closesTopic(by: ClientProfile, threadId: number): Update | undefined {
    this.chat.topics.get(threadId)!.isClosed = true;
    const place = { message_thread_id: threadId, is_topic_message: true as const };
    return this.writes({ from: person(by), ...place }, { forum_topic_closed: {} });
  }

  /** The bot is not told. */
  deletesTopic(threadId: number): void {
    this.chat.removeThread(threadId);
  }

  // --- a channel, its discussion group and its direct messages

  /** Something is published. Answers the post, and the id of its copy in the discussion group. */
  posts(content: string | MessageContent, discussion?: SimulatedGroup): { post: Message; copy: number | undefined } {
    const post = newMessage(this.bot, this.chat, { sender_chat: this.chat.chat }, content);
    if (this.chat.isAdministrator) this.bot.deliver({ channel_post: post } as Pick<Update, 'channel_post'>);
    return { post, copy: discussion?.copiesPost(post) };
  }

  /** Somebody writes to the channel; everybody has a topic of their own. */
  writesToChannel(by: ClientProfile, content: string | MessageContent): Update | undefined {
    const user = person(by);
    return this.writes({ from: user, direct_messages_topic: { topic_id: by.id, user } }, content);
  }

  // --- migration

  /** The group becomes a supergroup, with messages in both that say so; calls to the old id are told the new one. */
  migrates(by: ClientProfile): SimulatedGroup {
    const { chat } = this.chat;
    if (chat.type !== 'group') throw new Error(`chat ${this.id} is no basic group`);
    const successor = this.bot.group({ id: newSupergroupId(), type: 'supergroup', title: chat.title });
    successor.stands(this.status);
    this.writes({ from: person(by) }, { migrate_to_chat_id: successor.id });
    successor.writes({ from: person(by), sender_chat: successor.chat.chat }, { migrate_from_chat_id: this.id });
    this.chat.migratedTo = successor.id;
    return successor;
  }
}

const person = (profile: ClientProfile): User => ({ ...profile, is_bot: false });
const isPresent = (status: BotStatus) => status === 'member' || status === 'administrator';
const newSupergroupId = () => -randomInt(1_001_000_000_000, 1_002_000_000_000);
