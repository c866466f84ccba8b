/** One line of the result. */
export interface Figure {
  /** Name of the measure, e.g. `P1`; several figures may share it. */
  id: string;
  what: string;
  value: number;
  unit: string;
  /** Milliseconds. */
  latency?: Latency;
  /** The same by the simplest means, measured in the same run on the same machine. */
  baseline?: { what: string; value: number; latency?: Latency };
  target?: Target;
  /** Milliseconds of CPU that one unit of work cost; null where the machine does not tell. */
  cpuMsEach?: { program: number; postgres: number } | null;
  /** Units of work that were measured. */
  count?: number;
}

export interface Latency {
  p50: number;
  p95: number;
  p99: number;
}

/**
 * What the figure has to reach: at least or at most `value`, at least so many times the baseline, and a p50 or p99 of
 * at most so many milliseconds.
 */
export interface Target {
  atLeast?: number;
  atMost?: number;
  timesBaseline?: number;
  p50?: number;
  p99?: number;
}

/** Percentiles by the nearest-rank method. */
export function latencyOf(samples: readonly number[]): Latency {
  const sorted = [...samples].sort((a, b) => a - b);
  const rank = (share: number) => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
  return { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) };
}

/** The middle of an odd number of samples. */
export function median(samples: readonly number[]): number {
  return latencyOf(samples).p50;
}

/** Undefined: there is no target. */
export function meets(figure: Figure): boolean | undefined {
  const { value, latency, target } = figure;
  if (!target) return undefined;
  const ratio = ratioOf(figure);
  // A baseline of nothing is no measure.
  if (ratio !== undefined && !Number.isFinite(ratio)) return false;
  const { atLeast = -Infinity, atMost = Infinity, timesBaseline = 0, p50 = Infinity, p99 = Infinity } = target;
  return (
    value >= atLeast &&
    value <= atMost &&
    (ratio ?? Infinity) >= timesBaseline &&
    (latency?.p50 ?? 0) <= p50 &&
    (latency?.p99 ?? 0) <= p99
  );
}

/** How many times the baseline; undefined: there is none. */
export function ratioOf({ value, baseline }: Figure): number | undefined {
  return baseline && value / baseline.value;
}
