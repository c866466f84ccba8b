import { setTimeout as pause } from 'node:timers/promises';

export interface LoopOptions {
  /** Never rejects for what is expected; what it throws goes to `onError`, and the loop goes on. */
  look: () => Promise<void>;
  onError: (error: unknown) => void;
  /** From the end of one look to the next, unless somebody wakes the loop; milliseconds. */
  everyMs: number;
  /** The least of that, even when woken: what comes meanwhile shares the next look. */
  gatherMs?: number;
}

/** Looks for work again and again, at once when woken. Keeps no process alive. */
export class WakeableLoop {
  private readonly stopping = new AbortController();
  private woken = new AbortController();
  private running: Promise<void> | undefined;

  constructor(private readonly options: LoopOptions) {}

  start(): void {
    this.running = this.run();
  }

  /** The next look is due now; one that is under way is followed by another. */
  wake(): void {
    this.woken.abort();
  }

  /** Aborted by {@link stop}. */
  get signal(): AbortSignal {
    return this.stopping.signal;
  }

  /** Begins no more looks. Resolves when none is under way. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    const { look, onError, everyMs, gatherMs = 0 } = this.options;
    const { signal } = this.stopping;
    while (!signal.aborted) {
      this.woken = new AbortController();
      try {
        await look();
      } catch (error) {
        onError(error);
      }
      await pause(gatherMs, undefined, { signal, ref: false }).catch(() => undefined);
      const early = AbortSignal.any([signal, this.woken.signal]);
      await pause(everyMs - gatherMs, undefined, { signal: early, ref: false }).catch(() => undefined);
    }
  }
}

/** Waits for work that is under way when the process ends, but no longer than `limitMs`. */
export async function drain(underWay: Iterable<Promise<unknown> | undefined>, limitMs: number): Promise<void> {
  await Promise.race([
    Promise.allSettled([...underWay].filter((work) => work !== undefined)),
    pause(limitMs, undefined, { ref: false }),
  ]);
}
