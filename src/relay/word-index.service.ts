import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { MessageWordsRepository } from '../storage/message-words.repository.js';

const BATCH = 1_000;
/** Between two batches, for those who bring messages; and after a failure. */
const PAUSE_MS = 20;
const TROUBLE_PAUSE_MS = 10_000;

/**
 * Makes messages findable that an earlier version stored. In the background and newest first, because a long history
 * takes minutes and must keep no start waiting; those that are findable already are only looked at.
 */
@Injectable()
export class WordIndexService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(WordIndexService.name);
  private readonly stop = new AbortController();
  private work: Promise<void> | undefined;

  constructor(private readonly words: MessageWordsRepository) {}

  onApplicationBootstrap(): void {
    this.work = this.fill();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await this.work;
  }

  private async fill(): Promise<void> {
    let next: bigint | null | undefined;
    while (next !== null && !this.stop.signal.aborted) {
      try {
        next = await this.words.fillSome(next ?? (await this.words.newestMessage()), BATCH);
        await this.rest(PAUSE_MS);
      } catch (error) {
        this.logger.warn({ err: error }, 'Older messages could not be made findable; trying again');
        await this.rest(TROUBLE_PAUSE_MS);
      }
    }
  }

  private async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { ref: false, signal: this.stop.signal }).catch(() => undefined);
  }
}
