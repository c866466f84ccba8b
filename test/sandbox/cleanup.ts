/** What has to be undone, whatever happens: the last thing begun is ended first, each once. */
export class Cleanup {
  private readonly steps: (() => Promise<unknown> | void)[] = [];
  private running: Promise<void> | undefined;

  /** What is begun when everything was ended already is ended at once. */
  add(step: () => Promise<unknown> | void): void {
    this.steps.push(step);
    if (this.running) this.running = this.running.then(() => this.undo());
  }

  /** True once {@link run} was called: nothing new should be begun. */
  get begun(): boolean {
    return this.running !== undefined;
  }

  /** Ends everything; a second call waits for the first. A step that fails does not keep the others from running. */
  run(): Promise<void> {
    this.running ??= this.undo();
    return this.running;
  }

  private async undo(): Promise<void> {
    for (let step = this.steps.pop(); step; step = this.steps.pop()) {
      try {
        await step();
      } catch (error) {
        process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
      }
    }
  }
}
