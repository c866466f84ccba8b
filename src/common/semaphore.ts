/** Gives back what was acquired; may be called again without effect. */
export type Release = () => void;

/**
 * A number of permits, given out first come, first served. A caller that finds none waits in a queue of bounded length
 * for a bounded time. (p-queue and p-limit bound neither, and cannot take a permit only if one is free now.)
 */
export class Semaphore {
  private held = 0;
  private readonly queue = new Set<() => void>();

  constructor(
    private readonly permits: number,
    /** How many may wait. */
    private readonly maxQueued = 0,
  ) {}

  get isIdle(): boolean {
    return this.held === 0;
  }

  /** Takes a permit that is free now, and answers how to give it back; null: there is none. */
  tryAcquire(): Release | null {
    if (this.held >= this.permits) return null;
    this.held++;
    let isHeld = true;
    return () => {
      if (isHeld) this.release();
      isHeld = false;
    };
  }

  /**
   * Holds a permit until `over` is aborted. False: there was none within `timeoutMs` milliseconds, too many wait, or it
   * was over before.
   */
  async acquire(timeoutMs: number, over: AbortSignal): Promise<boolean> {
    if (over.aborted) return false;
    if (this.held < this.permits) this.held++;
    else if (!(await this.wait(timeoutMs, over))) return false;
    over.addEventListener('abort', () => this.release(), { once: true });
    // A permit that was handed over at the very end goes on to the next.
    if (over.aborted) this.release();
    return !over.aborted;
  }

  /** Runs the work with a permit; waits for one as long as it takes, however many wait. */
  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.held < this.permits) this.held++;
    else await new Promise<void>((resolve) => this.enqueue(resolve));
    try {
      return await work();
    } finally {
      this.release();
    }
  }

  private enqueue(granted: () => void): void {
    const grant = () => {
      this.queue.delete(grant);
      granted();
    };
    this.queue.add(grant);
  }

  private wait(timeoutMs: number, over: AbortSignal): Promise<boolean> {
    if (this.queue.size >= this.maxQueued) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (acquired: boolean) => {
        this.queue.delete(grant);
        clearTimeout(timer);
        over.removeEventListener('abort', giveUp);
        resolve(acquired);
      };
      const grant = () => end(true);
      const giveUp = () => end(false);
      const timer = setTimeout(giveUp, timeoutMs);
      over.addEventListener('abort', giveUp);
      this.queue.add(grant);
    });
  }

  private release(): void {
    const [next] = this.queue;
    if (next) next();
    else this.held--;
  }
}
