import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Mark, SaidMessage } from '../../relay/said-message.dto.js';
import { ApiCount, PageOf } from '../page.dto.js';

/** Why a message was not delivered, or why it waits. */
export class MessageError {
  /** Stable, for machines. */
  code: string;
  detail: string;
}

/** A message as lists show it. */
export class MessageItem extends SaidMessage {
  /** Payload of the `/start` that it is. */
  source: string | null;
  albumId: string | null;
  chatId: string | null;

  /** It is for a client who has blocked the bot: sent again it would fail again. */
  blocked: boolean;

  /** `chat.id` as Bitrix24 knows it, such as `tg:123456`. */
  externalChatId: string | null;
  telegramChatId: string | null;
  telegramMessageIds: string[];
  bitrixMessageId: string | null;
  botId: string | null;
  portalId: string | null;

  /** The event that brought it was accepted on the secret alone. */
  unsigned: boolean;

  @ApiCount()
  attempts: number;
  error: MessageError | null;
  deliveredAt: Date | null;
}

export class MessagePage extends PageOf(MessageItem) {
  /** Leads to newer messages; null: there are none. Only with `around` and `cursor`. */
  previousCursor?: string | null;

  /** How many messages the filter holds. Only with `count=1`. */
  @ApiPropertyOptional({ type: 'integer', minimum: 0 })
  count?: number;

  /**
   * There are at least `count`: with words, a chat or times, messages are counted one by one up to 10,000, and no
   * more than that are looked at where words are frequent. Only with `count=1`.
   */
  more?: boolean;
}

/** What an edited or deleted message once said; number 0 is the original. A deletion has no words. */
export class Revision {
  @ApiCount()
  number: number;
  text: string;
  marks: Mark[];
  deleted: boolean;

  /** By the clock of the network. */
  saidAt: Date | null;
  createdAt: Date;
}

/** One thing that happened to a message, or that is still to happen. */
export class TimelineEntry {
  at: Date;
  what:
    | 'received'
    | 'stored'
    | 'attempt'
    | 'delivered'
    | 'seen'
    | 'edited'
    | 'deleted'
    | 'failed'
    | 'uncertain'
    | 'ignored'
    | 'resolved'
    | 'discarded'
    | 'sending'
    | 'waiting';

  /**
   * Of an attempt or of waiting work: message, edit, delete, note, status (delivery report) or, of older versions,
   * reading (read report).
   */
  kind?: string;

  /** Number of the attempt, from 1; of `edited` and `deleted`, that of the revision. */
  @ApiPropertyOptional({ type: 'integer' })
  number?: number;

  /**
   * Of an attempt: delivered, retry, failed, uncertain, unknown. Of `resolved`: what a person said, delivered or
   * failed.
   */
  outcome?: string;

  /** Of `received`: where it came from; of `waiting`: what it waits for; otherwise of the error. */
  code?: string;

  /** What the words of `code` are made of. */
  @ApiPropertyOptional({ type: 'object', additionalProperties: true })
  params?: Record<string, unknown>;

  /** In English. */
  detail?: string;
  finishedAt?: Date;

  /** Which replica tried. */
  instance?: string;
}

/** A message with everything that happened to it. */
export class MessageDetail extends MessageItem {
  /** Telegram's update or Bitrix24's event, without what gives access to files. */
  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  raw: unknown;
  revisions: Revision[];

  /** Oldest first; what is still to come stands at the end. */
  timeline: TimelineEntry[];
}

export class Retried {
  /** Messages that are queued again; with `dryRun` those that would be. */
  @ApiCount()
  retried: number;
}

export class Discarded {
  /** Messages that are `ignored` from now on; with `dryRun` those that would be. */
  @ApiCount()
  discarded: number;
}
