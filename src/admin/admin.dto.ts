import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, IntersectionType } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import {
  IsIn,
  IsInt,
  IsNumber,
  isISO8601,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateBy,
  ValidateIf,
} from 'class-validator';
import { type ApiKind, areApiRoots } from '../config/environment.js';
import { ID } from './cursor.js';

export const SHOWN_STATES = ['queued', 'sending', 'delivered', 'failed', 'uncertain', 'ignored'] as const;
export const REPLAYABLE_STATES = ['failed', 'uncertain'] as const;
export const RESOLVED_STATES = ['delivered', 'failed'] as const;
export const DIRECTIONS = ['inbound', 'outbound'] as const;

/** `?state=` without a value means the same as no `state` at all. */
const emptyIsAbsent = () => Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value));
const emptyIsNull = () =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value.trim() === '' ? null : value));
/** Ids are decimal strings; JSON numbers are taken too. */
const numberIsText = () =>
  Transform(({ value }: { value: unknown }) =>
    Number.isSafeInteger(value) ? String(value) : value === '' ? undefined : value,
  );

/** An id of ours, as a decimal string. */
export const IsId = () => applyDecorators(numberIsText(), Matches(ID, { message: '$property must be an id (digits)' }));

/** The number of an open line in Bitrix24. */
export const IsLineId = () =>
  applyDecorators(
    numberIsText(),
    Matches(/^\d{1,10}$/, { message: '$property must be the number of an open line (digits)' }),
  );

const IsOneOf = (values: readonly string[]) =>
  applyDecorators(
    emptyIsAbsent(),
    IsOptional(),
    IsIn(values, { message: `$property must be one of ${values.join(', ')}` }),
  );

/** One value or several, comma-separated. */
const AreSomeOf = (values: readonly string[]) =>
  applyDecorators(
    ApiPropertyOptional({
      type: String,
      pattern: `^(${values.join('|')})(,(${values.join('|')}))*$`,
      example: REPLAYABLE_STATES.join(','),
    }),
    Transform(({ value }: { value: unknown }) => {
      if (typeof value === 'string') return value === '' ? undefined : value.split(',');
      return value === undefined ? undefined : [value];
    }),
    IsOptional(),
    IsIn(values, { each: true, message: `$property must be one or more of ${values.join(', ')}, comma-separated` }),
  );

const IsFlag = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) =>
      value === '' || value === '0' ? undefined : value === '1' || value === 'true' ? true : value,
    ),
    IsOptional(),
    IsIn([true, false], { message: '$property must be 1 or 0' }),
  );

const IsWords = () =>
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

/** Which messages. */
class MessagesFilter {
  /** Any of these, comma-separated. */
  @AreSomeOf(SHOWN_STATES)
  state?: (typeof SHOWN_STATES)[number][];

  @ApiPropertyOptional({ enum: DIRECTIONS })
  @IsOneOf(DIRECTIONS)
  direction?: (typeof DIRECTIONS)[number];

  /**
   * Words that must all occur, in any form, the last one perhaps unfinished; numbers also by a part. In quotes: a text
   * as it stands, in either case.
   */
  @ApiPropertyOptional({ type: String, maxLength: 200 })
  @IsWords()
  q?: string;

  /** Earliest `createdAt`. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  from?: string;

  /** Latest `createdAt`. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  to?: string;
}

/** Which page of messages, and what else of them. */
class MessageListQuery extends ListQuery {
  /**
   * Id of a message: the page has it in its middle, if the filter holds it, and cursors both ways. Means nothing where
   * `cursor` is given.
   */
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  around?: string;

  /** `1`: the answer says how many messages the filter holds (`count`, and `more` where there are at least so many). */
  @ApiPropertyOptional({ enum: ['1', '0'] })
  @IsFlag()
  count?: boolean;
}

/** Which page of which messages of one chat. */
export class ChatMessagesQuery extends IntersectionType(MessageListQuery, MessagesFilter) {}

/** Which messages of which chats. */
export class PlacedMessagesFilter extends MessagesFilter {
  /** An item's `chatId`. */
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  chat?: string;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  bot?: string;
}

/** Which page of which messages. */
export class MessagesQuery extends IntersectionType(MessageListQuery, PlacedMessagesFilter) {}

/** Which chats. */
export class ChatsQuery extends ListQuery {
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

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  bot?: string;

  /** `activity`: those in which somebody wrote last come first; otherwise those that began last. */
  @ApiPropertyOptional({ enum: ['created', 'activity'], default: 'created' })
  @IsOneOf(['created', 'activity'])
  sort?: 'created' | 'activity';
}

/** What a person knows about a message whose outcome is unknown. */
export class ResolveBody {
  /** `delivered`: the client has it; `failed`: they have not. */
  @ApiProperty({ enum: RESOLVED_STATES })
  @IsIn(RESOLVED_STATES, { message: `outcome must be one of ${RESOLVED_STATES.join(', ')}` })
  outcome: (typeof RESOLVED_STATES)[number];
}

/** Which failed or uncertain messages are to be sent again or dismissed; without `state`, both. */
export class UndeliveredFilter {
  /** Any of these, comma-separated. */
  @AreSomeOf(REPLAYABLE_STATES)
  state?: (typeof REPLAYABLE_STATES)[number][];

  @ApiPropertyOptional({ enum: DIRECTIONS })
  @IsOneOf(DIRECTIONS)
  direction?: (typeof DIRECTIONS)[number];

  /** An item's `chatId`. */
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  chat?: string;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  bot?: string;

  @ApiPropertyOptional(TIME)
  @IsTime()
  from?: string;

  @ApiPropertyOptional(TIME)
  @IsTime()
  to?: string;
}

/** Which failed or uncertain messages are to be sent again. */
export class RetryBody extends UndeliveredFilter {
  /** Nothing is sent: the answer says how many it would be. */
  @ApiPropertyOptional({ type: Boolean })
  @IsOptional()
  @IsIn([true, false], { message: 'dryRun must be true or false' })
  dryRun?: boolean;
}

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

const TOKEN = {
  type: String,
  example: '123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc',
  description: 'As @BotFather gave it.',
};
const IsToken = () =>
  applyDecorators(
    Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value)),
    Matches(/^\d+:[A-Za-z0-9_-]+$/, { message: 'token must look like 123456:AA…, as @BotFather gave it' }),
  );
const API_ROOT = {
  type: String,
  nullable: true,
  example: 'http://10.0.0.5:8081',
  description:
    'Its Bot API servers, as TG_API_ROOT is written: several, separated by commas, in order of preference. null: those of TG_API_ROOT. Moving it between Telegram and an own server needs logOut first (docs/install.md, “Telegram”).',
};
const API_KIND = {
  enum: ['telegram', 'local'],
  nullable: true,
  description:
    'Whose limits hold at its servers: telegram (also by relays) or local (an own server with --local). null: as TG_API_KIND.',
};

const AreApiRoots = () =>
  applyDecorators(
    emptyIsNull(),
    IsOptional(),
    ValidateBy(
      { name: 'areApiRoots', validator: { validate: (value) => typeof value === 'string' && areApiRoots(value) } },
      { message: 'apiRoot must be addresses such as https://api.telegram.org, several separated by commas, or null' },
    ),
  );
const IsApiKind = () =>
  applyDecorators(
    emptyIsNull(),
    IsOptional(),
    IsIn(['telegram', 'local'], { message: 'apiKind must be one of telegram, local, or null' }),
  );

const IsMode = () => IsIn(['polling', 'webhook'], { message: 'mode must be one of polling, webhook' });

/** A bot to be taken into service. */
export class NewBotBody {
  @ApiProperty(TOKEN)
  @IsToken()
  token: string;

  /** The portal it serves. */
  @ApiPropertyOptional({ type: String, example: '1' })
  @IsOptional()
  @IsId()
  portalId?: string;

  /** The open line it serves. */
  @ApiPropertyOptional({ type: String, example: '1' })
  @IsOptional()
  @IsLineId()
  lineId?: string;

  @ApiPropertyOptional({ enum: ['polling', 'webhook'], default: 'polling' })
  @IsOptional()
  @IsMode()
  mode: 'polling' | 'webhook' = 'polling';

  @ApiPropertyOptional(API_ROOT)
  @AreApiRoots()
  apiRoot?: string | null;

  @ApiPropertyOptional(API_KIND)
  @IsApiKind()
  apiKind?: ApiKind | null;
}

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

/** What is to change about a bot; what is left out stays. `portalId` and `lineId` null: the bot serves no line. */
export class BotChangeBody {
  /** A new token of the same bot. */
  @ApiPropertyOptional(TOKEN)
  @IsOptional()
  @IsToken()
  token?: string;

  @ApiPropertyOptional({ type: String, nullable: true })
  @IsOptional()
  @IsId()
  portalId?: string | null;

  @ApiPropertyOptional({ type: String, nullable: true })
  @IsOptional()
  @IsLineId()
  lineId?: string | null;

  @ApiPropertyOptional({ enum: ['polling', 'webhook'] })
  @IsOptional()
  @IsMode()
  mode?: 'polling' | 'webhook';

  /** false takes the bot out of service, true puts it back. */
  @ApiPropertyOptional({ type: Boolean })
  @IsOptional()
  @IsIn([true, false], { message: 'enabled must be true or false' })
  enabled?: boolean;

  @ApiPropertyOptional(API_ROOT)
  @AreApiRoots()
  apiRoot?: string | null;

  @ApiPropertyOptional(API_KIND)
  @IsApiKind()
  apiKind?: ApiKind | null;
}
