import { setTimeout as sleep } from 'node:timers/promises';
import type { Update } from '@grammyjs/types';
import { conflict, type BotApiError } from './bot-api.error.js';
import type { UpdateQueue } from './update.queue.js';

/** The server holds a poll open for 50 seconds at most, whatever `timeout` says. */
export const LONG_POLL_LIMIT = 50;
const REPEATED_POLL_MS = 3000;
const HASTY_POLL_MS = 500;
const CONFLICT_PAUSE_MS = 3000;

export interface LongPollingConditions {
  /** Milliseconds. */
  readonly now: () => number;
  readonly brakes: boolean;
}

interface WaitingPoll {
  readonly offset: number;
  readonly limit: number;
  readonly answer: (updates: Update[]) => void;
  readonly fail: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** getUpdates of one bot: at most one poll waits, and the newer one wins. */
export class LongPolling {
  private waiting: WaitingPoll | undefined;
  private waking = false;
  private confirmed = 0;
  private last = { offset: Number.NaN, at: -Infinity };
  private nextConflictAt = -Infinity;
  private readonly stopping = new AbortController();

  constructor(
    private readonly queue: UpdateQueue,
    private readonly conditions: LongPollingConditions,
  ) {}

  /** The last offset that getUpdates named and the server believed; 0 before the first. */
  get confirmedOffset(): number {
    return this.confirmed;
  }

  /** Updates from `offset` on, at once or within `timeout` seconds; 409 when another poll or a webhook takes over. */
  async getUpdates(offset: number, limit: number, timeout: number): Promise<Update[]> {
    const braked = this.brake(offset, limit, timeout);
    const updates = this.read(offset, braked.limit);
    return updates.length > 0 || braked.timeout === 0 ? updates : this.wait(offset, braked.limit, braked.timeout);
  }

  /** Answers the waiting poll soon, not at once: what comes together is answered together. */
  wake(): void {
    if (!this.waiting || this.waking) return;
    this.waking = true;
    setImmediate(() => {
      this.waking = false;
      this.answer();
    });
  }

  /** Answers the waiting poll with 409. */
  terminate(reason: string): void {
    const poll = this.takeWaiting();
    if (poll) void this.conflictError(reason).then(poll.fail, poll.fail);
  }

  /** A 409; a second one within 3 seconds comes 3 seconds late. */
  async conflictError(reason: string): Promise<BotApiError> {
    const now = this.conditions.now();
    if (this.conditions.brakes && now < this.nextConflictAt) {
      await sleep(CONFLICT_PAUSE_MS, undefined, { signal: this.stopping.signal, ref: false });
    } else {
      this.nextConflictAt = now + CONFLICT_PAUSE_MS;
    }
    return conflict(reason);
  }

  stop(): void {
    this.stopping.abort();
    this.takeWaiting();
  }

  /** The same offset again within 3 seconds waits at least 3; within half a second it gets one update at a time. */
  private brake(offset: number, limit: number, timeout: number): { limit: number; timeout: number } {
    const now = this.conditions.now();
    const since = this.conditions.brakes && offset === this.last.offset ? now - this.last.at : Infinity;
    this.last = { offset, at: now };
    return {
      limit: since < HASTY_POLL_MS ? 1 : limit,
      timeout: since < REPEATED_POLL_MS ? Math.max(timeout, REPEATED_POLL_MS / 1000) : timeout,
    };
  }

  private read(offset: number, limit: number): Update[] {
    this.queue.expire(Math.floor(this.conditions.now() / 1000));
    const { updates, from } = this.queue.read(offset, limit);
    if (offset < 0 || offset === from) this.confirmed = from;
    return updates;
  }

  private wait(offset: number, limit: number, timeout: number): Promise<Update[]> {
    this.terminate('terminated by other getUpdates request; make sure that only one bot instance is running');
    return new Promise((answer, fail) => {
      const timer = setTimeout(() => this.answer(), timeout * 1000);
      this.waiting = { offset, limit, answer, fail, timer };
    });
  }

  private answer(): void {
    const poll = this.takeWaiting();
    poll?.answer(this.read(poll.offset, poll.limit));
  }

  private takeWaiting(): WaitingPoll | undefined {
    const poll = this.waiting;
    this.waiting = undefined;
    clearTimeout(poll?.timer);
    return poll;
  }
}
