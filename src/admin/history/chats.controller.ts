import { randomUUID } from 'node:crypto';
import { Body, Get, Headers, HttpCode, Param, Patch, Post, Put, Query, Req } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiHeader, ApiOperation } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { TAKES_FILE } from '../../common/file-bodies.js';
import { Problem } from '../../common/problem.js';
import { MessageFile } from '../../crm/files/message-files.dto.js';
import { MessageFiles } from '../../crm/files/message-files.service.js';
import { PersonMessages } from '../../crm/requests/person-messages.service.js';
import { ChatsRepository } from '../../storage/history/chats.repository.js';
import type { ChatRow } from '../../storage/history/shown-chat.js';
import { IntakeRepository } from '../../storage/intake/intake.repository.js';
import { HistoryRepository } from '../../storage/history/history.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { ChatsQuery } from './chats-query.dto.js';
import { ChatMessagesQuery } from './message-filters.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, portalFor, Requires, canAccess, signatureOf, type Caller } from '../access/caller.js';
import { decodeCursor, decodePlace, encodePlace, pageOf } from '../../common/cursor.js';
import { IdPipe, notFound } from '../id.pipe.js';
import { ChatChangeBody, ChatItem, ChatPage, WriteBody, WrittenMessage } from './chats.dto.js';
import { MessagePage } from './messages.dto.js';
import { MessagesService } from './messages.service.js';
import { ViewingLinks } from '../../relay/viewing-links.js';

/** Of an Idempotency-Key: UUIDs and the like are much shorter. */
const LONGEST_KEY = 200;

/** Telegram chats and the dialogs that mirror them. */
@AdminController('chats')
export class ChatsController {
  constructor(
    private readonly history: HistoryRepository,
    private readonly chats: ChatsRepository,
    private readonly messages: MessagesService,
    private readonly links: ViewingLinks,
    private readonly people: PersonMessages,
    private readonly files: MessageFiles,
    private readonly intake: IntakeRepository,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Chats, newest first, or those first in which somebody wrote last' })
  async list(
    @Query() { limit, cursor, q, source, state, portal, bot, tag, sort }: ChatsQuery,
    @CalledBy() caller: Caller,
  ): Promise<ChatPage> {
    const filter = {
      words: q,
      source,
      state,
      tag,
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

  @Post(':id/unsubscribe')
  @HttpCode(200)
  @Requires('operator')
  @Audited('chat.unsubscribe')
  @ApiOperation({
    summary: 'Send this client no broadcasts and no advertising, as if they had unsubscribed themselves',
  })
  unsubscribe(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<ChatItem> {
    return this.setSubscribed(id, false, caller);
  }

  @Post(':id/subscribe')
  @HttpCode(200)
  @Requires('operator')
  @Audited('chat.subscribe')
  @ApiOperation({ summary: 'The client asked to get broadcasts again' })
  subscribe(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<ChatItem> {
    return this.setSubscribed(id, true, caller);
  }

  @Patch(':id')
  @Requires('operator')
  @Audited('chat.update')
  @ApiOperation({ summary: 'Change the tags of a chat' })
  async change(
    @Param('id', IdPipe) id: bigint,
    @Body() { tags }: ChatChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<ChatItem> {
    await this.find(id, caller);
    await this.chats.setTags(id, [...new Set(tags.map((tag) => tag.trim()))]);
    return this.item(await this.find(id, caller));
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

  @Post(':id/messages')
  @HttpCode(200)
  @Requires('operator')
  @Audited('chat.write')
  @ApiOperation({
    summary: 'Write to the client, whoever wrote last',
    description:
      'Anybody who ever wrote to the bot can be written to. The dialog shows what was written, marked as such. 409 `no_portal`: the bot serves no portal; 409 `key_reused`: the key belongs to another message; `attachment_gone`: upload the files again.',
  })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'In place of `key`.' })
  async write(
    @Param('id', IdPipe) id: bigint,
    @Body() { text, files = [], key: named }: WriteBody,
    @Headers('idempotency-key') header: string | undefined,
    @CalledBy() caller: Caller,
  ): Promise<WrittenMessage> {
    const { portalId } = await this.find(id, caller);
    if (portalId === null) throw noPortal(id);
    const key = named ?? (header || randomUUID());
    // Two that begin alike would be one if they were cut.
    if (key.length > LONGEST_KEY) {
      throw new Problem(400, 'invalid_request', `Idempotency-Key must not be longer than ${LONGEST_KEY} characters.`);
    }
    const by = signatureOf(caller);
    const written = await this.people.write({ portalId, source: 'api', key, chatId: id, text, files, by });
    if (!written) throw notFound('No chat', id);
    return written;
  }

  @Put(':id/files/:name')
  @RouteConfig(TAKES_FILE)
  @Requires('operator')
  @Audited('chat.file')
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOperation({
    summary: 'Keep the body as a file of a message that is about to be written to the client with this key',
    description: 'Up to 50 MB; it waits for its message for a day.',
  })
  async keepFile(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @Req() { body }: FastifyRequest,
    @CalledBy() caller: Caller,
  ): Promise<MessageFile> {
    const { portalId } = await this.find(id, caller);
    if (portalId === null) throw noPortal(id);
    return this.files.keep({ portalId, chatId: id, by: signatureOf(caller) }, name, body);
  }

  private async setBanned(id: bigint, banned: boolean, caller: Caller): Promise<ChatItem> {
    await this.find(id, caller);
    await this.chats.setBanned(id, banned);
    return this.item(await this.find(id, caller));
  }

  private async setSubscribed(id: bigint, subscribed: boolean, caller: Caller): Promise<ChatItem> {
    await this.find(id, caller);
    await this.intake.setSubscribed(id, subscribed);
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

const noPortal = (id: bigint) => new Problem(409, 'no_portal', `The bot of chat ${id} serves no portal.`);
