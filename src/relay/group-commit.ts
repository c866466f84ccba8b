import { isStorageUnavailable } from '../common/storage-unavailable.js';

/**
 * Requests that arrive together are committed together: while one commit runs, the next ones gather. Each caller's
 * promise settles with the commit that holds its items, never earlier.
 */
export class GroupCommit<Item> {
  private waiting: { item: Item; resolve: () => void; reject: (reason: unknown) => void }[] = [];
  private running = 0;

  /**
   * @param commit    commits all items or none
   * @param maxItems  most items of one commit
   * @param parallel  commits that may run at the same time
   */
  constructor(
    private readonly commit: (items: Item[]) => Promise<unknown>,
    private readonly maxItems = 100,
    private readonly parallel = 2,
  ) {}

  /** Resolves after the commit; rejects with its error, in which case the item is not kept. */
  add(item: Item): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      if (this.running < this.parallel) void this.drain();
    });
  }

  private async drain(): Promise<void> {
    this.running++;
    // Let everything that this turn of the event loop brings join the first commit.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0, this.maxItems);
      try {
        await this.commit(batch.map(({ item }) => item));
        for (const { resolve } of batch) resolve();
      } catch (error) {
        if (batch.length > 1 && !isStorageUnavailable(error)) await this.oneByOne(batch);
        else for (const { reject } of batch) reject(error);
      }
    }
    this.running--;
  }

  /** One bad item must not refuse its neighbours. Once the database is away, they need not be tried. */
  private async oneByOne(batch: typeof this.waiting): Promise<void> {
    let away: unknown;
    for (const { item, resolve, reject } of batch) {
      if (away) reject(away);
      else {
        await this.commit([item]).then(
          () => resolve(),
          (error: unknown) => {
            if (isStorageUnavailable(error)) away = error;
            reject(error);
          },
        );
      }
    }
  }
}
