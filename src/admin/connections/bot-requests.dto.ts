import { ApiProperty } from '@nestjs/swagger';
import { NewBotRequestBody } from '../../connector/settings/bot-requests.dto.js';
import { IsId, IsLineId } from '../admin.dto.js';

/** The line that is to get a bot. */
export class BotRequestBody extends NewBotRequestBody {
  @ApiProperty({ type: String, example: '1' })
  @IsId()
  portalId: string;

  @ApiProperty({ type: String, example: '1' })
  @IsLineId()
  lineId: string;
}

/** The bot of TG_MANAGER_BOT_TOKEN. */
export class ManagerBotItem {
  /** TG_MANAGER_BOT_TOKEN is set. */
  configured: boolean;

  /** Bots can be made through it now. */
  ready: boolean;
  username: string | null;

  /** Code of why no bots can be made; null: they can, or it is not configured. */
  trouble: string | null;

  /** What Telegram said about it. */
  detail: string | null;

  /** When Telegram last answered its poll; null: never. */
  heardAt: Date | null;
}
