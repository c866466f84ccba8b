import { Readable } from 'node:stream';
import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { HistoryRepository } from '../../storage/history/history.repository.js';
import type { MessageFilter, MessagePlace } from '../../storage/history/message-filter.js';
import type { ExportFormat } from './export.dto.js';
import { EXPORT_WRITERS } from './export.format.js';

/** Each keeps a connection and a core busy. */
const AT_ONCE = 2;
/** Messages of one statement: some 1 MB of them is in memory at a time, and what the next collection clears away. */
const BATCH = 500;
/** A reader who takes nothing for so long keeps others from exporting; milliseconds. */
const READER_PATIENCE_MS = 120_000;
const RETRY_AFTER_S = 30;

/** The history as a stream of any length. */
@Injectable()
export class ExportService implements BeforeApplicationShutdown {
  private readonly logger = new Logger(ExportService.name);
  private readonly running = new Set<Readable>();

  constructor(private readonly history: HistoryRepository) {}

  /** A half-written file must not look whole: its connection is cut. */
  beforeApplicationShutdown(): void {
    for (const stream of this.running) stream.destroy(new Error('The program is stopping'));
  }

  /**
   * Messages, oldest first. Reads on when the reader has taken what was read, and no more once they are gone; ends with an
   * error when the database does, or when the reader stands still. Throws a 429 problem while two others run.
   */
  messages(filter: MessageFilter, format: ExportFormat): Readable {
    if (this.running.size >= AT_ONCE) {
      throw new Problem(429, 'too_many_exports', `${AT_ONCE} exports are running here: try again when one has ended.`, {
        retryAfter: RETRY_AFTER_S,
      });
    }
    const stream: Readable = Readable.from(
      this.pages(filter, format, () => stream.destroy(new Error('The reader stands still'))),
      { objectMode: false, highWaterMark: 1 },
    );
    this.running.add(stream);
    stream.once('close', () => this.running.delete(stream));
    stream.once('error', (error: Error) => this.logger.warn({ err: error }, 'An export ended before its end'));
    return stream;
  }

  private async *pages(filter: MessageFilter, format: ExportFormat, giveUp: () => void): AsyncGenerator<Buffer> {
    const writer = EXPORT_WRITERS[format];
    let text = writer.head();
    let next: MessagePlace | null = null;
    do {
      const page: Awaited<ReturnType<HistoryRepository['exportSome']>> = await this.history.exportSome(
        filter,
        next,
        BATCH,
      );
      text += writer.rows(page.rows);
      next = page.next;
      if (text === '') continue;
      const patience = setTimeout(giveUp, READER_PATIENCE_MS);
      try {
        yield Buffer.from(text);
      } finally {
        clearTimeout(patience);
      }
      text = '';
    } while (next !== null);
  }
}
