import type { Message, MessageEntity, ReactionType } from '@grammyjs/types';
import type { SimulatedBot } from './simulated.bot.js';

/** What a message is, by the name of the field of Message that says it; the first that is there counts. */
const KINDS = [
  'text',
  'rich_message',
  'animation',
  'venue',
  'live_photo',
  'photo',
  'video',
  'video_note',
  'voice',
  'audio',
  'document',
  'sticker',
  'location',
  'contact',
  'poll',
  'dice',
] as const satisfies readonly (keyof Message)[];

export type SentKind = (typeof KINDS)[number];

/** A file that reached a chat. */
export interface SentFile {
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  readonly fileName: string | undefined;
}

/** What a message says. `text` is '' and the rest `undefined` where the kind has none. */
export interface SentContent {
  readonly kind: SentKind;
  readonly text: string;
  readonly caption: string | undefined;
  /** Of the text or of the caption. */
  readonly entities: readonly MessageEntity[];
  readonly file: SentFile | undefined;
}

/** One message that really reached a chat, whatever the caller was told. */
export interface LedgerEntry extends SentContent {
  /** Id of the bot. */
  readonly bot: number;
  readonly chatId: number;
  readonly messageId: number;
  readonly threadId: number | undefined;
  readonly businessConnectionId: string | undefined;
  /** Id of the message it answers, and the words it quotes. */
  readonly replyTo: number | undefined;
  readonly quote: string | undefined;
  readonly mediaGroupId: string | undefined;
  /** Milliseconds since 1970. */
  readonly at: number;
}

/** What the bot did to messages that were there already. */
export type ChangeEntry = {
  /** Id of the bot. */
  readonly bot: number;
  readonly chatId: number;
  readonly messageId: number;
  /** Milliseconds since 1970. */
  readonly at: number;
} & (
  | { readonly change: 'edited'; readonly content: SentContent }
  | { readonly change: 'deleted' | 'read' }
  | { readonly change: 'reacted'; readonly reaction: readonly ReactionType[] }
);

/** Keeps what the bots did to the chats, in the order in which it happened. */
export class DeliveryJournal {
  readonly messages: LedgerEntry[] = [];
  readonly changes: ChangeEntry[] = [];

  constructor(private readonly now: () => number) {}

  sent(bot: SimulatedBot, message: Message): void {
    this.messages.push({
      ...this.mark(bot, message.chat.id, message.message_id),
      ...contentOf(bot, message),
      threadId: message.message_thread_id,
      businessConnectionId: message.business_connection_id,
      replyTo: message.reply_to_message?.message_id,
      quote: message.quote?.text,
      mediaGroupId: message.media_group_id,
    });
  }

  edited(bot: SimulatedBot, message: Message): void {
    const content = contentOf(bot, message);
    this.changes.push({ ...this.mark(bot, message.chat.id, message.message_id), change: 'edited', content });
  }

  reacted(bot: SimulatedBot, chatId: number, messageId: number, reaction: readonly ReactionType[]): void {
    this.changes.push({ ...this.mark(bot, chatId, messageId), change: 'reacted', reaction });
  }

  changed(bot: SimulatedBot, chatId: number, messageId: number, change: 'deleted' | 'read'): void {
    this.changes.push({ ...this.mark(bot, chatId, messageId), change });
  }

  private mark(bot: SimulatedBot, chatId: number, messageId: number) {
    return { bot: bot.id, chatId, messageId, at: this.now() };
  }
}

function contentOf(bot: SimulatedBot, message: Message): SentContent {
  const kind = KINDS.find((name) => message[name] !== undefined);
  if (!kind) throw new TypeError(`message ${message.message_id} is of no kind that bots send`);
  return {
    kind,
    text: message.text ?? '',
    caption: message.caption,
    entities: message.entities ?? message.caption_entities ?? [],
    file: fileOf(bot, message, kind),
  };
}

function fileOf(bot: SimulatedBot, message: Message, kind: SentKind): SentFile | undefined {
  const media = kind === 'photo' ? message.photo?.at(-1) : message[kind];
  if (typeof media !== 'object' || !('file_id' in media)) return undefined;
  const { content } = bot.files.find(media.file_id)!;
  return { sha256: content.sha256, size: content.size, fileName: 'file_name' in media ? media.file_name : undefined };
}
