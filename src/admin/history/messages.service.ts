import { Injectable } from '@nestjs/common';
import { inParts } from '../../common/half-done.js';
import { Problem } from '../../common/problem.js';
import type { LinkedFile } from '../../relay/file-links.js';
import { ReplayService } from '../../relay/replay.service.js';
import { MessagePages } from '../../storage/history/message-pages.js';
import { HistoryRepository, SearchTooLongError } from '../../storage/history/history.repository.js';
import type { MessageTotal } from '../../storage/history/shown-message.js';
import type { MessageFilter } from '../../storage/history/message-filter.js';
import { OverviewRepository } from '../../storage/history/overview.repository.js';
import type { MessagesQuery, UndeliveredBody } from './message-filters.dto.js';
import { AuthorNames } from '../../relay/author-names.js';
import { portalFor, canAccess, type Caller } from '../access/caller.js';
import { notFound } from '../id.pipe.js';
import { messageDetail, messageItem } from './message.view.js';
import type { MessageDetail, MessageItem, MessagePage } from './messages.dto.js';
import { ViewingLinks } from '../../relay/viewing-links.js';

/** Messages that one transaction sends again or dismisses. */
const BATCH = 500;

/** The history as pages, and what is done about messages by filter: of what the caller may see. */
@Injectable()
export class MessagesService {
  constructor(
    private readonly history: HistoryRepository,
    private readonly pages: MessagePages,
    private readonly overview: OverviewRepository,
    private readonly replay: ReplayService,
    private readonly links: ViewingLinks,
    private readonly names: AuthorNames,
  ) {}

  /** Newest first. A search that would read too much of a long history is a 422 problem. */
  async list(query: MessagesQuery, caller: Caller): Promise<MessagePage> {
    const filter = messageFilter(query, caller);
    try {
      const page = await this.page(filter, query);
      return query.count ? { ...page, ...(await this.total(filter)) } : page;
    } catch (error) {
      if (!(error instanceof SearchTooLongError)) throw error;
      throw new Problem(
        422,
        'search_too_long',
        'The history is too long to be searched at once: narrow it with chat, from and to.',
      );
    }
  }

  private async page(filter: MessageFilter, query: MessagesQuery): Promise<MessagePage> {
    const { rows, ...cursors } = await this.pages.page(filter, query);
    return { items: (await this.names.known(rows)).map((row) => messageItem(row, this.linkTo)), ...cursors };
  }

  /** How many messages the filter holds: all of them where they are counted as they are written. */
  private async total(filter: MessageFilter): Promise<MessageTotal> {
    const { words, chatId, from, to, portalId, botId, direction, states } = filter;
    if ([words, chatId, from, to].some((part) => part !== undefined)) return this.history.count(filter);
    const counts = await this.overview.messageCounts(portalId);
    const count = counts
      .filter((row) => botId === undefined || row.botId === botId)
      .filter((row) => direction === undefined || row.direction === direction)
      .filter((row) => states === undefined || states.includes(row.state))
      .reduce((sum, row) => sum + row.count, 0);
    return { count, more: false };
  }

  /** One message with its timeline. Throws a 404 problem when there is none. */
  async one(id: bigint, caller: Caller): Promise<MessageDetail> {
    const story = await this.history.message(id);
    if (!story || !canAccess(caller, story.message.portalId)) throw notFound('No message', id);
    const [message] = await this.names.known([story.message]);
    return messageDetail({ ...story, message: message! }, this.linkTo);
  }

  /**
   * One message about which the caller may do something. Throws a 404 problem when there is none, and a 409 one where
   * it would happen in a portal that they cannot access.
   */
  async changeable(id: bigint, caller: Caller): Promise<MessageItem> {
    const message = await this.one(id, caller);
    const chat = message.chatId === null ? null : await this.history.chat(BigInt(message.chatId));
    if (chat && !canAccess(caller, chat.portalId)) {
      throw new Problem(409, 'chat_moved', 'The bot of this chat serves another portal now: nothing is done there.');
    }
    return message;
  }

  /**
   * Queues every failed or uncertain message that the filter names again, oldest first, so that those of one chat
   * keep their order; but those that cannot go: for clients who have blocked the bot, or taken back. Returns how many;
   * with `dryRun` how many that would be.
   */
  retry({ dryRun, ...body }: UndeliveredBody, caller: Caller): Promise<number> {
    const filter = messageFilter(body, caller);
    return dryRun
      ? this.history.countRetryable(filter)
      : this.forEach(
          (after) => this.history.retryable(filter, after, BATCH),
          (ids) => this.replay.retry(ids),
        );
  }

  /**
   * Dismisses every failed or uncertain message that the filter names: its state is `ignored` then. Returns how many;
   * with `dryRun` how many that would be.
   */
  discard({ dryRun, ...body }: UndeliveredBody, caller: Caller): Promise<number> {
    const filter = messageFilter(body, caller);
    return dryRun
      ? this.history.countReplayable(filter)
      : this.forEach(
          (after) => this.history.replayable(filter, after, BATCH),
          (ids) => this.replay.discard(ids),
        );
  }

  private readonly linkTo = (file: LinkedFile) => this.links.to(file);

  /** Each is looked at once, oldest first: one that fails again meanwhile is not taken twice. */
  private async forEach(
    next: (after: bigint) => Promise<bigint[]>,
    act: (ids: bigint[]) => Promise<number>,
  ): Promise<number> {
    let changed = 0;
    let after = 0n;
    return inParts(async (part) => {
      for (;;) {
        const ids = await next(after);
        const now = await act(ids);
        changed += now;
        const last = ids.at(-1);
        if (last === undefined || ids.length < BATCH) return changed;
        if (now > 0) part(`${now} up to message ${last}`);
        after = last;
      }
    });
  }
}

/** The list's parameters, converted and narrowed to what the caller may see. */
export function messageFilter(query: Partial<MessagesQuery>, caller: Caller): MessageFilter {
  return {
    states: query.state,
    direction: query.direction,
    words: query.q,
    chatId: query.chat === undefined ? undefined : BigInt(query.chat),
    portalId: portalFor(caller, query.portal === undefined ? undefined : BigInt(query.portal)),
    botId: query.bot === undefined ? undefined : BigInt(query.bot),
    from: query.from === undefined ? undefined : new Date(query.from),
    to: query.to === undefined ? undefined : new Date(query.to),
  };
}
