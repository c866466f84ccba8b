import type { ApiKind } from '../../config/bot-api-servers.js';
import type { BotMode, BotState } from '../../storage/prisma/client.js';
import { ApiId, PageOf } from '../page.dto.js';

/** A bot and the open line that it serves. No token. */
export class BotItem {
  @ApiId()
  id: string;

  /** Last part of its webhook address. */
  key: string;
  telegramId: string;
  username: string | null;
  name: string | null;
  mode: BotMode;
  portalId: string | null;
  lineId: string | null;
  state: BotState;
  stateReason: string | null;
  isDefault: boolean;

  /** Its own Bot API servers, separated by commas; null: those of TG_API_ROOT. Keys that are no owners’ see no paths. */
  apiRoot: string | null;
  apiKind: ApiKind | null;
  createdAt: Date;
}

export class BotPage extends PageOf(BotItem) {}
