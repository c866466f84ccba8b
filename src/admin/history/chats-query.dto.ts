import { ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { emptyIsAbsent, IsOneOf, IsWords, ListQuery, PlaceFilter } from '../admin.dto.js';

/** Which chats. */
export class ChatsQuery extends IntersectionType(ListQuery, PlaceFilter) {
  /** Substring of title, user name or external id, in either case. */
  @ApiPropertyOptional({ type: String, maxLength: 200 })
  @IsWords()
  q?: string;

  /** An item's `source` or `lastSource`, as it stands. */
  @ApiPropertyOptional({ type: String, pattern: '^[A-Za-z0-9_-]{1,64}$', example: 'ads_may' })
  @emptyIsAbsent()
  @IsOptional()
  @Matches(/^[\w-]{1,64}$/, { message: 'source must be the payload of a link: 1 to 64 of A-Z, a-z, 0-9, _ and -' })
  source?: string;

  @ApiPropertyOptional({ enum: ['active', 'blocked'] })
  @IsOneOf(['active', 'blocked'])
  state?: 'active' | 'blocked';

  /** Has this tag. */
  @ApiPropertyOptional({ type: String, maxLength: 50 })
  @IsWords()
  tag?: string;

  /** `activity`: those in which somebody wrote last come first; otherwise those that began last. */
  @ApiPropertyOptional({ enum: ['created', 'activity'], default: 'created' })
  @IsOneOf(['created', 'activity'])
  sort?: 'created' | 'activity';
}
