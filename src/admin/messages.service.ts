import { Injectable } from '@nestjs/common';
import { Problem } from '../common/problem.js';
import type { LinkedFile } from '../relay/file-links.js';
import { ReplayService } from '../relay/replay.service.js';
import { HistoryRepository, SearchTooLongError, type MessageFilter } from '../storage/history.repository.js';
import type { MessagesQuery, UndeliveredFilter } from './admin.dto.js';
import { AuthorNames } from './author-names.js';
import { portalFor, sees, type Caller } from './caller.js';
import { decodeCursor, pageOf, type Page } from './cursor.js';
import { notFound } from './id.pipe.js';
import { messageDetail, messageItem, type MessageItem } from './message.view.js';
import { ViewingLinks } from './viewing-links.js';

/** Messages that one transaction sends again or puts away. */
const BATCH = 500;

/** The history as pages, and what is done about messages by filter: of what the caller may see. */
@Injectable()
export class MessagesService {
  constructor(
    private readonly history: HistoryRepository,
    private readonly replay: ReplayService,
    private readonly links: ViewingLinks,
    private readonly names: AuthorNames,
  ) {}

  /** Newest first. A search that would read too much of a long history is a 422 problem. */
  async list(query: MessagesQuery, caller: Caller): Promise<Page<MessageItem>> {
    try {
      const rows = await this.history.messages(messageFilter(query, caller), query.limit + 1);
      return pageOf(await this.names.known(rows), query.limit, (row) => messageItem(row, this.linkTo));
    } catch (error) {
      if (!(error instanceof SearchTooLongError)) throw error;
      throw new Problem(
        422,
        'search_too_long',
        'The history is too long to be searched at once: narrow it with chat, from and to.',
      );
    }
  }

  /** One message with its timeline. Throws a 404 problem when there is none. */
  async one(id: bigint, caller: Caller) {
    const story = await this.history.message(id);
    if (!story || !sees(caller, story.message.portalId)) throw notFound('No message', id);
    const [message] = await this.names.known([story.message]);
    return messageDetail({ ...story, message: message! }, this.linkTo);
  }

  /**
   * One message about which the caller may do something. Throws a 404 problem when there is none, and a 409 one where
   * it would happen in a portal that he does not see.
   */
  async changeable(id: bigint, caller: Caller): Promise<MessageItem> {
    const message = await this.one(id, caller);
    const chat = message.chatId === null ? null : await this.history.chat(BigInt(message.chatId));
    if (chat && !sees(caller, chat.portalId)) {
      throw new Problem(409, 'chat_moved', 'The bot of this chat serves another portal now: nothing is done there.');
    }
    return message;
  }

  /**
   * Queues every failed or uncertain message that the filter names again, oldest first, so that those of one chat
   * keep their order.
   */
  retry(filter: UndeliveredFilter, caller: Caller): Promise<number> {
    return this.forEachUndelivered(messageFilter(filter, caller), (ids) => this.replay.retry(ids));
  }

  /** Puts every failed or uncertain message that the filter names away; its state is `ignored` then. */
  discard(filter: UndeliveredFilter, caller: Caller): Promise<number> {
    return this.forEachUndelivered(messageFilter(filter, caller), (ids) => this.replay.discard(ids));
  }

  private readonly linkTo = (file: LinkedFile) => this.links.to(file);

  /** Each is looked at once, oldest first: one that fails again meanwhile is not taken twice. */
  private async forEachUndelivered(filter: MessageFilter, act: (ids: bigint[]) => Promise<number>): Promise<number> {
    let changed = 0;
    let after = 0n;
    for (;;) {
      const ids = await this.history.replayable(filter, after, BATCH);
      changed += await act(ids);
      const last = ids.at(-1);
      if (last === undefined || ids.length < BATCH) return changed;
      after = last;
    }
  }
}

/** The list's parameters, converted and narrowed to what the caller may see. */
export function messageFilter(query: Partial<MessagesQuery>, caller: Caller): MessageFilter {
  return {
    state: query.state,
    direction: query.direction,
    words: query.q,
    chatId: query.chat === undefined ? undefined : BigInt(query.chat),
    portalId: portalFor(caller, query.portal === undefined ? undefined : BigInt(query.portal)),
    botId: query.bot === undefined ? undefined : BigInt(query.bot),
    from: query.from === undefined ? undefined : new Date(query.from),
    to: query.to === undefined ? undefined : new Date(query.to),
    before: decodeCursor(query.cursor),
  };
}
