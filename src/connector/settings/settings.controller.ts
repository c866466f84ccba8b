import { Body, Controller, Get, Head, Headers, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { FramesService } from '../install/frames.service.js';
import { asPage, replyFrame } from '../install/page-reply.js';
import { SettingsService } from './settings.service.js';

/** PLACEMENT_HANDLER of the connector: what Contact Center shows behind our tile. */
@ApiTags('Bitrix24')
@Controller('b24/settings')
export class SettingsController {
  constructor(
    private readonly settings: SettingsService,
    private readonly frames: FramesService,
  ) {}

  @Head()
  @ApiOperation({ summary: 'Probe of the address' })
  probe(): void {}

  @Get()
  @ApiOperation({ summary: 'A page for whoever opens the address outside the portal' })
  outside(
    @Headers('accept-language') languages: string | undefined,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): string {
    asPage(reply);
    return this.settings.outside(languages);
  }

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Settings of the connector in one line, called by Bitrix24' })
  async open(
    @Query() query: unknown,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const page = await this.frames.answer(query, body, (frame, lang) => this.settings.openLine(frame, lang));
    return replyFrame(reply, page);
  }
}
