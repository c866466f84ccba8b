import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { MessageWordsRepository } from '../storage/history/message-words.repository.js';

const BATCH = 1_000;
/** Between two batches, for those who bring messages; and after a failure. */
const PAUSE_MS = 20;
const TROUBLE_PAUSE_MS = 10_000;
/** Ids below the newest one that an intake which began before may still commit. */
const LATE = 10_000n;

/**
 * Makes messages findable that an earlier version stored. In the background and newest first, because a long history
 * takes minutes and must keep no start waiting. Where it came to its end is kept: the next start looks only at what
 * came since, perhaps by an earlier version that still ran.
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
    while (!this.stop.signal.aborted) {
      try {
        return await this.fillToMark();
      } catch (error) {
        this.logger.warn({ err: error }, 'Older messages could not be made findable; trying again');
        await this.rest(TROUBLE_PAUSE_MS);
      }
    }
  }

  private async fillToMark(): Promise<void> {
    const mark = await this.words.mark();
    const newest = await this.words.newestMessage();
    let next = await this.words.fillSome(newest, BATCH, mark);
    while (next !== null) {
      await this.rest(PAUSE_MS);
      if (this.stop.signal.aborted) return;
      next = await this.words.fillSome(next, BATCH, mark);
    }
    if (newest > LATE) await this.words.setMark(newest - LATE);
  }

  private async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { ref: false, signal: this.stop.signal }).catch(() => undefined);
  }
}
