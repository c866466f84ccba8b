import { Injectable, Logger } from '@nestjs/common';
import { RestClient } from '../bitrix/rest.client.js';
import { BATCH_LIMIT } from '../bitrix/rest.types.js';
import { IntakeService } from '../relay/intake.service.js';
import { ChatsRepository, type ActiveDialog } from '../storage/chats.repository.js';
import type { PortalRecord } from '../storage/portals.repository.js';
import { undeliveredMessages, type DialogHistory } from './dialog-history.parser.js';

/** What an operator wrote longer ago is no longer delivered by surprise. */
const OLDEST_MS = 24 * 3_600_000;
const MOST_DIALOGS = 2_000;

/**
 * Finds operators' messages whose event never reached us: Bitrix24 posts every event once and never again
 * (apidocs.bitrix24.com, "Events: how they work"). What is found goes the way of the event, whose key keeps it from
 * being delivered twice.
 */
@Injectable()
export class MissedMessagesService {
  private readonly logger = new Logger(MissedMessagesService.name);

  constructor(
    private readonly rest: RestClient,
    private readonly chats: ChatsRepository,
    private readonly intake: IntakeService,
  ) {}

  /**
   * Reads the dialogs of the portal in which somebody wrote within the last `minutes`. Dialogs that the portal does
   * not let us read are passed over. Throws UpstreamError when the portal cannot be asked.
   */
  async collect(portal: PortalRecord, minutes: number, signal: AbortSignal): Promise<void> {
    const dialogs = await this.chats.activeDialogs(portal.id, minutes, MOST_DIALOGS);
    for (let start = 0; start < dialogs.length && !signal.aborted; start += BATCH_LIMIT) {
      await this.read(portal, dialogs.slice(start, start + BATCH_LIMIT));
    }
  }

  private async read(portal: PortalRecord, dialogs: ActiveDialog[]): Promise<void> {
    const since = new Date(Date.now() - OLDEST_MS);
    const commands = dialogs.map((dialog, index) => [
      `d${index}`,
      {
        method: 'imopenlines.session.history.get',
        params: dialog.bitrixSessionId
          ? { SESSION_ID: Number(dialog.bitrixSessionId) }
          : { CHAT_ID: Number(dialog.bitrixChatId) },
      },
    ]);
    const { results } = await this.rest.callBatch(portal.id, Object.fromEntries(commands));
    const missed = dialogs.flatMap((dialog, index) => {
      const outcome = results[`d${index}`];
      if (!outcome?.ok || outcome.result === null || typeof outcome.result !== 'object') return [];
      return undeliveredMessages(outcome.result as DialogHistory, dialog, portal, since);
    });
    if (missed.length === 0) return;
    const accepted = await this.intake.recoverOperatorMessages(missed);
    if (accepted > 0) {
      this.logger.log(
        { portalId: String(portal.id), messages: accepted },
        'Found operators’ messages whose events never came',
      );
    }
  }
}
