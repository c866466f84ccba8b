/** Lets so many in at once; who comes later waits in line, first come, first served. */
export class Semaphore {
  private inside = 0;
  private readonly line = new Set<() => void>();

  constructor(
    private readonly places: number,
    /** How many may wait. */
    private readonly longestLine = 0,
  ) {}

  get isEmpty(): boolean {
    return this.inside === 0;
  }

  /** Takes a place that is free now, and answers how to give it back, once; null: there is none. */
  tryEnter(): (() => void) | null {
    if (this.inside >= this.places) return null;
    this.inside++;
    return () => this.leave();
  }

  /**
   * Holds a place until `over`. False: there was none within `waitMs` milliseconds, the line is too long, or it was
   * over before.
   */
  async enter(waitMs: number, over: AbortSignal): Promise<boolean> {
    if (over.aborted) return false;
    if (this.inside < this.places) this.inside++;
    else if (!(await this.wait(waitMs, over))) return false;
    over.addEventListener('abort', () => this.leave(), { once: true });
    // A place that was handed over at the very end goes on to the next.
    if (over.aborted) this.leave();
    return !over.aborted;
  }

  private wait(waitMs: number, over: AbortSignal): Promise<boolean> {
    if (this.line.size >= this.longestLine) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (entered: boolean) => {
        this.line.delete(enter);
        clearTimeout(timer);
        over.removeEventListener('abort', giveUp);
        resolve(entered);
      };
      const enter = () => end(true);
      const giveUp = () => end(false);
      const timer = setTimeout(giveUp, waitMs);
      over.addEventListener('abort', giveUp);
      this.line.add(enter);
    });
  }

  private leave(): void {
    const [next] = this.line;
    if (next) next();
    else this.inside--;
  }
}
