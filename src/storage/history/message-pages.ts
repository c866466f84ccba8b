import { Injectable } from '@nestjs/common';
import { decodePlace, encodePlace } from '../../common/cursor.js';
import { HistoryRepository } from './history.repository.js';
import type { MessageFilter } from './message-filter.js';
import type { MessageRow } from './shown-message.js';

/** Which page is meant: the newest, the one after a cursor, or the one with a message in its middle. */
export interface PageWish {
  limit: number;
  cursor?: string | undefined;
  /** Id of a message. */
  around?: string | undefined;
}

/** Newest first. `previousCursor` leads to newer messages; undefined: the page begins with the newest. */
export interface MessageRowPage {
  rows: MessageRow[];
  nextCursor: string | null;
  previousCursor?: string | null;
}

/** Rows of a page, and whether there are others on either side; `newer` undefined: the page begins with the newest. */
interface Shown {
  rows: MessageRow[];
  older: boolean;
  newer?: boolean;
}

/** The history page by page, in both directions. */
@Injectable()
export class MessagePages {
  constructor(private readonly history: HistoryRepository) {}

  /** Throws as {@link HistoryRepository.messages}, and a 400 problem for what is no cursor. */
  async page(filter: MessageFilter, wish: PageWish): Promise<MessageRowPage> {
    const { rows, older, newer } = await this.shown(filter, wish);
    const [first, last] = [rows.at(0), rows.at(-1)];
    return {
      rows,
      nextCursor: older && last ? encodePlace(last.createdAt, last.id) : null,
      ...(newer !== undefined && {
        previousCursor: newer && first ? encodePlace(first.createdAt, first.id, 'newer') : null,
      }),
    };
  }

  /** One more than is shown is read on either side: it tells that there is another page. */
  private async shown(filter: MessageFilter, { limit, cursor, around }: PageWish): Promise<Shown> {
    const cut = decodePlace(cursor);
    if (cut) {
      const place = { id: cut.id, createdAt: cut.at };
      const onwards = cut.side === 'newer' ? { after: place } : { before: place };
      const rows = await this.history.messages({ ...filter, ...onwards }, limit + 1);
      const others = rows.length > limit;
      return cut.side === 'newer'
        ? { rows: rows.slice(-limit), newer: others, older: true }
        : { rows: rows.slice(0, limit), newer: true, older: others };
    }
    if (around !== undefined) return this.around(filter, BigInt(around), limit);
    const rows = await this.history.messages(filter, limit + 1);
    return { rows: rows.slice(0, limit), older: rows.length > limit };
  }

  /** Half of the page is newer than the message, as far as there are so many. */
  private async around(filter: MessageFilter, id: bigint, limit: number): Promise<Shown> {
    const place = await this.history.place(id);
    const half = Math.floor(limit / 2);
    const above = half === 0 ? [] : await this.history.messages({ ...filter, after: place }, half + 1);
    const newer = above.slice(-half);
    const rest = limit - newer.length;
    const below = await this.history.messages({ ...filter, before: { ...place, id: id + 1n } }, rest + 1);
    return {
      rows: [...newer, ...below.slice(0, rest)],
      newer: half === 0 || above.length > half,
      older: below.length > rest,
    };
  }
}
