import { finished } from 'node:stream';
import { Body, Controller, Get, HttpCode, Patch, Post, Res, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { LineChangeBody } from './line-change.dto.js';
import { LineSettingsService } from './line-settings.service.js';
import { BotModeBody, BotTokenBody, CheckedLine, LineSettings } from './settings-api.dto.js';
import { OpenedBy, SettingsGuard } from './settings.guard.js';
import type { SettingsSession } from './settings-sessions.js';

/** Where every route of the settings page begins. */
export const SETTINGS_API = '/b24/settings/api';

/** What the settings page of a line asks and does; only of the line for which it was opened. */
@ApiTags('Bitrix24')
@ApiBearerAuth('settings page')
@UseGuards(SettingsGuard)
@Controller(SETTINGS_API.slice(1))
export class SettingsApiController {
  constructor(private readonly settings: LineSettingsService) {}

  @Get('state')
  @ApiOperation({ summary: 'The line, its bot and what clients read there' })
  state(@OpenedBy() session: SettingsSession): Promise<LineSettings> {
    return this.settings.state(session);
  }

  @Post('check')
  @HttpCode(200)
  @ApiOperation({ summary: 'Every link of the chain between the client and the line, asked now' })
  check(@OpenedBy() session: SettingsSession): Promise<CheckedLine> {
    return this.settings.check(session);
  }

  @Post('repair')
  @HttpCode(200)
  @ApiOperation({ summary: 'Register the connector, bind the events and switch the line on again, then check' })
  repair(@OpenedBy() session: SettingsSession): Promise<CheckedLine> {
    return this.settings.repair(session);
  }

  @Post('bot')
  @HttpCode(200)
  @ApiOperation({ summary: 'Let the bot of this token serve the line, or give its bot a new token' })
  connect(@OpenedBy() session: SettingsSession, @Body() body: BotTokenBody): Promise<LineSettings> {
    return this.settings.connect(session, body);
  }

  @Patch('bot')
  @ApiOperation({ summary: 'Receive by polling or by webhook' })
  receiveBy(@OpenedBy() session: SettingsSession, @Body() { mode }: BotModeBody): Promise<LineSettings> {
    return this.settings.receiveBy(session, mode);
  }

  @Post('bot/new-token')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a new token for a bot that was made here: whoever has the old one is shut out' })
  renewToken(@OpenedBy() session: SettingsSession): Promise<LineSettings> {
    return this.settings.renewToken(session);
  }

  @Patch('options')
  @ApiOperation({
    summary: 'What clients read before an answer, what they read when they press Start, and what such a press does',
  })
  change(@OpenedBy() session: SettingsSession, @Body() body: LineChangeBody): Promise<LineSettings> {
    return this.settings.change(session, body);
  }

  @Post('disconnect')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take the bot off the line and switch the connector off there; the history stays' })
  disconnect(@OpenedBy() session: SettingsSession): Promise<LineSettings> {
    return this.settings.disconnect(session);
  }

  @Get('picture')
  @ApiOperation({ summary: 'The picture of the bot; 204 when it has none' })
  @ApiResponse({ status: 200, content: { 'image/jpeg': { schema: { type: 'string', format: 'binary' } } } })
  @ApiResponse({ status: 204, description: 'The bot has no picture.' })
  async picture(@OpenedBy() session: SettingsSession, @Res() reply: FastifyReply): Promise<void> {
    const over = new AbortController();
    finished(reply.raw, () => over.abort());
    const picture = await this.settings.picture(session, over.signal);
    if (!picture) return void (await reply.status(204).send());
    const { stream, size } = picture;
    // Profile photos are always JPEG.
    void reply.headers({ 'content-type': 'image/jpeg', ...(size === null ? {} : { 'content-length': size }) });
    await reply.send(stream);
  }
}
