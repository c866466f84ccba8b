import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { MessageWordsRepository } from '../storage/history/message-words.repository.js';

const BATCH = 1_000;
/** Between two batches, to leave room for incoming messages; and after a failure. */
const PAUSE_MS = 20;
const TROUBLE_PAUSE_MS = 10_000;
/** Ids this far below the newest one may still be committed by an intake that began earlier. */
const LATE = 10_000n;

/**
 * Indexes messages that an earlier version stored, so that search finds them. In the background and newest first: a long
 * history takes minutes and must not delay the start. It saves how far it came, so the next start indexes only what came
 * since, perhaps from an earlier version that still ran.
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
        this.logger.warn({ err: error }, 'Older messages could not be indexed for search; trying again');
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
