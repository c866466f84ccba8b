import { Logger } from '@nestjs/common';
import { pause } from '../../common/pause.js';
import { readStateReason, stateReason } from '../../common/state-reasons.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { EndpointHealth, HeldLease } from '../../relay/endpoint-driver.js';
import type { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { NO_WEBHOOK_ADDRESS } from '../../storage/work/endpoints.repository.js';
import { BotGoneError, type RunningBot, type RunningBots } from '../bots/running-bots.js';
import { Poller } from './poller.js';
import { ALLOWED_UPDATES } from './update.parser.js';
import type { UpdatesService } from './updates.service.js';

const WEBHOOK_RETRY_MS = 15_000;
/** How soon a change of the bot at another replica is noticed. */
const WATCH_MS = 5_000;

/** Receives the updates of one bot: polls for them, or keeps a webhook set. */
export class BotReceiver {
  private readonly logger = new Logger(BotReceiver.name);
  private controller = new AbortController();
  private receiving: Promise<void> = Promise.resolve();
  private poller: Poller | null = null;
  private receivingAs: RunningBot | null = null;
  private watching: NodeJS.Timeout | undefined;
  private webhook: EndpointHealth = { healthy: true };

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    private readonly running: RunningBots,
    private readonly bots: BotsRepository,
    private readonly updates: UpdatesService,
  ) {}

  start(): void {
    this.receiving = this.receive(this.controller.signal);
    this.watching = setInterval(() => void this.watch(), WATCH_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.watching);
    await this.endReceiving();
  }

  /** The bot was changed: what is received now begins anew. */
  refresh(): void {
    const ended = this.endReceiving();
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.receiving = ended.then(() => this.receive(signal));
  }

  health(): EndpointHealth {
    return this.poller?.health() ?? this.webhook;
  }

  private endReceiving(): Promise<void> {
    this.controller.abort();
    return this.receiving;
  }

  /** The bot may have been changed at another replica, which cannot tell us. */
  private async watch(): Promise<void> {
    try {
      const bot = await this.running.find(this.id);
      if (this.receivingAs && !isReceivedAlike(bot, this.receivingAs)) this.refresh();
    } catch (error) {
      this.logger.debug({ botId: String(this.id), err: error }, 'The bot could not be read; looked at again soon');
    }
  }

  /** Telegram does not accept the token. */
  async rememberUnauthorised({ detail }: UpstreamError): Promise<void> {
    if (!this.held.held) return;
    await this.bots
      .setState(this.id, 'unauthorised', stateReason('token_refused', detail))
      .catch((error: unknown) => this.logger.debug({ err: error }, 'The state of the bot could not be saved'));
  }

  private async receive(signal: AbortSignal): Promise<void> {
    this.poller = null;
    while (!signal.aborted) {
      try {
        const bot = await this.running.find(this.id);
        this.receivingAs = bot;
        if (bot.state === 'disabled') {
          this.webhook = { healthy: true, detail: 'disabled' };
          return;
        }
        if (bot.mode === 'polling') {
          this.poller = new Poller(
            {
              id: bot.id,
              nextOffset: bot.nextOffset,
              trouble: bot.state === 'active' ? null : troubleOf(bot),
            },
            bot.api,
            this.updates,
            this.bots,
            this.held,
          );
          return await this.poller.run(signal);
        }
        await this.keepWebhook(bot, signal);
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof BotGoneError) {
          // Its endpoint is gone as well: the next heartbeat ends this driver.
          this.webhook = { healthy: true, detail: 'removed' };
          return;
        }
        const { code, message } = error as Partial<UpstreamError>;
        const detail = error instanceof UpstreamError ? error.detail : String(message);
        this.webhook = { healthy: false, ...(typeof code === 'string' && { code }), detail };
        if (error instanceof UpstreamError && error.kind === 'unauthorised') await this.rememberUnauthorised(error);
        this.logger.warn({ botId: String(this.id), err: error }, 'The bot cannot receive yet; trying again');
        await pause(WEBHOOK_RETRY_MS, signal);
      }
    }
  }

  /** Sets the webhook; an identical one is left as it is by Telegram. */
  private async keepWebhook(bot: RunningBot, signal: AbortSignal): Promise<void> {
    if (!bot.webhookUrl) {
      const detail = 'Neither PUBLIC_URL nor TG_WEBHOOK_URL is set: Telegram cannot be told where to send updates';
      throw Object.assign(new Error(detail), { code: NO_WEBHOOK_ADDRESS });
    }
    await bot.api.by(this.held).calls.setWebhook(
      {
        url: bot.webhookUrl,
        ...(bot.webhookSecret ? { secret_token: bot.webhookSecret } : {}),
        allowed_updates: ALLOWED_UPDATES,
        drop_pending_updates: false,
      },
      signal,
    );
    this.webhook = { healthy: true };
    await this.bots.setState(bot.id, 'active', null);
    this.logger.log({ botId: String(bot.id) }, 'Webhook set');
  }
}

/** What a process before this one has met. */
function troubleOf({ state, stateReason: kept }: RunningBot): Pick<EndpointHealth, 'code' | 'detail'> {
  const { code, said } = kept === null ? { code: null, said: null } : readStateReason(kept);
  return { code: code ?? state, detail: said ?? '' };
}

/** Whether nothing changed that decides how updates are received. */
function isReceivedAlike(a: RunningBot, b: RunningBot): boolean {
  return (
    a.mode === b.mode &&
    (a.state === 'disabled') === (b.state === 'disabled') &&
    a.webhookUrl === b.webhookUrl &&
    a.webhookSecret === b.webhookSecret &&
    a.api === b.api
  );
}
