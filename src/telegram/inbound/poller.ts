import { Logger } from '@nestjs/common';
import { pause } from '../../common/pause.js';
import { stateReason } from '../../common/state-reasons.js';
import { describeStorageFailure } from '../../common/storage-failure.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { EndpointHealth, HeldLease } from '../../relay/endpoint-driver.js';
import type { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { STORING_FAILS } from '../../storage/work/endpoints.repository.js';
import { LeaseLostError } from '../../storage/work/lease.js';
import { POLL_SECONDS, type BotApi } from '../api/telegram.client.js';
import { ALLOWED_UPDATES } from './update.parser.js';
import type { UpdatesService } from './updates.service.js';

const BATCH = 100;
const CONFLICT_PAUSE_MS = 10_000;
const UNAUTHORISED_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 30_000;
const LEASE_PAUSE_MS = 500;
/** After trouble: long enough for a second poller to cut it off, short enough to show a recovery soon. */
const PROBE_SECONDS = 5;

export interface PolledBot {
  id: bigint;
  nextOffset: bigint | null;
  /** What the tables say is wrong with it; null: nothing. */
  trouble: Pick<EndpointHealth, 'code' | 'detail'> | null;
}

/**
 * Reads a bot's updates by long polling. An update is confirmed to Telegram (by asking for the next one) only after
 * it was committed; when nothing could be committed, the same updates are asked for again.
 *
 * The next offset is the last id of the batch plus one, never a maximum: after a quiet week Telegram starts anew
 * with a random, possibly lower id (core.telegram.org/bots/api#update).
 */
export class Poller {
  private readonly logger = new Logger(Poller.name);
  private readonly api: BotApi;
  private state: EndpointHealth;
  /** When Telegram last answered a poll, by `performance.now()`. */
  private polledAt = performance.now();

  constructor(
    private readonly bot: PolledBot,
    api: BotApi,
    private readonly updates: UpdatesService,
    private readonly bots: BotsRepository,
    private readonly held: HeldLease,
  ) {
    this.api = api.by(held);
    // A problem found before this process started counts until a poll shows otherwise.
    this.state = bot.trouble === null ? { healthy: true } : { healthy: false, ...bot.trouble };
  }

  health(): EndpointHealth {
    return { ...this.state, polledMsAgo: performance.now() - this.polledAt };
  }

  /** Polls until the signal; resolves when no poll is under way. */
  async run(signal: AbortSignal): Promise<void> {
    let offset = this.bot.nextOffset;
    let failures = 0;
    await this.leaveWebhook(signal);
    while (!signal.aborted) {
      // A poll of a process that lost the bot (it was frozen, say) would cut off the new owner's.
      if (!this.held.held) {
        await pause(LEASE_PAUSE_MS, signal);
        continue;
      }
      try {
        const updates = await this.api.polls.getUpdates(
          {
            ...(offset === null ? {} : { offset: Number(offset) }),
            limit: BATCH,
            timeout: this.state.healthy ? POLL_SECONDS : PROBE_SECONDS,
            allowed_updates: ALLOWED_UPDATES,
          },
          signal,
        );
        this.polledAt = performance.now();
        await this.recovered();
        failures = 0;
        const last = updates.at(-1);
        // A process that lost the bot while it waited must leave the batch to the new owner.
        if (!last || !this.held.held) continue;
        const next = BigInt(last.update_id) + 1n;
        await this.updates.acceptPolled({ id: this.bot.id, api: this.api }, updates, {
          lease: this.held.lease,
          nextOffset: next,
        });
        offset = next;
      } catch (error) {
        if (signal.aborted) return;
        if (!this.held.held) continue;
        await pause(await this.failed(error, ++failures, signal), signal);
      }
    }
  }

  /** Reports the failure and returns how many milliseconds to wait. */
  private async failed(error: unknown, failures: number, signal: AbortSignal): Promise<number> {
    const growing = Math.min(1_000 * 2 ** Math.min(failures - 1, 10), LONGEST_PAUSE_MS);
    if (error instanceof LeaseLostError) {
      this.logger.warn({ botId: String(this.bot.id) }, error.message);
      return LONGEST_PAUSE_MS;
    }
    if (!(error instanceof UpstreamError)) {
      this.state = { healthy: false, code: STORING_FAILS, detail: describeStorageFailure(error) };
      this.logger.warn({ botId: String(this.bot.id), err: error }, 'Updates could not be stored; Telegram keeps them');
      return growing;
    }
    this.state = { healthy: false, code: error.code, detail: error.detail };
    if (failures === 1 || failures % 20 === 0) {
      this.logger.warn({ botId: String(this.bot.id), code: error.code }, `Polling fails: ${error.detail}`);
    }
    if (error.code === '409') {
      await this.remember('conflict', stateReason('another_program', error.detail));
      if (/webhook is active/i.test(error.detail)) await this.leaveWebhook(signal);
      return CONFLICT_PAUSE_MS;
    }
    if (error.kind === 'unauthorised') {
      await this.remember('unauthorised', stateReason('token_refused', error.detail));
      return UNAUTHORISED_PAUSE_MS;
    }
    return error.retryAfterMs ?? growing;
  }

  private async recovered(): Promise<void> {
    if (this.state.healthy) return;
    this.state = { healthy: true };
    this.logger.log({ botId: String(this.bot.id) }, 'Polling works again');
    await this.remember('active', null);
  }

  private async remember(state: 'active' | 'conflict' | 'unauthorised', reason: string | null): Promise<void> {
    await this.bots.setState(this.bot.id, state, reason).catch((error: unknown) => {
      this.logger.debug({ err: error }, 'The state of the bot could not be saved');
    });
  }

  /** A leftover webhook would make every poll a 409. Pending updates stay. */
  private async leaveWebhook(signal: AbortSignal): Promise<void> {
    await this.api.calls.deleteWebhook({ drop_pending_updates: false }, signal).catch((error: unknown) => {
      this.logger.debug({ botId: String(this.bot.id), err: error }, 'deleteWebhook failed; the next poll says why');
    });
  }
}
