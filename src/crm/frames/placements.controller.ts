import { Body, Controller, Head, HttpCode, Param, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { FramesService } from '../../connector/install/frames.service.js';
import { replyFrame } from '../../connector/install/page-reply.js';
import { PLACEMENTS_PATH, PortalFrames } from './portal-frames.service.js';

/** HANDLER of our placements: what the portal shows in its cards and chats. */
@ApiTags('Bitrix24')
@Controller(PLACEMENTS_PATH.slice(1))
export class PlacementsController {
  constructor(
    private readonly pages: PortalFrames,
    private readonly frames: FramesService,
  ) {}

  @Head(':kind')
  @ApiOperation({ summary: 'Probe of the address' })
  @ApiParam({ name: 'kind', description: 'Which page, such as `card`.' })
  probe(): void {}

  @Post(':kind')
  @HttpCode(200)
  @ApiOperation({ summary: 'A page inside a card or a chat, called by Bitrix24' })
  @ApiParam({ name: 'kind', description: 'Which page, such as `card`.' })
  async open(
    @Param('kind') kind: string,
    @Query() query: unknown,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<string> {
    const page = await this.frames.answer(query, body, (frame, lang) => this.pages.open(kind, frame, lang));
    return replyFrame(reply, page);
  }
}
