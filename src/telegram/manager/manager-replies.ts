import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { WakeableLoop } from '../../common/wakeable-loop.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { ManagerRepliesRepository } from '../../storage/accounts/manager-replies.repository.js';
import type { ManagerReply } from '../../storage/prisma/client.js';
import type { BotApi } from '../api/telegram.client.js';
import { ManagerBotService } from './manager-bot.service.js';

/** What another replica committed is found after so long. */
const LOOK_MS = 2_000;
const CLAIMED_AT_ONCE = 10;
const HOUR_MS = 3_600_000;
/** Whoever waited longer for an answer has looked at the page. */
const WORTH_SENDING_MS = HOUR_MS;
/** Between two tries, as often as there were tries. */
const AGAIN_MS = 2_000;
const LONGEST_AGAIN_MS = 60_000;

/**
 * Sends what the manager bot is to say, to each person in order. Every replica may do it. Where nobody knows whether
 * Telegram took it, it is sent again: a question asked twice is better than none.
 */
@Injectable()
export class ManagerReplies implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ManagerReplies.name);
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => {
      const level = isStorageUnavailable(error) ? 'debug' : 'error';
      this.logger[level]({ err: error }, 'What the manager bot is to say could not be looked through; trying again');
    },
    everyMs: LOOK_MS,
  });

  constructor(
    private readonly replies: ManagerRepliesRepository,
    private readonly manager: ManagerBotService,
    relay: RelayEvents,
  ) {
    relay.on('managedBots', () => this.loop.wake());
  }

  onApplicationBootstrap(): void {
    if (this.manager.identity) this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
  }

  @Interval(HOUR_MS)
  async forgetOld(): Promise<void> {
    await this.replies.forget().catch((error: unknown) => {
      this.logger.warn({ err: error }, 'Old words of the manager bot could not be forgotten; trying again in an hour');
    });
  }

  private async look(): Promise<void> {
    const { telegramId, api } = this.manager.identity!;
    const claimed = await this.replies.claim(telegramId, CLAIMED_AT_ONCE);
    await Promise.all(claimed.map((reply) => this.send(reply, api)));
    // The next ones to the same people.
    if (claimed.length > 0) this.loop.wake();
  }

  private async send(reply: ManagerReply, { calls }: BotApi): Promise<void> {
    const { id, personId, createdAt } = reply;
    try {
      const words = reply.message as { text: string };
      await calls.sendMessage({ chat_id: Number(personId), ...words }, this.loop.signal);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      this.logger.warn({ code: error.code, err: error }, 'The manager bot could not answer somebody');
      const isLate = Date.now() - createdAt.getTime() > WORTH_SENDING_MS;
      if (error.kind !== 'refused' && !isLate) {
        return this.replies.postpone(id, error.retryAfterMs ?? againMs(reply));
      }
    }
    await this.replies.finish(id);
  }
}

const againMs = ({ attempts }: ManagerReply) => Math.min(AGAIN_MS * attempts, LONGEST_AGAIN_MS);
