import { Injectable, Logger } from '@nestjs/common';
import type { Update } from '@grammyjs/types';
import { IntakeService } from '../../relay/intake.service.js';
import type { ClientUpdate } from '../../relay/message.js';
import type { Lease } from '../../storage/work/lease.js';
import { RunningBots, type RunningBot } from '../bots/running-bots.js';
import { asObject, asText } from '../../common/json-fields.js';
import { ProfilePhotos } from '../bots/profile-photos.js';
import { parseUpdate } from './update.parser.js';

type ReceivingBot = Pick<RunningBot, 'id' | 'api'>;

/**
 * Accepts updates, polled or pushed. Both methods resolve after the commit; what else is done for a client (their
 * button stops waiting, their photo is learned) starts then, and nobody waits for it.
 */
@Injectable()
export class UpdatesService {
  private readonly logger = new Logger(UpdatesService.name);

  constructor(
    private readonly bots: RunningBots,
    private readonly intake: IntakeService,
    private readonly photos: ProfilePhotos,
  ) {}

  /** An update that Telegram pushed to the webhook. */
  async acceptPushed(bot: ReceivingBot, update: Update): Promise<void> {
    const parsed = parseUpdate(update, bot.id, await this.bots.language(bot.id));
    await this.intake.acceptPushedUpdate(parsed);
    this.followUp(bot, [update], [parsed]);
  }

  /** A batch of getUpdates; see {@link IntakeService.acceptPolledUpdates}. */
  async acceptPolled(bot: ReceivingBot, updates: Update[], poll: { lease: Lease; nextOffset: bigint }): Promise<void> {
    const language = await this.bots.language(bot.id);
    const parsed = updates.map((update) => parseUpdate(update, bot.id, language));
    await this.intake.acceptPolledUpdates(parsed, { ...poll, botId: bot.id });
    this.followUp(bot, updates, parsed);
  }

  private followUp(bot: ReceivingBot, updates: Update[], parsed: ClientUpdate[]): void {
    void this.answerPresses(bot, updates);
    this.photos.notice(
      bot.id,
      parsed.flatMap(({ chat, sawChat }) => (sawChat && chat?.type === 'private' ? [chat.telegramChatId] : [])),
    );
  }

  /** Stops the spinner of a pressed button. A press without an answer does no harm. */
  private async answerPresses({ api }: ReceivingBot, updates: Update[]): Promise<void> {
    for (const update of updates) {
      const id = asText(asObject(update.callback_query).id);
      if (id === '') continue;
      await api.calls.answerCallbackQuery({ callback_query_id: id }).catch((error: unknown) => {
        this.logger.debug({ err: error }, 'A button press could not be answered');
      });
    }
  }
}
