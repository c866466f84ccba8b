import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { Problem } from '../common/problem.js';
import { BotsService, type BotView } from '../telegram/bots.service.js';
import { AdminController } from './admin.decorator.js';
import { BotChange, ListQuery, NewBotBody } from './admin.dto.js';
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
    assertWholeLine(body);
    return this.bots.create({
      token: body.token,
      mode: body.mode,
      ...(body.portalId && body.lineId ? { portalId: BigInt(body.portalId), lineId: body.lineId } : {}),
    });
  }

  @Patch(':id')
  @Audited('bot.update')
  @ApiOperation({ summary: 'Change the line, the mode or whether the bot is in service' })
  update(@Param('id', IdPipe) id: bigint, @Body() body: BotChange): Promise<BotView> {
    const { portalId, ...rest } = body;
    if (portalId === undefined) return this.bots.update(id, rest);
    return this.bots.update(id, { ...rest, portalId: portalId === null ? null : BigInt(portalId) });
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('bot.remove')
  @ApiOperation({ summary: 'Remove a bot with its chats and their history' })
  async remove(@Param('id', IdPipe) id: bigint): Promise<void> {
    await this.bots.remove(id);
  }
}

/** A line's number means nothing without its portal. */
function assertWholeLine({ portalId, lineId }: NewBotBody): void {
  if ((portalId === undefined) === (lineId === undefined)) return;
  throw new Problem(400, 'invalid_request', 'portalId and lineId must be given together.', {
    errors: ['portalId and lineId must be given together'],
  });
}
