/** A sleep that ends early when somebody wakes the sleeper; being woken while awake makes the next sleep none. */
export class Alarm {
  private end: (() => void) | null = null;
  private woken = false;

  wake(): void {
    this.woken = true;
    this.end?.();
  }

  /** Wake-ups so far are heeded: only later ones count. */
  reset(): void {
    this.woken = false;
  }

  sleep(ms: number): Promise<void> {
    if (this.woken) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.end = null;
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.end = done;
    });
  }
}
