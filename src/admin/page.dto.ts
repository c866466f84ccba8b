import type { Type } from '@nestjs/common';
import { ApiProperty } from '@nestjs/swagger';
import type { Page } from '../common/cursor.js';

/** One of our ids, as the API's document describes it. */
export const ApiId = () => ApiProperty({ type: String, pattern: '^\\d+$', example: '42' });

/** A whole number that is not negative, as the API's document describes it. */
export const ApiCount = () => ApiProperty({ type: 'integer', minimum: 0 });

/** A page of a list as the API's document describes it. */
export function PageOf<Item>(ItemClass: Type<Item>): Type<Page<Item>> {
  class ItemPage implements Page<Item> {
    /** Newest first. */
    @ApiProperty({ type: [ItemClass], description: 'Newest first.' })
    items: Item[];

    /** Null on the last page. */
    @ApiProperty({ type: String, nullable: true, description: '`cursor` of the next page; null on the last one.' })
    nextCursor: string | null;
  }
  return ItemPage;
}
