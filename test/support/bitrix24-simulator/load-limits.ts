import { RestError } from './rest-error.js';
import type { VirtualClock } from './virtual-clock.js';

export interface LimitSettings {
  /** Size of the leaky bucket in requests: 50, Enterprise 250 (https://apidocs.bitrix24.com/limits.html). */
  capacity: number;
  /** Requests that leave the bucket per second: 2, Enterprise 5. */
  drainPerSecond: number;
  /** Execution seconds one method of one application may use in ten minutes: 480 in the cloud. */
  operatingSeconds: number;
  /** Multiplies the execution time that is charged, to reach the limit quickly. */
  operatingScale: number;
}

export const STANDARD_LIMITS: LimitSettings = {
  capacity: 50,
  drainPerSecond: 2,
  operatingSeconds: 480,
  operatingScale: 1,
};
export const ENTERPRISE_LIMITS: LimitSettings = { ...STANDARD_LIMITS, capacity: 250, drainPerSecond: 5 };

/** Calls of 0.1 s or less are not counted. */
const COUNTED_FROM_SECONDS = 0.1;
const WINDOW_MS = 600_000;
const SLICE_MS = 60_000;

interface Slice {
  from: number;
  seconds: number;
}

/** The two limits of one portal: requests per source IP, and execution time per application and method. */
export class LoadLimits {
  /** Requests refused with QUERY_LIMIT_EXCEEDED. */
  rejectedByBucket = 0;
  /** Calls refused with OPERATION_TIME_LIMIT. */
  rejectedByOperating = 0;
  private readonly buckets = new Map<string, { level: number; at: number }>();
  private readonly slices = new Map<string, Slice[]>();

  /** `settings` null: no limits. */
  constructor(
    private readonly clock: VirtualClock,
    public settings: LimitSettings | null,
  ) {}

  /** Pours one request into the bucket of `ip`; a full bucket answers 503. */
  admit(ip: string): void {
    if (this.settings === null) return;
    const now = this.clock.now();
    const bucket = this.buckets.get(ip) ?? { level: 0, at: now };
    bucket.level = Math.max(0, bucket.level - ((now - bucket.at) / 1000) * this.settings.drainPerSecond);
    bucket.at = now;
    this.buckets.set(ip, bucket);
    if (bucket.level + 1 > this.settings.capacity) {
      this.rejectedByBucket += 1;
      throw new RestError(503, 'QUERY_LIMIT_EXCEEDED', 'Too many requests');
    }
    bucket.level += 1;
  }

  /** Refuses the call with 429 when its method has used up the execution time; asked before the call. */
  checkOperating(clientId: string, method: string): void {
    if (this.settings === null) return;
    if (sum(this.recent(clientId, method)) <= this.settings.operatingSeconds) return;
    this.rejectedByOperating += 1;
    throw new RestError(429, 'OPERATION_TIME_LIMIT', 'Method is blocked due to operation time limit.');
  }

  /** Books `seconds` of execution and returns the two fields of the `time` block (none without limits). */
  charge(clientId: string, method: string, seconds: number): { operating_reset_at?: number; operating?: number } {
    if (this.settings === null) return {};
    const slices = this.recent(clientId, method);
    const counted = seconds * this.settings.operatingScale;
    if (counted > COUNTED_FROM_SECONDS) this.book(slices, counted);
    const oldest = slices[0]?.from ?? this.clock.now();
    return { operating_reset_at: Math.floor((oldest + WINDOW_MS) / 1000), operating: sum(slices) };
  }

  private book(slices: Slice[], seconds: number): void {
    const now = this.clock.now();
    const last = slices.at(-1);
    if (last !== undefined && now - last.from < SLICE_MS) last.seconds += seconds;
    else slices.push({ from: now, seconds });
  }

  private recent(clientId: string, method: string): Slice[] {
    const key = `${clientId}|${method}`;
    const since = this.clock.now() - WINDOW_MS;
    const slices = (this.slices.get(key) ?? []).filter((slice) => slice.from > since);
    this.slices.set(key, slices);
    return slices;
  }
}

function sum(slices: Slice[]): number {
  return slices.reduce((total, slice) => total + slice.seconds, 0);
}
