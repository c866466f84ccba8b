import { Body, Controller, Get, HttpCode, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { LineBots } from '../../relay/line-bots.js';
import { LatestBotRequest, NewBotLink, NewBotRequestBody } from './bot-requests.dto.js';
import { BotRequestsService } from './bot-requests.service.js';
import { SETTINGS_API } from './settings-api.controller.js';
import { SettingsAudit } from './settings-audit.js';
import { actorOf, OpenedBy, SettingsGuard } from './settings.guard.js';
import type { SettingsSession } from './settings-sessions.js';

/** How the settings page lets somebody make a bot; only for the line for which it was opened. */
@ApiTags('Bitrix24')
@ApiBearerAuth('settings page')
@UseGuards(SettingsGuard)
@Controller(`${SETTINGS_API.slice(1)}/bot-request`)
export class BotRequestsController {
  constructor(
    private readonly requests: BotRequestsService,
    private readonly bots: LineBots,
    private readonly audit: SettingsAudit,
  ) {}

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'A link by which somebody makes a bot for the line in Telegram' })
  async make(@OpenedBy() session: SettingsSession, @Body() { lineName }: NewBotRequestBody): Promise<NewBotLink> {
    const link = await this.requests.make(actorOf(session), lineName ?? null);
    await this.audit.record(actorOf(session), 'bot.request', `portal:${session.portalId}`, {});
    return link;
  }

  @Get()
  @ApiOperation({ summary: 'What became of the links of the line' })
  async latest(@OpenedBy() session: SettingsSession): Promise<LatestBotRequest> {
    const [request, bot] = await Promise.all([
      this.requests.latest(session.portalId, session.lineId),
      this.bots.bot(session),
    ]);
    return { request, served: bot !== null };
  }
}
