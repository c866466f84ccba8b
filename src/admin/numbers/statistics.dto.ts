import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { IsTime, PlaceFilter, TIME } from '../admin.dto.js';
import { ApiCount } from '../page.dto.js';

const STEP = 'step must be a whole number of seconds from 1 to 86400';

/** What is counted, and how finely. */
export class StatisticsParameters extends PlaceFilter {
  /** Earliest `createdAt`; default: 24 hours before `to`. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  from?: string;

  /** The `createdAt` before which it ends; default: now. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  to?: string;

  /** Seconds of one item; default: so many that there are 96 items at most. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 86_400 })
  @Transform(({ value }: { value: unknown }) => (value === '' || value === undefined ? undefined : Number(value)))
  @IsOptional()
  @IsInt({ message: STEP })
  @Min(1, { message: STEP })
  @Max(86_400, { message: STEP })
  step?: number;
}

/** Milliseconds from stored to delivered, right within 1 %. */
export class Latency {
  p50: number;
  p95: number;
}

/** Messages that were stored within one step, which begins at `at`. */
export class StatisticsItem {
  at: Date;

  @ApiCount()
  inbound: number;

  @ApiCount()
  outbound: number;

  @ApiCount()
  failed: number;

  @ApiCount()
  uncertain: number;
  inboundLatencyMs: Latency | null;
  outboundLatencyMs: Latency | null;
}

export class Statistics {
  from: Date;
  to: Date;

  @ApiCount()
  stepSeconds: number;
  items: StatisticsItem[];
}
