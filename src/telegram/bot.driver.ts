import { Logger } from '@nestjs/common';
import { pause } from '../common/pause.js';
import { readStateReason, stateReason } from '../common/state-reasons.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { EndpointDriver, EndpointHealth, HeldLease, LaneResult, Permits } from '../relay/endpoint-driver.js';
import { NO_WEBHOOK_ADDRESS, type EndpointsRepository } from '../storage/work/endpoints.repository.js';
import type { BotsRepository } from '../storage/accounts/bots.repository.js';
import { isAutomatic, type ClaimedLane } from '../storage/work/claimed-lane.js';
import { LONG_WAIT_MS } from '../storage/work/told-waits.js';
import { notPrepared, type BotSender } from './outbound/bot.sender.js';
import { BotGoneError, type RunningBot, type RunningBots } from './bots/running-bots.js';
import { Poller } from './inbound/poller.js';
import type { ProfilePhotos } from './bots/profile-photos.js';
import { SendPace, type ChatTurn } from './outbound/send-pace.js';
import type { BotApi } from './api/telegram.client.js';
import { ALLOWED_UPDATES } from './inbound/update.parser.js';
import type { UpdatesService } from './inbound/updates.service.js';

const CONCURRENCY = 30;
/** Enough for the pace while Telegram answers within 0.3 s, and few to be asked about after a crash. */
const IN_DOUBT = 8;
const UNAUTHORISED_PAUSE_MS = 60_000;
const WEBHOOK_RETRY_MS = 15_000;
const WATCH_MS = 5_000;
/** Longer than the longest pause between two tries. */
const UNSENDABLE_MS = 15 * 60_000;

/** Drives one bot: receives its updates (polling, or a webhook it keeps set) and sends operators' answers. */
export class BotDriver implements EndpointDriver {
  readonly concurrency = CONCURRENCY;
  readonly inDoubt = IN_DOUBT;
  /** A message whose outcome is unknown must be the only one in doubt. */
  readonly headsPerLane = 1;
  private readonly logger = new Logger(BotDriver.name);
  private controller = new AbortController();
  private receiving: Promise<void> = Promise.resolve();
  private learning: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();
  private poller: Poller | null = null;
  private receivingAs: RunningBot | null = null;
  private watching: NodeJS.Timeout | undefined;
  private webhook: EndpointHealth = { healthy: true };
  private readonly pace = new SendPace(performance.now());
  private reserved = 0;
  /** Settled once it is known whether the bot must still be silent. */
  private cooldown: Promise<void> | null = null;
  /** Why the last answers could not leave, and until when that is news: the next try comes within ten minutes. */
  private unsendable: { code: string; detail: string; until: number } | null = null;
  /** While Telegram refuses the token. */
  private blockedUntil = 0;

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    private readonly running: RunningBots,
    private readonly bots: BotsRepository,
    private readonly updates: UpdatesService,
    private readonly photos: ProfilePhotos,
    private readonly sender: BotSender,
    private readonly endpoints: EndpointsRepository,
  ) {}

  start(): void {
    this.receiving = this.receive(this.controller.signal);
    this.learning = this.photos.run({ id: this.id, held: this.held, api: () => this.api() }, this.stopping.signal);
    this.watching = setInterval(() => void this.watch(), WATCH_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.watching);
    this.stopping.abort();
    await Promise.all([this.endReceiving(), this.learning]);
  }

  refresh(): void {
    this.blockedUntil = 0;
    const ended = this.endReceiving();
    this.controller = new AbortController();
    const { signal } = this.controller;
    this.receiving = ended.then(() => this.receive(signal));
  }

  private async api(): Promise<BotApi> {
    return (await this.running.find(this.id)).api;
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

  health(): EndpointHealth {
    const receiving = this.poller?.health() ?? this.webhook;
    if (!receiving.healthy || !this.unsendable || performance.now() > this.unsendable.until) return receiving;
    const { code, detail } = this.unsendable;
    return { ...receiving, healthy: false, code, detail };
  }

  async permits(max: number): Promise<Permits> {
    await this.recallCooldown();
    const now = performance.now();
    if (now < this.blockedUntil) return { granted: 0, retryInMs: this.blockedUntil - now, obstacle: 'trouble' };
    // They are not sent but told how long they wait.
    if (this.pace.silentMs(now) > LONG_WAIT_MS) return { granted: max, retryInMs: 0 };
    const bulk = Math.min(max, this.pace.freeForNobody(now));
    this.reserved = this.pace.reserve(max, now);
    return {
      granted: this.reserved,
      retryInMs: this.reserved > 0 ? 0 : this.pace.waitMs(now),
      obstacle: 'limit',
      bulk,
      bulkInMs: bulk > 0 ? 0 : this.pace.waitMs(now, 1, 'nobody'),
    };
  }

  /** Telegram may have asked whoever drove the bot before for silence. */
  private recallCooldown(): Promise<void> {
    this.cooldown ??= this.endpoints
      .cooldownMs(this.held.lease.endpoint)
      .then((ms) => this.pace.silence(ms, performance.now()))
      .catch((error: unknown) => {
        this.cooldown = null;
        throw error;
      });
    return this.cooldown;
  }

  giveBack(): void {
    this.pace.release(this.reserved);
    this.reserved = 0;
  }

  send(lanes: ClaimedLane[]): Promise<LaneResult>[] {
    const silenceMs = this.pace.silentMs(performance.now());
    if (silenceMs > 0) {
      this.giveBack();
      return lanes.map((lane) => Promise.resolve(silenced(lane, silenceMs)));
    }
    this.pace.release(this.reserved - lanes.length);
    this.reserved = 0;
    return lanes.map(async (lane) => {
      const turn = this.pace.turn(lane.chat.telegramChatId, isAutomatic(lane) ? 'nobody' : 'people');
      const result = await this.sendLane(lane, turn);
      const nextInMs = turn.end(performance.now());
      return { ...result, nextInMs: Math.max(nextInMs, result.nextInMs ?? 0) };
    });
  }

  private async sendLane(lane: ClaimedLane, turn: ChatTurn): Promise<LaneResult> {
    try {
      const { api } = await this.running.find(this.id);
      return await this.observed(lane, await this.sender.send(api, lane, turn, this.held));
    } catch (cause) {
      this.logger.error({ botId: String(this.id), err: cause }, 'The bot could not be read');
      const error = notPrepared(cause);
      return { deliveries: lane.deliveries.map(({ seq }) => ({ seq, delivered: false as const, error })) };
    }
  }

  /** Learns from the answers what concerns the whole bot. */
  private async observed(lane: ClaimedLane, result: LaneResult): Promise<LaneResult> {
    const [delivery] = result.deliveries;
    if (!delivery || !('error' in delivery)) {
      if (delivery?.delivered) this.unsendable = null;
      return result;
    }
    const { error } = delivery;
    if (error.kind === 'refused') this.unsendable = null;
    if (error.kind === 'not_sent' && error.scope === 'endpoint') {
      this.unsendable = { code: error.code, detail: error.detail, until: performance.now() + UNSENDABLE_MS };
    }
    if (error.kind === 'unauthorised') {
      if (performance.now() >= this.blockedUntil) {
        this.logger.warn({ botId: String(this.id), code: error.code }, `The bot cannot send: ${error.detail}`);
      }
      this.blockedUntil = performance.now() + UNAUTHORISED_PAUSE_MS;
      void this.rememberUnauthorised(error);
    }
    if (error.code === '429' && error.scope === 'chat') {
      const { retryAfterMs = 0 } = error;
      if (this.pace.refused(lane.chat.telegramChatId, retryAfterMs, performance.now())) {
        await this.endpoints.coolDown(this.held.lease, retryAfterMs).catch((cause: unknown) => {
          this.logger.warn(
            { botId: String(this.id), err: cause },
            'A restart would forget for how long the bot is silent',
          );
        });
      }
      return { ...result, silenceMs: error.retryAfterMs };
    }
    return result;
  }

  private async rememberUnauthorised({ detail }: UpstreamError): Promise<void> {
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

function silenced({ deliveries }: ClaimedLane, silenceMs: number): LaneResult {
  const postponed = deliveries.map(({ seq }) => ({ seq, delivered: false as const, postponed: { begun: false } }));
  return { deliveries: postponed, nextInMs: silenceMs, silenceMs };
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
