import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional } from 'class-validator';
import { AnswerItem } from '../../crm/answers/answers.dto.js';
import { IsId, IsLineId, ListQuery } from '../admin.dto.js';
import type { Page } from '../../common/cursor.js';

/** Which page of which ready answers. */
export class AnswersQuery extends ListQuery {
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  /** Those of this open line and those of every line. */
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsLineId()
  line?: string;
}

/** A page of ready answers. */
export class AnswerPage implements Page<AnswerItem> {
  @ApiProperty({ type: [AnswerItem], description: 'Portal by portal, in the order that people gave them.' })
  items: AnswerItem[];

  /** Null on the last page. */
  nextCursor: string | null;
}
