/**
 * A value that is made when somebody asks for it, by one call for all who ask meanwhile, and kept for a while.
 * A failure is thrown to all of them and not kept.
 */
export class Cached<Value> {
  private current: Promise<Value> | undefined;
  private keptUntil = 0;

  /** @param keepMs how long a value is kept, from how long it took to make; milliseconds. */
  constructor(
    private readonly make: () => Promise<Value>,
    private readonly keepMs: (costMs: number) => number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get(): Promise<Value> {
    if (this.current && this.now() < this.keptUntil) return this.current;
    const started = this.now();
    this.keptUntil = Number.POSITIVE_INFINITY;
    this.current = this.make().then(
      (value) => {
        this.keptUntil = this.now() + this.keepMs(this.now() - started);
        return value;
      },
      (error: unknown) => {
        this.keptUntil = 0;
        throw error;
      },
    );
    return this.current;
  }
}
