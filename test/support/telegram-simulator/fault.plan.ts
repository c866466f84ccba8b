import type { SimulatedBot } from './simulated.bot.js';

/**
 * Something that goes wrong with a call. What is not said to be performed is not performed.
 * - `status`: this answer instead of Telegram's; an object becomes JSON, a string is sent as it is
 * - `tooManyRequests`: 429 with so many seconds to wait
 * - `dropBefore`, `dropAfter`: the socket dies, before or after the call was performed
 * - `gateway`: the HTML page of a proxy or relay; `performed` says whether the call went through
 * - `delayMs`: the call is performed at once and answered late
 */
export type Fault =
  | { status: number; body?: unknown; headers?: Record<string, string> }
  | { tooManyRequests: number }
  | 'dropBefore'
  | 'dropAfter'
  | { gateway: number; performed: boolean; title?: string; headers?: Record<string, string> }
  | { delayMs: number };

export type FaultMatch = (params: Readonly<Record<string, unknown>>, bot: SimulatedBot) => boolean;

interface PlannedFault<F> {
  readonly method: string;
  readonly fault: F;
  readonly match: FaultMatch;
  left: number;
}

/** Faults that wait for the calls they are meant for, in the order they were planned. */
export class FaultPlan<F = Fault> {
  private planned: PlannedFault<F>[] = [];

  /** Lets the next `times` calls of `method` (`*`: any) that `match` go wrong. */
  next(method: string, fault: F, times = 1, match: FaultMatch = () => true): void {
    this.planned.push({ method: method.toLowerCase(), fault, match, left: times });
  }

  clear(): void {
    this.planned = [];
  }

  /** Faults that have not happened yet. */
  get pending(): number {
    return this.planned.reduce((sum, { left }) => sum + left, 0);
  }

  take(method: string, params: Readonly<Record<string, unknown>>, bot: SimulatedBot): F | undefined {
    if (this.planned.length === 0) return undefined;
    const hit = this.planned.find((plan) => (plan.method === '*' || plan.method === method) && plan.match(params, bot));
    if (!hit) return undefined;
    hit.left -= 1;
    if (hit.left <= 0) this.planned = this.planned.filter((plan) => plan !== hit);
    return hit.fault;
  }
}
