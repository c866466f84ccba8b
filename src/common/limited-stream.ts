import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';

/** What a stream from outside may cost whoever reads it. */
export interface StreamLimits {
  maxBytes: number;
  /** So many bytes have to come within so many milliseconds, again and again. */
  pace: { bytes: number; withinMs: number };
  /** For all of it, in milliseconds. */
  totalMs: number;
}

/** Why a stream was cut. */
export class StreamLimitError extends Error {
  override readonly name = 'StreamLimitError';
  constructor(readonly limit: 'too_large' | 'too_slow') {
    super(limit);
  }
}

/**
 * The same bytes, as fast as they are read, until a limit is reached: then both streams are destroyed. Whatever goes
 * wrong with either comes out as what `errorOf` makes of it.
 */
export function limitStream(source: Readable, limits: StreamLimits, errorOf: (cause: Error) => Error): Readable {
  const limited = new LimitedStream(limits, errorOf);
  // The error is the reader's: it comes out of the stream.
  pipeline(source, limited, () => undefined);
  return limited;
}

class LimitedStream extends Transform {
  private passed = 0;
  private passedBefore = 0;
  private readonly pace: NodeJS.Timeout;
  private readonly total: NodeJS.Timeout;

  constructor(
    private readonly limits: StreamLimits,
    private readonly errorOf: (cause: Error) => Error,
  ) {
    super();
    this.pace = setInterval(() => this.checkPace(), limits.pace.withinMs);
    this.total = setTimeout(() => this.destroy(new StreamLimitError('too_slow')), limits.totalMs);
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.passed += chunk.length;
    if (this.passed > this.limits.maxBytes) done(new StreamLimitError('too_large'));
    else done(null, chunk);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    clearInterval(this.pace);
    clearTimeout(this.total);
    done(error && this.errorOf(error));
  }

  private checkPace(): void {
    if (this.passed - this.passedBefore < this.limits.pace.bytes) this.destroy(new StreamLimitError('too_slow'));
    this.passedBefore = this.passed;
  }
}
