/**
 * A value that is made when somebody asks for it, by one call for all who ask meanwhile, and kept for a while.
 * A failure is thrown to all of them and not kept.
 */
export class Cached<Value> {
  private current: Promise<Value> | undefined;
  private keptUntil = 0;

  /** @param keptMs how long a value is kept once it is made; milliseconds. */
  constructor(
    private readonly make: () => Promise<Value>,
    private readonly keptMs: number,
    private readonly now: () => number = () => performance.now(),
  ) {}

  get(): Promise<Value> {
    if (this.current && this.now() < this.keptUntil) return this.current;
    this.keptUntil = Number.POSITIVE_INFINITY;
    this.current = this.make().then(
      (value) => {
        this.keptUntil = this.now() + this.keptMs;
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
