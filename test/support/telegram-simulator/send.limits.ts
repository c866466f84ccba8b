import { tooManyRequests } from './bot-api.error.js';

/** The published limits (core.telegram.org/bots/faq, "My bot is hitting limits, how do I avoid this?"). */
export interface SendLimits {
  /** Messages in any second, to whomever: "no more than 30 messages per second". */
  readonly botPerSecond: number;
  readonly privateChat: Bucket;
  /** 20 a minute. */
  readonly group: Bucket;
}

/** Messages a second, and how many may come at once. */
export interface Bucket {
  readonly perSecond: number;
  readonly burst: number;
}

export const PUBLISHED_LIMITS: SendLimits = {
  botPerSecond: 30,
  privateChat: { perSecond: 1, burst: 3 },
  group: { perSecond: 20 / 60, burst: 20 },
};

const SECOND_MS = 1_000;

/** The flood control of one bot: its messages of the last second, and a bucket for each chat. */
export class FloodControl {
  private readonly levels = new Map<number, { tokens: number; at: number }>();
  /** When each message of the last second came. */
  private lately: number[] = [];

  constructor(
    private readonly limits: SendLimits,
    private readonly now: () => number,
  ) {}

  /**
   * Counts messages that are sent together, or throws 429 with the seconds to wait and counts nothing. For the bot and
   * in a group an album counts item by item; the chat of a person takes it as one message.
   */
  admit(chatId: number, messages = 1): void {
    const chatBucket = chatId < 0 ? this.limits.group : this.limits.privateChat;
    const count = chatId < 0 ? messages : 1;
    const chat = this.level(chatId, chatBucket);
    const wait = Math.max(this.botWait(messages), (count - chat.tokens) / chatBucket.perSecond);
    if (wait > 0) throw tooManyRequests(Math.max(1, Math.ceil(wait)));
    const now = this.now();
    this.lately.push(...Array.from({ length: messages }, () => now));
    chat.tokens -= count;
  }

  /** Seconds until the bot may send so many. */
  private botWait(messages: number): number {
    const now = this.now();
    this.lately = this.lately.filter((at) => now < at + SECOND_MS);
    const surplus = this.lately.length + messages - this.limits.botPerSecond;
    return surplus > 0 ? (this.lately[Math.min(surplus, this.lately.length) - 1]! + SECOND_MS - now) / 1_000 : 0;
  }

  private level(chatId: number, { perSecond, burst }: Bucket) {
    const now = this.now();
    const level = this.levels.get(chatId) ?? { tokens: burst, at: now };
    level.tokens = Math.min(burst, level.tokens + ((now - level.at) / 1000) * perSecond);
    level.at = now;
    this.levels.set(chatId, level);
    return level;
  }
}
