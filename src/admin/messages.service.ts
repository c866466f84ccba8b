import { Injectable } from '@nestjs/common';
import { Problem } from '../common/problem.js';
import { HistoryRepository, SearchTooLongError, type MessageFilter } from '../storage/history.repository.js';
import type { MessagesQuery } from './admin.dto.js';
import { decodeCursor, pageOf, type Page } from './cursor.js';
import { messageItem, type MessageItem } from './message.view.js';

/** The history as pages. */
@Injectable()
export class MessagesService {
  constructor(private readonly history: HistoryRepository) {}

  /** Newest first. A search that would read too much of a long history is a 422 problem. */
  async list(query: MessagesQuery): Promise<Page<MessageItem>> {
    try {
      return pageOf(await this.history.messages(messageFilter(query), query.limit + 1), query.limit, messageItem);
    } catch (error) {
      if (!(error instanceof SearchTooLongError)) throw error;
      throw new Problem(422, 'search_too_long', 'The history is too long to be searched at once: narrow it with chat, from and to.');
    }
  }
}

/** The list's parameters, converted. */
export function messageFilter(query: Partial<MessagesQuery>): MessageFilter {
  return {
    state: query.state,
    direction: query.direction,
    words: query.q,
    chatId: query.chat === undefined ? undefined : BigInt(query.chat),
    portalId: query.portal === undefined ? undefined : BigInt(query.portal),
    botId: query.bot === undefined ? undefined : BigInt(query.bot),
    from: query.from === undefined ? undefined : new Date(query.from),
    to: query.to === undefined ? undefined : new Date(query.to),
    before: decodeCursor(query.cursor),
  };
}
