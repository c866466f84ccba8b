import { Body, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { BotRequestItem, NewBotLink } from '../../connector/settings/bot-requests.dto.js';
import { BotRequestsService } from '../../connector/settings/bot-requests.service.js';
import { ManagerBotService } from '../../telegram/manager/manager-bot.service.js';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, canAccess, portalFor, signatureOf, type Caller } from '../access/caller.js';
import { idOf, IdPipe, notFound } from '../id.pipe.js';
import { BotRequestBody, ManagerBotItem } from './bot-requests.dto.js';

/** Bots that people make in Telegram through the manager bot, without a token that anybody copies. */
@AdminController('bot-requests')
export class AdminBotRequestsController {
  constructor(
    private readonly requests: BotRequestsService,
    private readonly manager: ManagerBotService,
  ) {}

  @Get('manager')
  @ApiOperation({ summary: 'The manager bot, and whether bots can be made through it now' })
  async ofManager(): Promise<ManagerBotItem> {
    return this.manager.state();
  }

  @Post()
  @HttpCode(200)
  @Audited('bot.request')
  @ApiOperation({ summary: 'A link by which somebody makes a bot for a line in Telegram; it works for an hour' })
  make(@Body() { portalId, lineId, lineName }: BotRequestBody, @CalledBy() caller: Caller): Promise<NewBotLink> {
    const portal = portalFor(caller, idOf(portalId))!;
    return this.requests.make({ portalId: portal, lineId, actor: signatureOf(caller) }, lineName ?? null);
  }

  @Get(':id')
  @ApiOperation({ summary: 'What became of a link' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BotRequestItem> {
    const found = await this.requests.find(id);
    if (!found || !canAccess(caller, found.portalId)) throw notFound('No request for a bot', id);
    return found.item;
  }
}
