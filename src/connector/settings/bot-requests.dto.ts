import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, IsString, MaxLength } from 'class-validator';

export const BOT_REQUEST_STATES = ['waiting', 'started', 'made', 'connected', 'failed', 'expired'] as const;

/** What the bot is for. */
export class NewBotRequestBody {
  /** The line as the portal names it: the bot is suggested to be named so. */
  @ApiPropertyOptional({ type: String, maxLength: 200, example: 'Sales' })
  @Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.replaceAll(/\p{Cc}/gu, ' ').trim() || undefined : value,
  )
  @IsOptional()
  @IsString({ message: 'lineName must be a text' })
  @MaxLength(200, { message: 'lineName must not be longer than 200 characters' })
  lineName?: string;
}

/** Somebody wants a bot for a line. */
export class BotRequestItem {
  id: string;
  portalId: string;
  lineId: string;

  /** May be changed in Telegram. */
  suggestedName: string;
  suggestedUsername: string;

  /**
   * `waiting`: nobody has opened the link; `started`: somebody has, and is to make the bot; `made`: it is being connected;
   * `connected`; `failed`; `expired`: the link no longer works.
   */
  @ApiProperty({ enum: BOT_REQUEST_STATES })
  state: (typeof BOT_REQUEST_STATES)[number];

  /** Code of why it failed, or why the latest try did. */
  error: string | null;

  /** Until then the link works. */
  expiresAt: Date;
}

/** A request with its link, which is shown this once. */
export class NewBotLink extends BotRequestItem {
  /** Opens the manager bot in Telegram. */
  url: string;

  /** The same as a QR code, an SVG document. */
  qr: string;
}

export class LatestBotRequest {
  /** Null: nobody has asked for a bot within a day. */
  request: BotRequestItem | null;

  /** The line has a bot by now. */
  served: boolean;
}
