import { Logger } from '@nestjs/common';
import type { EndpointDriver, EndpointHealth, HeldLease, LaneResult, Permits } from '../relay/endpoint-driver.js';
import type { EndpointsRepository } from '../storage/work/endpoints.repository.js';
import type { BotsRepository } from '../storage/accounts/bots.repository.js';
import { isAutomatic, type ClaimedLane } from '../storage/work/claimed-lane.js';
import { LONG_WAIT_MS } from '../storage/work/told-waits.js';
import { notPrepared, type BotSender } from './outbound/bot.sender.js';
import type { RunningBots } from './bots/running-bots.js';
import { BotReceiver } from './inbound/bot.receiver.js';
import type { ProfilePhotos } from './bots/profile-photos.js';
import { SendPace, type ChatTurn } from './outbound/send-pace.js';
import type { BotApi } from './api/telegram.client.js';
import type { UpdatesService } from './inbound/updates.service.js';

const CONCURRENCY = 30;
/** Enough to keep the pace while Telegram answers within 0.3 s, and few enough to be asked about after a crash. */
const IN_DOUBT = 8;
const UNAUTHORISED_PAUSE_MS = 60_000;
/** Longer than the longest pause between two tries. */
const UNSENDABLE_MS = 15 * 60_000;

/** Drives one bot: receives its updates (polling, or a webhook it keeps set) and sends operators' answers. */
export class BotDriver implements EndpointDriver {
  readonly concurrency = CONCURRENCY;
  readonly inDoubt = IN_DOUBT;
  /** A message whose outcome is unknown must be the only one in doubt. */
  readonly headsPerLane = 1;
  private readonly logger = new Logger(BotDriver.name);
  private readonly receiver: BotReceiver;
  private learning: Promise<void> = Promise.resolve();
  private readonly stopping = new AbortController();
  private readonly pace = new SendPace(performance.now());
  private reserved = 0;
  /** Resolved once it is known whether the bot must still be silent. */
  private cooldown: Promise<void> | null = null;
  /** Why the latest answers could not be sent, and until when that counts: the next try comes within ten minutes. */
  private unsendable: { code: string; detail: string; until: number } | null = null;
  /** While Telegram refuses the token. */
  private blockedUntil = 0;

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    private readonly running: RunningBots,
    bots: BotsRepository,
    updates: UpdatesService,
    private readonly photos: ProfilePhotos,
    private readonly sender: BotSender,
    private readonly endpoints: EndpointsRepository,
  ) {
    this.receiver = new BotReceiver(id, held, running, bots, updates);
  }

  start(): void {
    this.receiver.start();
    this.learning = this.photos.run({ id: this.id, held: this.held, api: () => this.api() }, this.stopping.signal);
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    await Promise.all([this.receiver.stop(), this.learning]);
  }

  refresh(): void {
    this.blockedUntil = 0;
    this.receiver.refresh();
  }

  private async api(): Promise<BotApi> {
    return (await this.running.find(this.id)).api;
  }

  health(): EndpointHealth {
    const receiving = this.receiver.health();
    if (!receiving.healthy || !this.unsendable || performance.now() > this.unsendable.until) return receiving;
    const { code, detail } = this.unsendable;
    return { ...receiving, healthy: false, code, detail };
  }

  async permits(max: number): Promise<Permits> {
    await this.recallCooldown();
    const now = performance.now();
    if (now < this.blockedUntil) return { granted: 0, retryInMs: this.blockedUntil - now, obstacle: 'trouble' };
    // Lanes are claimed, not to be sent but to be told how long they wait.
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

  /** Telegram may have asked the previous driver of the bot to be silent. */
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

  /** Learns from an outcome what concerns the whole bot. */
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
      void this.receiver.rememberUnauthorised(error);
    }
    if (error.code === '429' && error.scope === 'chat') {
      const { retryAfterMs = 0 } = error;
      const silent = this.pace.refused(lane.chat.telegramChatId, retryAfterMs, performance.now());
      if (silent === 'bot') {
        await this.endpoints.coolDown(this.held.lease, retryAfterMs).catch((cause: unknown) => {
          this.logger.warn(
            { botId: String(this.id), err: cause },
            'How long the bot must be silent could not be saved: a restart would forget it',
          );
        });
      }
      return { ...result, silenceMs: error.retryAfterMs };
    }
    return result;
  }
}

function silenced({ deliveries }: ClaimedLane, silenceMs: number): LaneResult {
  const postponed = deliveries.map(({ seq }) => ({ seq, delivered: false as const, postponed: { begun: false } }));
  return { deliveries: postponed, nextInMs: silenceMs, silenceMs };
}
