import { Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { ChatsRepository } from '../storage/chats.repository.js';
import { HistoryRepository, type ChatRow } from '../storage/history.repository.js';
import { AdminController } from './admin.decorator.js';
import { ChatMessagesQuery, ChatsQuery } from './admin.dto.js';
import { Audited } from './audit.interceptor.js';
import { decodeCursor, pageOf } from './cursor.js';
import { IdPipe, notFound } from './id.pipe.js';
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
  @ApiOperation({ summary: 'Chats, newest first' })
  async list(@Query() { limit, cursor, q, state, portal, bot }: ChatsQuery) {
    const rows = await this.history.chats(
      {
        words: q,
        state,
        portalId: portal === undefined ? undefined : BigInt(portal),
        botId: bot === undefined ? undefined : BigInt(bot),
        before: decodeCursor(cursor),
      },
      limit + 1,
    );
    return pageOf(rows, limit, (row) => this.item(row));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One chat' })
  async one(@Param('id', IdPipe) id: bigint) {
    return this.item(await this.find(id));
  }

  @Post(':id/ban')
  @HttpCode(200)
  @Audited('chat.ban')
  @ApiOperation({
    summary: 'Keep what comes from this chat from now on as `ignored`; operators can still write to it',
  })
  ban(@Param('id', IdPipe) id: bigint) {
    return this.setBanned(id, true);
  }

  @Post(':id/unban')
  @HttpCode(200)
  @Audited('chat.unban')
  @ApiOperation({ summary: 'Relay again what comes from this chat; what was kept meanwhile stays `ignored`' })
  unban(@Param('id', IdPipe) id: bigint) {
    return this.setBanned(id, false);
  }

  @Get(':id/messages')
  @ApiOperation({ summary: 'Messages of one chat, newest first' })
  async said(@Param('id', IdPipe) id: bigint, @Query() query: ChatMessagesQuery) {
    await this.find(id);
    return this.messages.list({ ...query, chat: id.toString() });
  }

  private async setBanned(id: bigint, banned: boolean) {
    await this.chats.setBanned(id, banned);
    return this.item(await this.find(id));
  }

  private async find(id: bigint): Promise<ChatRow> {
    const chat = await this.history.chat(id);
    if (!chat) throw notFound('No chat', id);
    return chat;
  }

  /** A chat as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
  private item({ avatarUniqueId, ...chat }: ChatRow) {
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
