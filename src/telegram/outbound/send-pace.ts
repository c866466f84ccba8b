import { GRANTED, grantIn, type Grant } from '../../common/grant.js';
import { TokenBucket, type Rate } from '../../common/token-bucket.js';
import { SendWindow, type SentFor } from './send-window.js';

/** "Avoid sending more than one message per second" in a chat, short bursts tolerated (core.telegram.org/bots/faq). */
const PRIVATE_CHAT: Rate = { perSecond: 1, burst: 3 };
/** "Not more than 20 messages per minute" in a group (same page): 2 at once and 18 a minute are 20 in any minute. */
const GROUP: Rate = { perSecond: 18 / 60, burst: 2 };

const SWEEP_MS = 60_000;

/**
 * The pace of one chat, never ahead of Telegram's own bucket: a message counts from its start, but its token returns
 * only from its answer on, since nobody knows when in between Telegram counted it. It starts with one token at `born`:
 * what was sent before, perhaps by another replica, is unknown.
 */
class ChatPace {
  private readonly bucket: TokenBucket;
  private underWay = 0;

  constructor(
    private readonly rate: Rate,
    born: number,
  ) {
    this.bucket = new TokenBucket(rate, born, 1);
  }

  /**
   * Milliseconds, rounded up, until this many messages may start if none starts meanwhile. More than the burst (an
   * album is one call) start from a full bucket; what comes after waits longer.
   */
  waitMs(messages: number, now: number): number {
    return Math.ceil(this.bucket.waitMs(Math.min(messages, this.rate.burst) + this.underWay, now));
  }

  begin(messages: number): void {
    this.underWay += messages;
  }

  cancel(messages: number): void {
    this.underWay -= messages;
  }

  answered(now: number): void {
    this.underWay--;
    this.bucket.take(1, now);
  }

  rested(now: number): boolean {
    return this.underWay === 0 && this.bucket.level(now) === this.rate.burst;
  }
}

/**
 * How fast one bot may send: in all, and to each chat. Stays below Telegram's published limits. If a 429 comes anyway, it
 * silences its chat for the time named, and the whole bot when a second chat gets one meanwhile, because then the bot
 * is too fast. Times are milliseconds of one monotonic clock.
 */
export class SendPace {
  private readonly bot: SendWindow;
  private readonly chats = new Map<bigint, ChatPace>();
  private readonly silentUntil = new Map<bigint, number>();
  private botSilentUntil = 0;
  private sweptAt: number;

  constructor(private readonly born: number) {
    this.bot = new SendWindow(born);
    this.sweptAt = born;
  }

  /** Reserves up to `max` messages whose chats are not known yet; returns how many. */
  reserve(max: number, now: number): number {
    if (now < this.botSilentUntil) return 0;
    const granted = Math.min(max, this.bot.unsaved(now).all);
    this.bot.begin(granted, 'people');
    return granted;
  }

  /** How many of the messages that may be reserved now may be automatic texts. */
  freeForNobody(now: number): number {
    return now < this.botSilentUntil ? 0 : this.bot.unsaved(now).nobody;
  }

  /** Reserved messages are not sent after all. */
  release(messages: number): void {
    this.bot.cancel(messages, 'people');
  }

  /** Milliseconds until the bot may send this many messages, whatever their chats. */
  waitMs(now: number, messages = 1, sentFor: SentFor = 'people'): number {
    return Math.max(0, this.botSilentUntil - now, this.bot.waitMs(messages, sentFor, now));
  }

  /**
   * Turns one reserved message into the turn of a chat, which must be ended.
   *
   * @param chatId Telegram's id: topics of a forum share the limit of their group
   */
  turn(chatId: bigint, sentFor: SentFor = 'people'): ChatTurn {
    this.bot.cancel(1, 'people');
    this.bot.begin(1, sentFor);
    return new ChatTurn(this, this.bot, chatId, sentFor);
  }

  /** Milliseconds for which Telegram lets the whole bot send nothing. */
  silentMs(now: number): number {
    return Math.max(0, this.botSilentUntil - now);
  }

  /** Telegram lets the whole bot send nothing for this long; perhaps it told the replica before this one. */
  silence(forMs: number, now: number): void {
    this.botSilentUntil = Math.max(this.botSilentUntil, now + forMs);
  }

  /** Telegram answered 429 in this chat; returns which of the two is silent for that time. */
  refused(chatId: bigint, retryAfterMs: number, now: number): 'chat' | 'bot' {
    for (const [chat, until] of this.silentUntil) if (until <= now) this.silentUntil.delete(chat);
    const others = [...this.silentUntil.keys()].some((chat) => chat !== chatId);
    this.silentUntil.set(chatId, now + retryAfterMs);
    if (!others) return 'chat';
    this.silence(retryAfterMs, now);
    return 'bot';
  }

  /** Milliseconds until this many messages may go to the chat, whatever the bot sends elsewhere. */
  chatWaitMs(chatId: bigint, messages: number, now: number): number {
    return Math.max(0, (this.silentUntil.get(chatId) ?? 0) - now, this.chat(chatId, now).waitMs(messages, now));
  }

  /** Groups, supergroups and channels have negative ids. */
  chat(chatId: bigint, now: number): ChatPace {
    this.sweep(now);
    let chat = this.chats.get(chatId);
    if (!chat) this.chats.set(chatId, (chat = new ChatPace(chatId > 0n ? PRIVATE_CHAT : GROUP, this.born)));
    return chat;
  }

  private sweep(now: number): void {
    if (now - this.sweptAt < SWEEP_MS) return;
    this.sweptAt = now;
    for (const [chatId, chat] of this.chats) if (chat.rested(now)) this.chats.delete(chatId);
  }
}

/** What is sent to one chat in one go. */
export class ChatTurn {
  /** Messages reserved for this turn that have not started. */
  private reserved = 1;
  private underWay = 0;

  constructor(
    private readonly pace: SendPace,
    private readonly bot: SendWindow,
    private readonly chatId: bigint,
    private readonly sentFor: SentFor,
  ) {}

  /** Whether this many messages may go now. Missing places of the bot are saved up until the chat asks again. */
  ask(messages: number, now: number): Grant {
    const more = messages - this.reserved;
    const chatMs = this.pace.chatWaitMs(this.chatId, messages, now);
    if (chatMs > 0 || more <= 0) return grantIn(chatMs);
    const waitMs = this.pace.waitMs(now, more, this.sentFor);
    if (waitMs > 0) this.bot.save(more, this.sentFor, waitMs, now);
    return grantIn(waitMs);
  }

  /** As {@link ask}; what is granted is counted, and each message of it must be {@link answered}. */
  take(messages: number, now: number): Grant {
    const grant = this.ask(messages, now);
    if (!grant.granted) return grant;
    this.bot.begin(messages - this.reserved, this.sentFor);
    this.reserved = 0;
    this.underWay += messages;
    this.pace.chat(this.chatId, now).begin(messages);
    return GRANTED;
  }

  /** A message that was taken got its answer, or will never get one. */
  answered(now: number): void {
    this.underWay--;
    this.bot.answered(this.sentFor, now);
    this.pace.chat(this.chatId, now).answered(now);
  }

  /** Gives back what was not used; returns the milliseconds until the chat may get its next message. */
  end(now: number): number {
    this.bot.cancel(this.reserved + this.underWay, this.sentFor);
    this.pace.chat(this.chatId, now).cancel(this.underWay);
    this.reserved = 0;
    this.underWay = 0;
    return this.pace.chatWaitMs(this.chatId, 1, now);
  }
}
