import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsBoolean, IsIn, IsOptional, Matches, MaxLength } from 'class-validator';

const MODES = ['polling', 'webhook'] as const;

/** How Telegram's updates reach us. */
export class BotModeBody {
  @ApiProperty({ enum: MODES })
  @IsIn(MODES, { message: `mode must be one of ${MODES.join(', ')}` })
  mode: (typeof MODES)[number];
}

/** The bot that is to serve the line. */
export class BotTokenBody {
  @ApiProperty({ type: String, example: '123456:AA…', description: 'As @BotFather gave it.' })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @MaxLength(200, { message: 'token must not be longer than 200 characters' })
  @Matches(/^\d+:[A-Za-z0-9_-]+$/, { message: 'token must look like 123456:AA…, as @BotFather gave it' })
  token: string;

  @ApiPropertyOptional({ enum: MODES, default: 'polling' })
  @IsOptional()
  @IsIn(MODES, { message: `mode must be one of ${MODES.join(', ')}` })
  mode: (typeof MODES)[number] = 'polling';

  /** Also if it serves another line of the portal, which then has none. */
  @ApiPropertyOptional({ type: Boolean, default: false })
  @IsOptional()
  @IsBoolean({ message: 'move must be true or false' })
  move: boolean = false;
}
