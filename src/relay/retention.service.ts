import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Interval, Timeout } from '@nestjs/schedule';
import { IntakeRepository } from '../storage/intake/intake.repository.js';
import { ChatsRepository } from '../storage/history/chats.repository.js';
import { MessageCountsRepository } from '../storage/history/message-counts.repository.js';
import { MessageRetentionRepository, type Expiry } from '../storage/history/message-retention.repository.js';
import { RestRequestsRepository } from '../storage/work/rest-requests.repository.js';
import { UploadsRepository } from '../storage/work/uploads.repository.js';

/**
 * Longer than either network repeats anything (Telegram keeps updates for 24 h, missed events are looked for up to
 * a day back), and shorter than the week after which Telegram may give out an update_id again.
 */
const KEEP_KEYS_DAYS = 5;
/** A file that was not sent for this long is uploaded again. */
const KEEP_UPLOADS_DAYS = 60;
const HOUR_MS = 3_600_000;
/** A busy minute appends about ten thousand counts; adding them up takes a few milliseconds. */
const MINUTE_MS = 60_000;
const BATCH = 10_000;
/** Messages erased in one transaction: about 100 ms, during which their chats accept nothing. */
const EXPIRY_BATCH = 1_000;
/** The first run after a start, for a program that restarts more than once an hour. */
const FIRST_EXPIRY_MS = 120_000;

/**
 * Erases messages whose portal no longer keeps them, drops guards against repetition and saved file ids once they are
 * of no use, and keeps the counts short.
 */
@Injectable()
export class RetentionService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(RetentionService.name);
  private expiring: Promise<void> | undefined;
  private stopping = false;

  constructor(
    private readonly intake: IntakeRepository,
    private readonly uploads: UploadsRepository,
    private readonly counts: MessageCountsRepository,
    private readonly retention: MessageRetentionRepository,
    private readonly chats: ChatsRepository,
    private readonly requests: RestRequestsRepository,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await this.expiring;
  }

  /** For portals that keep messages and events for a limited number of days; what a run leaves waits an hour. */
  @Timeout(FIRST_EXPIRY_MS)
  @Interval(HOUR_MS)
  expireHistory(): Promise<void> {
    this.expiring ??= this.attempt('Old messages could not be erased; trying again in an hour', () =>
      this.expireAll(),
    ).finally(() => (this.expiring = undefined));
    return this.expiring;
  }

  private async expireAll(): Promise<void> {
    for (const portalId of await this.retention.portals()) {
      const messages =
        (await this.walk((after) => this.retention.expireMessages(portalId, after, EXPIRY_BATCH))) +
        (await this.walk((after) => this.retention.expireMessages(portalId, after, EXPIRY_BATCH, { ofNone: true })));
      const events = await this.walk((after) => this.retention.expireEvents(portalId, after, EXPIRY_BATCH));
      if (messages + events > 0) {
        this.logger.log(
          `Portal ${portalId}: erased ${messages} messages and ${events} events that were past their retention`,
        );
      }
    }
  }

  /** Returns how many were erased. */
  private async walk(step: (after: bigint) => Promise<Expiry>): Promise<number> {
    let total = 0;
    for (let next: bigint | null = 0n; next !== null && !this.stopping;) {
      const { erased, next: following }: Expiry = await step(next);
      total += erased;
      next = following;
    }
    return total;
  }

  @Interval(HOUR_MS)
  forgetOldKeys(): Promise<void> {
    return this.attempt('Old keys of processed events could not be removed; trying again in an hour', async () => {
      while ((await this.intake.purgeProcessed(KEEP_KEYS_DAYS, BATCH)) === BATCH);
    });
  }

  @Interval(HOUR_MS)
  forgetOldUploads(): Promise<void> {
    return this.attempt('Unused file ids could not be removed; trying again in an hour', () =>
      this.uploads.purge(KEEP_UPLOADS_DAYS),
    );
  }

  @Interval(HOUR_MS)
  forgetLeftDialogs(): Promise<void> {
    return this.attempt('Dialogs that bots left long ago could not be forgotten; trying again in an hour', async () => {
      while ((await this.chats.forgetLeftDialogs(BATCH)) === BATCH);
    });
  }

  @Interval(HOUR_MS)
  forgetOldRequests(): Promise<void> {
    return this.attempt('Old REST requests could not be forgotten; trying again in an hour', async () => {
      while ((await this.requests.forget(BATCH)) === BATCH && !this.stopping);
    });
  }

  @Interval(MINUTE_MS)
  foldCounts(): Promise<void> {
    return this.attempt('The message counts could not be added up; trying again in a minute', () => this.counts.fold());
  }

  /** Any replica may do it at any time; the next run makes up for a failure. */
  private async attempt(failure: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.warn({ err: error }, failure);
    }
  }
}
