import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { Broadcasts, type BroadcastChange, type ReportedBroadcast } from '../../crm/broadcasts/broadcasts.service.js';
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
    const { name, text, buttons = '', file = '', hasUnsubscribe = true, audience = {} } = body;
    const wish = { name, text, buttons, file, hasUnsubscribe, audience: { ...audience } };
    const portal = await this.chosen.portal(idOf(portalId), caller);
    return broadcastItem(await this.broadcasts.make({ portalId: portal, ...wish }, signatureOf(caller)));
  }

  @Post('preview')
  @HttpCode(200)
  @Requires('operator')
  @ApiOperation({ summary: 'How many clients an audience has now, how long it takes, and some of them' })
  async preview(
    @Body() { portalId, audience = {}, text = '', buttons = '', file = '' }: PreviewBody,
    @CalledBy() caller: Caller,
  ): Promise<BroadcastPreviewItem> {
    const portal = await this.chosen.portal(idOf(portalId), caller);
    return this.broadcasts.preview(portal, { ...audience }, { text, buttons, file, hasUnsubscribe: true });
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

function broadcastItem({ id, portalId, ...broadcast }: ReportedBroadcast): BroadcastItem {
  return { ...broadcast, id: id.toString(), portalId: portalId.toString() };
}
