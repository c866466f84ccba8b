import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsInt, IsNumber, IsOptional, Max, Min, ValidateIf } from 'class-validator';
import { IsLineId } from '../admin.dto.js';

/** An open line of the portal. */
export class LineBody {
  @ApiProperty({ type: String, example: '1' })
  @IsLineId()
  lineId: string;
}

/** An open line of the portal, or all that have our connector. */
export class LineQuery {
  @ApiPropertyOptional({ type: String, example: '1' })
  @IsOptional()
  @IsLineId()
  lineId?: string;
}

const RATE = 'requestsPerSecond must be a number from 0.1 to 1000, or null';
const BURST = 'requestBurst must be a whole number from 1 to 10000, or null';
const RETENTION = 'retentionDays must be a whole number of days from 1 to 3650, or null';

/** What is to change about a portal; what is left out stays. */
export class PortalChangeBody {
  /** Messages are erased after so many days, with all that hangs on them; null: they are kept for ever. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 3_650, nullable: true })
  @ValidateIf(({ retentionDays }: PortalChangeBody) => retentionDays !== null && retentionDays !== undefined)
  @IsInt({ message: RETENTION })
  @Min(1, { message: RETENTION })
  @Max(3_650, { message: RETENTION })
  retentionDays?: number | null;

  /** REST requests a second that the portal takes (an Enterprise plan 5, a box what it can); null: as for all portals. */
  @ApiPropertyOptional({ type: 'number', minimum: 0.1, maximum: 1_000, nullable: true })
  @ValidateIf(
    ({ requestsPerSecond }: PortalChangeBody) => requestsPerSecond !== null && requestsPerSecond !== undefined,
  )
  @IsNumber({}, { message: RATE })
  @Min(0.1, { message: RATE })
  @Max(1_000, { message: RATE })
  requestsPerSecond?: number | null;

  /** REST requests that the portal takes at once (an Enterprise plan 250); null: as for all portals. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 10_000, nullable: true })
  @ValidateIf(({ requestBurst }: PortalChangeBody) => requestBurst !== null && requestBurst !== undefined)
  @IsInt({ message: BURST })
  @Min(1, { message: BURST })
  @Max(10_000, { message: BURST })
  requestBurst?: number | null;
}
