import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, Matches, ValidateBy } from 'class-validator';
import type { ApiKind } from '../../config/bot-api-servers.js';
import { areApiRoots } from '../../config/variable-types.js';
import { IsId, IsLineId } from '../admin.dto.js';

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

const emptyIsNull = () =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' && value.trim() === '' ? null : value));
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
