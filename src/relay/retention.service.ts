import { Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { IntakeRepository } from '../storage/intake.repository.js';
import { MessageCountsRepository } from '../storage/message-counts.repository.js';
import { UploadsRepository } from '../storage/uploads.repository.js';

/**
 * Longer than either network repeats anything (Telegram keeps updates for 24 h, missed events are looked for up to
 * a day back), and shorter than the week after which Telegram may give out an update_id again.
 */
const KEEP_KEYS_DAYS = 5;
/** A file that nobody was sent for so long is uploaded anew. */
const KEEP_UPLOADS_DAYS = 60;
const HOUR_MS = 3_600_000;
/** A busy minute appends some ten thousand counts, which are added up in a few milliseconds. */
const MINUTE_MS = 60_000;
const BATCH = 10_000;

/** Forgets what guards against repetitions or saves time, once it does so no more, and keeps the counts short. */
@Injectable()
export class RetentionService {
  private readonly logger = new Logger(RetentionService.name);

  constructor(
    private readonly intake: IntakeRepository,
    private readonly uploads: UploadsRepository,
    private readonly counts: MessageCountsRepository,
  ) {}

  @Interval(HOUR_MS)
  forgetOldKeys(): Promise<void> {
    return this.attempt('Old keys of processed events could not be removed; trying again in an hour', async () => {
      while ((await this.intake.purgeProcessed(KEEP_KEYS_DAYS, BATCH)) === BATCH);
    });
  }

  @Interval(HOUR_MS)
  forgetOldUploads(): Promise<void> {
    return this.attempt('File ids that nobody uses could not be removed; trying again in an hour', () =>
      this.uploads.purge(KEEP_UPLOADS_DAYS),
    );
  }

  @Interval(MINUTE_MS)
  foldCounts(): Promise<void> {
    return this.attempt('The counts of messages could not be folded; trying again in a minute', () =>
      this.counts.fold(),
    );
  }

  /** Any replica may do it at any time; a failure is made good the next time. */
  private async attempt(failure: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.logger.warn({ err: error }, failure);
    }
  }
}
