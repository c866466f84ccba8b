import { Get, Param, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { HistoryRepository, type ChatRow } from '../storage/history.repository.js';
import { AdminController } from './admin.decorator.js';
import { ChatMessagesQuery, ChatsQuery } from './admin.dto.js';
import { decodeCursor, pageOf } from './cursor.js';
import { IdPipe, notFound } from './id.pipe.js';
import { MessagesService } from './messages.service.js';

/** Telegram chats and the dialogs that mirror them. */
@AdminController('chats')
export class ChatsController {
  constructor(
    private readonly history: HistoryRepository,
    private readonly messages: MessagesService,
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
    return pageOf(rows, limit, chatItem);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One chat' })
  async one(@Param('id', IdPipe) id: bigint) {
    return chatItem(await this.find(id));
  }

  @Get(':id/messages')
  @ApiOperation({ summary: 'Messages of one chat, newest first' })
  async said(@Param('id', IdPipe) id: bigint, @Query() query: ChatMessagesQuery) {
    await this.find(id);
    return this.messages.list({ ...query, chat: id.toString() });
  }

  private async find(id: bigint): Promise<ChatRow> {
    const chat = await this.history.chat(id);
    if (!chat) throw notFound('No chat', id);
    return chat;
  }
}

/** A chat as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
function chatItem(chat: ChatRow) {
  return {
    ...chat,
    id: chat.id.toString(),
    botId: chat.botId.toString(),
    portalId: chat.portalId?.toString() ?? null,
    telegramChatId: chat.telegramChatId.toString(),
    threadId: chat.threadId?.toString() ?? null,
  };
}
