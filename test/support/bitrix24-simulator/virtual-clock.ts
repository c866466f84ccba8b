/** The portal's clock: real time plus an offset, so that a test can jump an hour (access token) or 180 days (refresh token). */
export class VirtualClock {
  private offset = 0;

  /** Unix time in milliseconds. */
  now(): number {
    return Date.now() + this.offset;
  }

  /** Unix time in whole seconds, as Bitrix24 writes `ts` and `expires`. */
  seconds(): number {
    return Math.floor(this.now() / 1000);
  }

  /** Moves the clock forward by `ms`; timers that are already running do not notice. */
  advance(ms: number): void {
    this.offset += ms;
  }
}
