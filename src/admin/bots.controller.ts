import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { PortalLifecycleService } from '../connector/portal-lifecycle.service.js';
import { BotsService, type BotView } from '../telegram/bots.service.js';
import { AdminController } from './admin.decorator.js';
import { BotChangeBody, ListQuery, NewBotBody } from './admin.dto.js';
import { Audited } from './audit.interceptor.js';
import { decodeCursor, pageOf, type Page } from './cursor.js';
import { IdPipe, notFound } from './id.pipe.js';

/** Telegram bots, and the portal and line each serves. */
@AdminController('bots')
export class BotsController {
  constructor(
    private readonly bots: BotsService,
    private readonly lifecycle: PortalLifecycleService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Bots, newest first' })
  async list(@Query() query: ListQuery): Promise<Page<BotView>> {
    const before = decodeCursor(query.cursor);
    const rows = (await this.bots.list())
      .map((view) => ({ id: BigInt(view.id), view }))
      .filter((row) => before === undefined || row.id < before)
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    return pageOf(rows, query.limit, (row) => row.view);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One bot' })
  async one(@Param('id', IdPipe) id: bigint): Promise<BotView> {
    const bot = (await this.bots.list()).find((view) => BigInt(view.id) === id);
    if (!bot) throw notFound('No bot', id);
    return bot;
  }

  @Post()
  @Audited('bot.create')
  @ApiOperation({ summary: 'Take a bot into service; its token is checked with Telegram first' })
  async create(@Body() body: NewBotBody): Promise<BotView> {
    return this.arrived(await this.bots.create(body));
  }

  @Patch(':id')
  @Audited('bot.update')
  @ApiOperation({ summary: 'Change the line, the mode, the token, or whether the bot is in service' })
  async update(@Param('id', IdPipe) id: bigint, @Body() body: BotChangeBody): Promise<BotView> {
    const bot = await this.bots.update(id, body);
    return body.portalId === undefined && body.lineId === undefined ? bot : this.arrived(bot);
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('bot.remove')
  @ApiOperation({ summary: 'Remove a bot with its chats and their history' })
  async remove(@Param('id', IdPipe) id: bigint): Promise<void> {
    await this.bots.remove(id);
  }

  /** The connector is switched on in the line that it serves. */
  private async arrived(bot: BotView): Promise<BotView> {
    if (bot.portalId && bot.lineId) await this.lifecycle.botArrived(BigInt(bot.portalId), bot.lineId);
    return bot;
  }
}
