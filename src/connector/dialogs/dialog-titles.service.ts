import { Injectable, Logger } from '@nestjs/common';
import { RateLimiter } from '../../bitrix/rate-limiter.js';
import { RestClient } from '../../bitrix/rest.client.js';
import { BATCH_LIMIT, type RestCommand } from '../../bitrix/rest.types.js';
import { DialogTitlesRepository, type UntitledDialog } from '../../storage/work/dialog-titles.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';

/** Bitrix24 keeps so many characters of a chat's title (im, lib/Model/ChatTable: TITLE). */
const TITLE_LIMIT = 255;

/**
 * Tells the portal how dialogs are called: a client, a group, a topic of a forum. Nothing but
 * `imconnector.chat.name.set` sets the title of a dialog; the name beside a message is not looked at (imopenlines,
 * lib/connector.php, onNewChatName).
 */
@Injectable()
export class DialogTitles {
  private readonly logger = new Logger(DialogTitles.name);

  constructor(
    private readonly rest: RestClient,
    private readonly limiter: RateLimiter,
    private readonly titles: DialogTitlesRepository,
  ) {}

  /**
   * Tells titles that are due, 50 in a request, while the portal's bucket has room to spare. True: none is left.
   * Throws UpstreamError when the portal cannot be asked, or puts some of them off.
   */
  async tell(portal: PortalRecord, signal: AbortSignal): Promise<boolean> {
    while (!signal.aborted) {
      const due = await this.titles.due(portal.id, BATCH_LIMIT);
      if (due.length === 0) return true;
      if (!(await this.limiter.takeSpare(portal.id))) return false;
      await this.send(portal, due);
    }
    return false;
  }

  private async send(portal: PortalRecord, dialogs: UntitledDialog[]): Promise<void> {
    const commands = dialogs.map((dialog, index) => [`t${index}`, renaming(portal, dialog)] as const);
    const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(commands), { permit: true });
    const outcomes = dialogs.map((dialog, index) => ({ dialog, outcome: results[`t${index}`]! }));
    // A title that is refused would be refused again.
    const told = outcomes.filter(({ outcome }) => outcome.ok || outcome.error.kind === 'refused');
    await this.titles.told(told.map(({ dialog }) => dialog));
    for (const { dialog, outcome } of told) {
      if (outcome.ok) continue;
      const about = { portalId: String(portal.id), chatId: String(dialog.chatId), code: outcome.error.code };
      this.logger.debug(about, 'The portal did not take the title of a dialog');
    }
    for (const { outcome } of outcomes) if (!outcome.ok && outcome.error.kind !== 'refused') throw outcome.error;
  }
}

/** `$result[…]` in a command would be replaced by the portal, whoever called themselves so. */
function renaming(portal: PortalRecord, { lineId, externalId, externalUserId, title }: UntitledDialog): RestCommand {
  return {
    method: 'imconnector.chat.name.set',
    params: {
      CONNECTOR: portal.connectorId,
      LINE: Number(lineId),
      CHAT_ID: externalId,
      NAME: [...title.replaceAll('$result', '$\u200Bresult')].slice(0, TITLE_LIMIT).join(''),
      USER_ID: externalUserId,
    },
  };
}
