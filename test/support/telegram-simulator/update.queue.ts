import { randomInt } from 'node:crypto';
import type { Update } from '@grammyjs/types';

export type UpdateType = Exclude<keyof Update, 'update_id'>;

/** Every field of Update that can be subscribed to (Bot API 10.3). */
export const UPDATE_TYPES = [
  'message',
  'edited_message',
  'channel_post',
  'edited_channel_post',
  'business_connection',
  'business_message',
  'edited_business_message',
  'deleted_business_messages',
  'guest_message',
  'stopped_message_generation',
  'message_reaction',
  'message_reaction_count',
  'inline_query',
  'chosen_inline_result',
  'callback_query',
  'shipping_query',
  'pre_checkout_query',
  'purchased_paid_media',
  'poll',
  'poll_answer',
  'my_chat_member',
  'chat_member',
  'chat_join_request',
  'chat_boost',
  'removed_chat_boost',
  'managed_bot',
  'subscription',
] as const satisfies readonly UpdateType[];

const NOT_BY_DEFAULT: readonly UpdateType[] = ['chat_member', 'message_reaction', 'message_reaction_count'];

/** What a bot gets that never named `allowed_updates`, or named an empty list. */
export const DEFAULT_UPDATE_TYPES: readonly UpdateType[] = UPDATE_TYPES.filter(
  (type) => !NOT_BY_DEFAULT.includes(type),
);

export function typeOfUpdate(update: Omit<Update, 'update_id'>): UpdateType {
  const type = UPDATE_TYPES.find((name) => update[name] !== undefined);
  if (!type) throw new TypeError('an update carries exactly one of the fields of Update');
  return type;
}

export interface QueuedUpdate {
  readonly update: Update;
  /** Unix seconds after which the server forgets it. */
  readonly expiresAt: number;
}

/** An answer to getUpdates is cut at about 4 MiB, counting 50 bytes of frame for each update. */
const ANSWER_BYTES = 1 << 22;

/**
 * The unconfirmed updates of one bot, oldest first. Ids grow by one from a random start. Reading does not remove:
 * only a read from a higher id does ("confirmed").
 */
export class UpdateQueue {
  private readonly queued = new Map<number, QueuedUpdate>();
  private tail = randomInt(100_000_000, 900_000_000);
  private firstExpiry = Infinity;

  /** Id of the update that comes next. */
  get nextId(): number {
    return this.tail;
  }

  get head(): number {
    const first = this.queued.keys().next();
    return first.done ? this.tail : first.value;
  }

  get size(): number {
    return this.queued.size;
  }

  /**
   * Adds an update. With an id of its own it moves the numbering there: forward at any time, back only while nothing
   * waits, as the server's numbering jumps after a week of silence.
   */
  push(content: Omit<Update, 'update_id'> & { update_id?: number }, expiresAt: number): QueuedUpdate {
    const id = content.update_id ?? this.tail;
    if (id < this.tail && this.queued.size > 0) {
      throw new RangeError(`update_id ${id} is below ${this.tail} while ${this.queued.size} updates wait`);
    }
    const entry = { update: { ...content, update_id: id }, expiresAt };
    this.queued.set(id, entry);
    this.tail = id + 1;
    this.firstExpiry = Math.min(this.firstExpiry, expiresAt);
    return entry;
  }

  /**
   * Confirms everything below `offset` and answers what follows. An offset of 0 starts at the head, a negative one
   * counts from the end; one more than 10 past the end is not believed: it starts at the head and confirms nothing.
   */
  read(offset: number, limit: number): { updates: Update[]; from: number } {
    let from = offset < 0 ? Math.max(this.tail + offset, this.head) : offset;
    if (from === 0 || from > this.tail + 10) from = this.head;
    for (const id of this.queued.keys()) {
      if (id >= from) break;
      this.queued.delete(id);
    }

    const updates: Update[] = [];
    let bytes = ANSWER_BYTES;
    for (const { update } of this.queued.values()) {
      if (updates.length === limit) break;
      bytes -= 50 + Buffer.byteLength(JSON.stringify(update));
      if (bytes <= 0 && updates.length > 0) break;
      updates.push(update);
    }
    return { updates, from };
  }

  forget(id: number): void {
    this.queued.delete(id);
  }

  clear(): void {
    this.queued.clear();
  }

  /** Drops what is older than the server keeps. */
  expire(unixSeconds: number): void {
    if (unixSeconds <= this.firstExpiry) return;
    this.firstExpiry = Infinity;
    for (const [id, { expiresAt }] of this.queued) {
      if (expiresAt < unixSeconds) this.queued.delete(id);
      else this.firstExpiry = Math.min(this.firstExpiry, expiresAt);
    }
  }

  entries(): QueuedUpdate[] {
    return [...this.queued.values()];
  }
}
