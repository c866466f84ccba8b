import { setTimeout as sleep } from 'node:timers/promises';
import { bitrixProblem } from './bitrix-problems.js';
import type { RateLimiter } from './rate-limiter.js';
import type { CallOptions } from './rest.types.js';

/** Whoever would queue at the portal's bucket for longer is turned away instead. */
const MAX_WAIT_MS = 20_000;

/** A call that yields lets others go first for this long, then takes its turn. */
const YIELDS_MS = 1_000;

/** A call's place in the portal's bucket, brought by the caller or taken here: one for each request that leaves. */
export class RequestPermit {
  private held: boolean;

  constructor(
    private readonly limiter: RateLimiter,
    private readonly portalId: bigint,
    private readonly options: Pick<CallOptions, 'permit' | 'yields'> = {},
  ) {
    this.held = options.permit ?? false;
  }

  /** Waits until a request may leave. Throws `LOCAL_QUEUE_FULL` when that would take too long. */
  async ready(): Promise<void> {
    if (!this.held) await this.take();
  }

  /** A request leaves; the next one needs another place. */
  use(): void {
    this.held = false;
  }

  async giveBack(): Promise<void> {
    if (this.held) await this.limiter.release(this.portalId, 1);
    this.held = false;
  }

  private async take(): Promise<void> {
    if (this.options.yields && (await this.limiter.waitForSpare(this.portalId, YIELDS_MS))) {
      this.held = true;
      return;
    }
    const wait = await this.limiter.reserve(this.portalId);
    this.held = true;
    if (wait > MAX_WAIT_MS) {
      throw bitrixProblem('LOCAL_QUEUE_FULL', "the portal's request limit is used up", {
        retryAfterMs: wait - MAX_WAIT_MS,
      });
    }
    if (wait > 0) await sleep(wait);
  }
}
