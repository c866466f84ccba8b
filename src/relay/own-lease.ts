import { LEASE_SECONDS } from '../storage/work/endpoints.repository.js';
import type { Lease } from '../storage/work/lease.js';
import type { HeldLease } from './endpoint-driver.js';

/** A lease of this process, as it stands by our own clock. */
export class OwnLease implements HeldLease {
  private readonly controller = new AbortController();
  private until: number;

  /** @param since when it was asked for, by `performance.now()` */
  constructor(
    readonly lease: Lease,
    readonly since: number,
  ) {
    this.until = since + LEASE_SECONDS * 1_000;
  }

  /** Counted from before the request that prolonged it, by a clock that also runs while the process is frozen. */
  prolong(since: number): void {
    this.until = since + LEASE_SECONDS * 1_000;
  }

  get held(): boolean {
    return !this.signal.aborted && performance.now() < this.until;
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  end(): void {
    this.controller.abort();
  }
}
