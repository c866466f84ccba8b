import { Body, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Req, StreamableFile } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { TAKES_FILE } from '../../common/file-bodies.js';
import { Broadcasts, type BroadcastChange, type ReportedBroadcast } from '../../crm/broadcasts/broadcasts.service.js';
import { fileItem } from '../../crm/files/kept-file.js';
import type { BroadcastRow } from '../../storage/crm/broadcasts.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, canAccess, portalFor, Requires, signatureOf, type Caller } from '../access/caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { ChosenPortal } from './chosen-portal.js';
import { idOf, IdPipe, notFound } from '../id.pipe.js';
import {
  BroadcastChangeBody,
  BroadcastItem,
  BroadcastPage,
  BroadcastPreviewItem,
  BroadcastsQuery,
  NewBroadcastBody,
  PreviewBody,
  SentTest,
  TestBody,
} from './broadcasts.dto.js';

/** One message for many clients who have not unsubscribed. */
@AdminController('broadcasts')
export class BroadcastsController {
  constructor(
    private readonly broadcasts: Broadcasts,
    private readonly chosen: ChosenPortal,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Broadcasts, newest first, with what became of them' })
  async list(@Query() { limit, cursor, portal }: BroadcastsQuery, @CalledBy() caller: Caller): Promise<BroadcastPage> {
    const rows = await this.broadcasts.list(portalFor(caller, idOf(portal)), decodeCursor(cursor), limit + 1);
    return pageOf(rows, limit, broadcastItem);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One broadcast and its report' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.report(await this.find(id, caller)));
  }

  @Post()
  @Requires('operator')
  @Audited('broadcast.create')
  @ApiOperation({ summary: 'Write a broadcast; nothing is sent before it is started' })
  async make(@Body() { portalId, ...body }: NewBroadcastBody, @CalledBy() caller: Caller): Promise<BroadcastItem> {
    const { name, text, buttons = '', file = '', hasFile = false, hasUnsubscribe = true, audience = {} } = body;
    const wish = { name, text, buttons, file, hasUnsubscribe, audience: { ...audience } };
    const portal = await this.chosen.portal(idOf(portalId), caller);
    return broadcastItem(await this.broadcasts.make({ portalId: portal, ...wish }, signatureOf(caller), hasFile));
  }

  @Post('preview')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({ summary: 'How many clients an audience has now, how long it takes, and some of them' })
  async preview(
    @Body() { portalId, audience = {}, text = '', buttons = '', file = '', hasFile = false }: PreviewBody,
    @CalledBy() caller: Caller,
  ): Promise<BroadcastPreviewItem> {
    const portal = await this.chosen.portal(idOf(portalId), caller);
    const written = { text, buttons, file, hasUnsubscribe: true, files: hasFile ? [{}] : [] };
    return this.broadcasts.preview(portal, { ...audience }, written);
  }

  @Patch(':id')
  @Requires('operator')
  @Audited('broadcast.update')
  @ApiOperation({ summary: 'Change a broadcast that was not started; afterwards, its name' })
  async change(
    @Param('id', IdPipe) id: bigint,
    @Body() { audience, ...body }: BroadcastChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<BroadcastItem> {
    const named = Object.entries({ ...body, audience: audience && { ...audience } });
    const change: BroadcastChange = Object.fromEntries(named.filter(([, value]) => value !== undefined));
    return broadcastItem(await this.broadcasts.change(await this.find(id, caller), change));
  }

  @Delete(':id')
  @HttpCode(204)
  @Requires('operator')
  @Audited('broadcast.remove')
  @ApiOperation({ summary: 'Delete a broadcast and its report; who unsubscribed stays unsubscribed' })
  async remove(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<void> {
    await this.broadcasts.remove(await this.find(id, caller));
  }

  @Put(':id/files/:name')
  @RouteConfig(TAKES_FILE)
  @Requires('operator')
  @Audited('broadcast.file')
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOperation({
    summary: 'Keep the body as the file of a draft, in place of the file or the link that it had',
    description: 'Up to 10 MB; a portal has up to 100 MB, with the files of ready answers.',
  })
  async keepFile(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @Req() { body }: FastifyRequest,
    @CalledBy() caller: Caller,
  ): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.keepFile(await this.find(id, caller), name, body));
  }

  @Get(':id/files/:name')
  @ApiOperation({ summary: 'The file of a broadcast that was uploaded' })
  @ApiResponse({
    status: 200,
    content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
  })
  async file(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @CalledBy() caller: Caller,
  ): Promise<StreamableFile> {
    const { content, size } = await this.broadcasts.openFile(await this.find(id, caller), name);
    return new StreamableFile(Readable.from(content), { length: size, disposition: 'attachment' });
  }

  @Delete(':id/files/:name')
  @HttpCode(200)
  @Requires('operator')
  @Audited('broadcast.file_remove')
  @ApiOperation({ summary: 'Take the file off a draft' })
  async removeFile(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @CalledBy() caller: Caller,
  ): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.removeFile(await this.find(id, caller), name));
  }

  @Post(':id/test')
  @HttpCode(200)
  @Requires('operator')
  @Audited('broadcast.test')
  @ApiOperation({ summary: 'Send it to one chat, such as the one with yourself' })
  async test(
    @Param('id', IdPipe) id: bigint,
    @Body() { chatId }: TestBody,
    @CalledBy() caller: Caller,
  ): Promise<SentTest> {
    const messageId = await this.broadcasts.test(await this.find(id, caller), BigInt(chatId));
    return { messageId: messageId.toString() };
  }

  @Post(':id/start')
  @HttpCode(200)
  @Requires('operator')
  @Audited('broadcast.start')
  @ApiOperation({ summary: 'Fix the audience and begin to send' })
  async start(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.start(await this.find(id, caller)));
  }

  @Post(':id/pause')
  @HttpCode(200)
  @Requires('operator')
  @Audited('broadcast.pause')
  @ApiOperation({ summary: 'Send nothing more until it is resumed' })
  async pause(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.pause(await this.find(id, caller)));
  }

  @Post(':id/resume')
  @HttpCode(200)
  @Requires('operator')
  @Audited('broadcast.resume')
  @ApiOperation({ summary: 'Go on where it was paused' })
  async resume(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.resume(await this.find(id, caller)));
  }

  @Post(':id/stop')
  @HttpCode(200)
  @Requires('operator')
  @Audited('broadcast.stop')
  @ApiOperation({ summary: 'End it: who does not have it yet will not have it' })
  async stop(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BroadcastItem> {
    return broadcastItem(await this.broadcasts.stop(await this.find(id, caller)));
  }

  private async find(id: bigint, caller: Caller): Promise<BroadcastRow> {
    const broadcast = await this.broadcasts.find(id);
    if (!broadcast || !canAccess(caller, broadcast.portalId)) throw notFound('No broadcast', id);
    return broadcast;
  }
}

function broadcastItem({ id, portalId, files, ...broadcast }: ReportedBroadcast): BroadcastItem {
  return { ...broadcast, id: id.toString(), portalId: portalId.toString(), files: files.map(fileItem) };
}
