import { ApiProperty } from '@nestjs/swagger';
import { IsIn } from 'class-validator';
import { PlacedMessagesFilter } from './message-filters.dto.js';

const EXPORT_FORMATS = ['ndjson', 'csv'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Which messages are exported, and as what. */
export class ExportQuery extends PlacedMessagesFilter {
  /** `ndjson`: an item of `/admin/messages` on each line; `csv`: a table for spreadsheets. */
  @ApiProperty({ enum: EXPORT_FORMATS })
  @IsIn(EXPORT_FORMATS, { message: `format must be one of ${EXPORT_FORMATS.join(', ')}` })
  format: ExportFormat;
}
