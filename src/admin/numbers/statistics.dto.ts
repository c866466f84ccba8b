import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, Max, Min } from 'class-validator';
import { IsId, IsTime, TIME } from '../admin.dto.js';

const STEP = 'step must be a whole number of seconds from 1 to 86400';

/** What is counted, and how finely. */
export class StatisticsParameters {
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

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  bot?: string;
}
