import { applyDecorators } from '@nestjs/common';
import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsIn,
  IsInt,
  isISO8601,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
} from 'class-validator';
import { ID } from '../common/cursor.js';

/** `?state=` without a value means the same as no `state` at all. */
export const emptyIsAbsent = () => Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value));
/** Ids are decimal strings; JSON numbers are taken too. */
const numberIsText = () =>
  Transform(({ value }: { value: unknown }) =>
    Number.isSafeInteger(value) ? String(value) : value === '' ? undefined : value,
  );

/** An id of ours, as a decimal string. */
export const IsId = () => applyDecorators(numberIsText(), Matches(ID, { message: '$property must be an id (digits)' }));

/** An id in a query or a body that may be left out. */
export const OptionalId = () => applyDecorators(ApiPropertyOptional({ type: String }), IsOptional(), IsId());

/** The number of an open line in Bitrix24. */
export const IsLineId = () =>
  applyDecorators(
    numberIsText(),
    Matches(/^\d{1,10}$/, { message: '$property must be the number of an open line (digits)' }),
  );

/** One of these values, or nothing. */
export const IsOneOf = (values: readonly string[]) =>
  applyDecorators(
    emptyIsAbsent(),
    IsOptional(),
    IsIn(values, { message: `$property must be one of ${values.join(', ')}` }),
  );

/** One value or several, comma-separated. */
export const AreSomeOf = (values: readonly string[], example: readonly string[]) =>
  applyDecorators(
    ApiPropertyOptional({
      type: String,
      pattern: `^(${values.join('|')})(,(${values.join('|')}))*$`,
      example: example.join(','),
    }),
    Transform(({ value }: { value: unknown }) => {
      if (typeof value === 'string') return value === '' ? undefined : value.split(',');
      return value === undefined ? undefined : [value];
    }),
    IsOptional(),
    IsIn(values, { each: true, message: `$property must be one or more of ${values.join(', ')}, comma-separated` }),
  );

/** `1` or `0`; absent means 0. */
export const IsFlag = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      value === '' || value === '0' ? undefined : value === '1' || value === 'true' ? true : value,
    ),
    IsOptional(),
    IsIn([true, false], { message: '$property must be 1 or 0' }),
  );

/** What a person types into a search field. */
export const IsWords = () =>
  applyDecorators(
    emptyIsAbsent(),
    IsOptional(),
    IsString({ message: '$property must be a text, given once' }),
    MaxLength(200, { message: '$property must not be longer than 200 characters' }),
    Matches(/^[^\0]*$/, { message: '$property must not contain U+0000' }),
  );

/** A moment, as ISO 8601. */
export const IsTime = () =>
  applyDecorators(
    emptyIsAbsent(),
    IsOptional(),
    ValidateBy(
      {
        name: 'isTime',
        // ISO 8601 has forms that JavaScript does not read: weeks, hours alone.
        validator: { validate: (value) => isISO8601(value, { strict: true }) && !Number.isNaN(Date.parse(value)) },
      },
      { message: '$property must be a time such as 2026-11-22T09:30:00Z' },
    ),
  );

export const TIME = { type: String, format: 'date-time' };

/** Which page of a list. */
export class ListQuery {
  /** Items per page. */
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 200, default: 50 })
  @Transform(({ value }: { value: unknown }) => (value === '' || value === undefined ? 50 : Number(value)))
  @IsInt({ message: 'limit must be a whole number from 1 to 200' })
  @Min(1, { message: 'limit must be at least 1' })
  @Max(200, { message: 'limit must be at most 200' })
  limit: number = 50;

  /** `nextCursor` of the page before. */
  @ApiPropertyOptional({ type: String })
  @emptyIsAbsent()
  @IsOptional()
  @IsString({ message: 'cursor must be a text, given once' })
  cursor?: string;
}

/** Only what concerns this portal, this bot or both. */
export class PlaceFilter {
  @OptionalId()
  portal?: string;

  @OptionalId()
  bot?: string;
}

/** Only what concerns this chat, portal or bot. */
export class ChatFilter extends PlaceFilter {
  /** An item's `chatId`. */
  @OptionalId()
  chat?: string;
}

/** When it was stored. */
export class TimeFilter {
  /** Earliest `createdAt`. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  from?: string;

  /** Latest `createdAt`. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  to?: string;
}
