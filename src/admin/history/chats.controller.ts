import { Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { ChatsRepository } from '../../storage/history/chats.repository.js';
import type { ChatRow } from '../../storage/history/shown-chat.js';
import { HistoryRepository } from '../../storage/history/history.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { ChatsQuery } from './chats-query.dto.js';
import { ChatMessagesQuery } from './message-filters.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, portalFor, Requires, canAccess, type Caller } from '../access/caller.js';
import { decodeCursor, decodePlace, encodePlace, pageOf } from '../cursor.js';
import { IdPipe, notFound } from '../id.pipe.js';
import { ChatItem, ChatPage } from './chats.dto.js';
import { MessagePage } from './messages.dto.js';
import { MessagesService } from './messages.service.js';
import { ViewingLinks } from './viewing-links.js';

/** Telegram chats and the dialogs that mirror them. */
@AdminController('chats')
export class ChatsController {
  constructor(
    private readonly history: HistoryRepository,
    private readonly chats: ChatsRepository,
    private readonly messages: MessagesService,
    private readonly links: ViewingLinks,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Chats, newest first, or those first in which somebody wrote last' })
  async list(
    @Query() { limit, cursor, q, source, state, portal, bot, sort }: ChatsQuery,
    @CalledBy() caller: Caller,
  ): Promise<ChatPage> {
    const filter = {
      words: q,
      source,
      state,
      portalId: portalFor(caller, portal === undefined ? undefined : BigInt(portal)),
      botId: bot === undefined ? undefined : BigInt(bot),
    };
    const show = (row: ChatRow) => this.item(row);
    if (sort !== 'activity') {
      const rows = await this.history.chats({ ...filter, before: decodeCursor(cursor) }, limit + 1);
      return pageOf(rows, limit, show);
    }
    const place = decodePlace(cursor);
    const rows = await this.history.chatsByActivity(filter, limit + 1, place && { activeAt: place.at, id: place.id });
    return pageOf(rows, limit, show, ({ activeAt, id }) => encodePlace(activeAt, id));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One chat' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<ChatItem> {
    return this.item(await this.find(id, caller));
  }

  @Post(':id/ban')
  @HttpCode(200)
  @Requires('operator')
  @Audited('chat.ban')
  @ApiOperation({
    summary: 'Keep what comes from this chat from now on as `ignored`; operators can still write to it',
  })
  ban(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<ChatItem> {
    return this.setBanned(id, true, caller);
  }

  @Post(':id/unban')
  @HttpCode(200)
  @Requires('operator')
  @Audited('chat.unban')
  @ApiOperation({ summary: 'Relay again what comes from this chat; what was kept meanwhile stays `ignored`' })
  unban(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<ChatItem> {
    return this.setBanned(id, false, caller);
  }

  @Get(':id/messages')
  @ApiOperation({ summary: 'Messages of one chat, newest first' })
  async said(
    @Param('id', IdPipe) id: bigint,
    @Query() query: ChatMessagesQuery,
    @CalledBy() caller: Caller,
  ): Promise<MessagePage> {
    await this.find(id, caller);
    return this.messages.list({ ...query, chat: id.toString() }, caller);
  }

  private async setBanned(id: bigint, banned: boolean, caller: Caller): Promise<ChatItem> {
    await this.find(id, caller);
    await this.chats.setBanned(id, banned);
    return this.item(await this.find(id, caller));
  }

  private async find(id: bigint, caller: Caller): Promise<ChatRow> {
    const chat = await this.history.chat(id);
    if (!chat || !canAccess(caller, chat.portalId)) throw notFound('No chat', id);
    return chat;
  }

  /** A chat as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
  private item({ avatarUniqueId, ...chat }: ChatRow): ChatItem {
    return {
      ...chat,
      id: chat.id.toString(),
      botId: chat.botId.toString(),
      portalId: chat.portalId?.toString() ?? null,
      telegramChatId: chat.telegramChatId.toString(),
      threadId: chat.threadId?.toString() ?? null,
      avatar: avatarUniqueId === null ? null : this.links.to({ of: 'chat', chatId: chat.id, photo: avatarUniqueId }),
    };
  }
}
