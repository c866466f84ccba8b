import { tooManyRequests } from './bot-api.error.js';

/** The published limits (core.telegram.org/bots/faq): messages a second, and how many may come at once. */
export interface SendLimits {
  readonly bot: Bucket;
  readonly privateChat: Bucket;
  /** 20 a minute. */
  readonly group: Bucket;
}

export interface Bucket {
  readonly perSecond: number;
  readonly burst: number;
}

export const PUBLISHED_LIMITS: SendLimits = {
  bot: { perSecond: 30, burst: 30 },
  privateChat: { perSecond: 1, burst: 3 },
  group: { perSecond: 20 / 60, burst: 20 },
};

/** The flood control of one bot: one bucket for all it sends, one for each chat. */
export class FloodControl {
  private readonly levels = new Map<number | 'bot', { tokens: number; at: number }>();

  constructor(
    private readonly limits: SendLimits,
    private readonly now: () => number,
  ) {}

  /**
   * Counts messages that are sent together, or throws 429 with the seconds to wait and counts nothing. An album counts
   * item by item in a group, as one message elsewhere.
   */
  admit(chatId: number, messages = 1): void {
    const chatBucket = chatId < 0 ? this.limits.group : this.limits.privateChat;
    const count = chatId < 0 ? messages : 1;
    const bot = this.level('bot', this.limits.bot);
    const chat = this.level(chatId, chatBucket);
    const wait = Math.max(
      (count - bot.tokens) / this.limits.bot.perSecond,
      (count - chat.tokens) / chatBucket.perSecond,
    );
    if (wait > 0) throw tooManyRequests(Math.max(1, Math.ceil(wait)));
    bot.tokens -= count;
    chat.tokens -= count;
  }

  private level(key: number | 'bot', { perSecond, burst }: Bucket) {
    const now = this.now();
    const level = this.levels.get(key) ?? { tokens: burst, at: now };
    level.tokens = Math.min(burst, level.tokens + ((now - level.at) / 1000) * perSecond);
    level.at = now;
    this.levels.set(key, level);
    return level;
  }
}
