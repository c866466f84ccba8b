import type { ApiKind } from '../../config/bot-api-servers.js';
import type { BotMode, BotState } from '../../storage/prisma/client.js';
import { ApiId, PageOf } from '../page.dto.js';
import { RegistrationStep } from './portals.dto.js';

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

  /** Stable code of the reason, and what Telegram said. */
  stateCode: string | null;
  stateSaid: string | null;
  isDefault: boolean;

  /** Its own Bot API servers, separated by commas; null: those of TG_API_ROOT. Keys that are no owners’ see no paths. */
  apiRoot: string | null;
  apiKind: ApiKind | null;
  createdAt: Date;
}

/** A bot after a change, which stands also where a step failed. */
export class ChangedBot extends BotItem {
  /** What could not be done in portals: to switch the connector off in the line that the bot left, on in its new one. */
  failedSteps?: RegistrationStep[];
}

export class BotPage extends PageOf(BotItem) {}
