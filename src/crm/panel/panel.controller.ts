import { Body, Controller, Get, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiTags } from '@nestjs/swagger';
import { Problem } from '../../common/problem.js';
import type { Viewer } from '../frames/frame-sessions.js';
import { FrameGuard, LookedAtBy } from '../frames/frame.guard.js';
import { CHAT_PANEL, ChatPanel } from './chat-panel.service.js';
import { PanelOthers, PanelSendBody, PanelSent, PanelState } from './panel.dto.js';

/** What the panel beside a dialog asks and does; only of the dialog in which it was opened. */
@ApiTags('Bitrix24')
@ApiBearerAuth('chat panel')
@UseGuards(FrameGuard)
@Controller('b24/panel/api')
export class PanelController {
  constructor(private readonly panel: ChatPanel) {}

  @Get('state')
  @ApiOperation({ summary: 'The client of the dialog, and answers that are ready for them' })
  state(@LookedAtBy(CHAT_PANEL) viewer: Viewer): Promise<PanelState> {
    return this.panel.state(viewer);
  }

  @Get('others')
  @ApiOperation({ summary: 'Chats of the same client with other bots of the portal' })
  async others(@LookedAtBy(CHAT_PANEL) viewer: Viewer): Promise<PanelOthers> {
    return { items: await this.panel.others(viewer) };
  }

  @Post('answers/:id/send')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Send a ready answer to the client, in the name of whoever looks',
    description:
      'The dialog shows what was sent, marked as such. 409 `answer_changed`: it is not what they see any more; `answer_empty`: there is nothing to send; `answer_too_long`: with the client’s name it is.',
  })
  send(
    @LookedAtBy(CHAT_PANEL) viewer: Viewer,
    @Param('id') id: string,
    @Body() body: PanelSendBody,
  ): Promise<PanelSent> {
    if (!/^\d{1,18}$/.test(id)) throw new Problem(404, 'not_found', `There is no answer ${id}.`);
    return this.panel.send(viewer, BigInt(id), body);
  }
}
