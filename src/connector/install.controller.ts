import { Body, Controller, Head, HttpCode, Post, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { EventsService } from './events/events.service.js';
import { FramesService } from './install/frames.service.js';
import { InstallService } from './install/install.service.js';
import { replyFrame } from './install/page-reply.js';

/** The "initial installation path" of the application card. */
@ApiTags('Bitrix24')
@Controller('b24/install')
export class InstallController {
  constructor(
    private readonly installs: InstallService,
    private readonly events: EventsService,
    private readonly frames: FramesService,
  ) {}

  /** Bitrix24's partner cabinet probes the address so. Stands before the GET of the same path. */
  @Head()
  @ApiOperation({ summary: 'Probe of the address' })
  probe(): void {}

  @Post()
  @HttpCode(200)
  @ApiOperation({
    summary: 'Installation, called by Bitrix24',
    description:
      'The installation frame (a form with AUTH_ID) gets a page; the event ONAPPINSTALL gets JSON. Nothing is stored before Bitrix24 has confirmed the tokens.',
  })
  async install(
    @Query() query: unknown,
    @Body() body: unknown,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<unknown> {
    if (body !== null && typeof body === 'object' && 'event' in body) return this.events.acceptInstallation(body);
    const page = await this.frames.answer(query, body, async (frame, lang) =>
      this.frames.installed(await this.installs.installFromFrame(frame), lang, { finish: true }),
    );
    return replyFrame(reply, page);
  }
}
