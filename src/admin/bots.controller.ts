import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation } from '@nestjs/swagger';
import { BotsService, type BotView } from '../telegram/bots.service.js';
import { AdminController } from './admin.decorator.js';
import { BotChangeBody, ListQuery, NewBotBody } from './admin.dto.js';
import { Audited } from './audit.interceptor.js';
import { decodeCursor, pageOf, type Page } from './cursor.js';
import { IdPipe, notFound } from './id.pipe.js';

/** Telegram bots, and the portal and line each serves. */
@AdminController('bots')
export class BotsController {
  constructor(private readonly bots: BotsService) {}

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
  create(@Body() body: NewBotBody): Promise<BotView> {
    return this.bots.create(body);
  }

  @Patch(':id')
  @Audited('bot.update')
  @ApiBody({
    type: BotChangeBody,
    examples: {
      line: { summary: 'Serve another line', value: { portalId: '1', lineId: '1' } },
      webhook: { summary: 'Receive by webhook', value: { mode: 'webhook' } },
      off: { summary: 'Take it out of service', value: { enabled: false } },
    },
  })
  @ApiOperation({ summary: 'Change the line, the mode, the token, or whether the bot is in service' })
  update(@Param('id', IdPipe) id: bigint, @Body() body: BotChangeBody): Promise<BotView> {
    return this.bots.update(id, body);
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('bot.remove')
  @ApiOperation({ summary: 'Remove a bot with its chats and their history' })
  async remove(@Param('id', IdPipe) id: bigint): Promise<void> {
    await this.bots.remove(id);
  }
}
