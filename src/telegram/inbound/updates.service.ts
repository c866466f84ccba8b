import { Injectable, Logger } from '@nestjs/common';
import type { Update } from '@grammyjs/types';
import { languageOf } from '../../common/language.js';
import { IntakeService } from '../../relay/intake.service.js';
import type { ClientUpdate } from '../../relay/message.js';
import { ButtonsRepository, type KnownButton } from '../../storage/intake/buttons.repository.js';
import type { Lease } from '../../storage/work/lease.js';
import { CLIENT_WORDS } from '../client-words.js';
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
    private readonly buttons: ButtonsRepository,
  ) {}

  /** An update that Telegram pushed to the webhook. */
  async acceptPushed(bot: ReceivingBot, update: Update): Promise<void> {
    const parsed = parseUpdate(update, bot.id, await this.bots.language(bot.id));
    await this.intake.acceptPushedUpdate(parsed);
    this.followUp(bot, [parsed]);
  }

  /** A batch of getUpdates; see {@link IntakeService.acceptPolledUpdates}. */
  async acceptPolled(bot: ReceivingBot, updates: Update[], poll: { lease: Lease; nextOffset: bigint }): Promise<void> {
    const language = await this.bots.language(bot.id);
    const parsed = updates.map((update) => parseUpdate(update, bot.id, language));
    await this.intake.acceptPolledUpdates(parsed, { ...poll, botId: bot.id });
    this.followUp(bot, parsed);
  }

  private followUp(bot: ReceivingBot, parsed: ClientUpdate[]): void {
    void this.answerPresses(bot, parsed);
    this.photos.notice(
      bot.id,
      parsed.flatMap(({ chat, sawChat }) => (sawChat && chat?.type === 'private' ? [chat.telegramChatId] : [])),
    );
  }

  /** Stops the spinner of a pressed button, and says where the press came too late. Without an answer no harm is done. */
  private async answerPresses({ api }: ReceivingBot, parsed: ClientUpdate[]): Promise<void> {
    const presses = parsed.flatMap(({ press, said, unsubscribes }) => {
      const query = asObject(asObject(said?.raw).callback_query);
      const id = asText(query.id);
      const language = languageOf(asObject(query.from).language_code);
      return id === '' ? [] : [{ id, press, unsubscribes: unsubscribes === 'button', language }];
    });
    if (presses.length === 0) return;
    const known = await this.known(presses.flatMap(({ press }) => press?.buttonId ?? []));
    for (const { id, press, unsubscribes, language } of presses) {
      const answer = press && known ? answerTo(press.pressId, known.get(press.buttonId)) : undefined;
      const said = unsubscribes ? 'unsubscribed' : answer;
      const text = said === undefined ? {} : { text: CLIENT_WORDS[language][said] };
      await api.calls.answerCallbackQuery({ callback_query_id: id, ...text }).catch((error: unknown) => {
        this.logger.debug({ err: error }, 'A button press could not be answered');
      });
    }
  }

  /** Null: the database does not say now. */
  private async known(ids: string[]): Promise<Map<string, KnownButton> | null> {
    if (ids.length === 0) return new Map();
    return this.buttons.find(ids).catch((error: unknown) => {
      this.logger.warn({ err: error }, 'What became of pressed buttons is not known now');
      return null;
    });
  }
}

/** What the client reads; undefined: nothing, because the press did what it should. */
function answerTo(pressId: string, button: KnownButton | undefined): keyof (typeof CLIENT_WORDS)['en'] | undefined {
  const counted = button?.pressedBy === pressId;
  if (button?.kind === 'vote') return counted ? 'thanksForRating' : 'ratingTooLate';
  return counted ? undefined : 'buttonTooLate';
}
