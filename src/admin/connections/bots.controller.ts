import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation } from '@nestjs/swagger';
import { Problem } from '../../common/problem.js';
import { PortalLifecycleService } from '../../connector/install/portal-lifecycle.service.js';
import type { ServedLine } from '../../relay/line-bots.js';
import { BotsService } from '../../telegram/bots/bots.service.js';
import { AdminController } from '../access/admin.decorator.js';
import { ListQuery } from '../admin.dto.js';
import { BotChangeBody, NewBotBody } from './bot-bodies.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, portalFor, type Caller } from '../access/caller.js';
import { decodeCursor, pageOf } from '../cursor.js';
import { BotItem, BotPage } from './bots.dto.js';
import { IdPipe, notFound } from '../id.pipe.js';

/** Telegram bots, and the portal and line each serves. */
@AdminController('bots')
export class BotsController {
  constructor(
    private readonly bots: BotsService,
    private readonly lifecycle: PortalLifecycleService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Bots, newest first' })
  async list(@Query() query: ListQuery, @CalledBy() caller: Caller): Promise<BotPage> {
    const before = decodeCursor(query.cursor);
    const rows = (await this.bots.list(caller.portalId ?? undefined))
      .map((view) => ({ id: BigInt(view.id), view }))
      .filter((row) => before === undefined || row.id < before)
      .sort((a, b) => (a.id < b.id ? 1 : -1));
    return pageOf(rows, query.limit, (row) => row.view);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One bot' })
  one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BotItem> {
    return this.find(id, caller);
  }

  @Post()
  @Audited('bot.create')
  @ApiOperation({ summary: 'Take a bot into service; its token is checked with Telegram first' })
  async create(@Body() body: NewBotBody, @CalledBy() caller: Caller): Promise<BotItem> {
    assertStaysWith(caller, body.portalId ?? null);
    return this.moved(null, await this.bots.create(body));
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
  async update(
    @Param('id', IdPipe) id: bigint,
    @Body() body: BotChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<BotItem> {
    const before = await this.find(id, caller);
    if (body.portalId !== undefined) assertStaysWith(caller, body.portalId);
    const bot = await this.bots.update(id, body);
    return body.portalId === undefined && body.lineId === undefined ? bot : this.moved(before, bot);
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('bot.remove')
  @ApiOperation({ summary: 'Remove a bot with its chats and their history' })
  async remove(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<void> {
    const bot = await this.find(id, caller);
    await this.bots.remove(id);
    await this.lifecycle.botMoved(servedBy(bot), null);
  }

  /** The portals are told. */
  private async moved(before: BotItem | null, bot: BotItem): Promise<BotItem> {
    await this.lifecycle.botMoved(before && servedBy(before), servedBy(bot));
    return bot;
  }

  private async find(id: bigint, caller: Caller): Promise<BotItem> {
    const bot = (await this.bots.list(caller.portalId ?? undefined)).find((view) => BigInt(view.id) === id);
    if (!bot) throw notFound('No bot', id);
    return bot;
  }
}

function servedBy({ portalId, lineId }: BotItem): ServedLine | null {
  return portalId && lineId ? { portalId: BigInt(portalId), lineId } : null;
}

/** A bot without a portal, or of another one, would be out of the caller's sight: they can neither make nor leave it so. */
function assertStaysWith(caller: Caller, portalId: string | null): void {
  if (portalId !== null) portalFor(caller, BigInt(portalId));
  else if (caller.portalId !== null) {
    throw new Problem(
      403,
      'limited_to_portal',
      `The key is limited to portal ${caller.portalId}: its bots serve a line of it. Give portalId and lineId.`,
    );
  }
}
