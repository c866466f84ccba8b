import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, Matches } from 'class-validator';
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
}
