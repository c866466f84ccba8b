import {
  Body,
  Controller,
  Get,
  Header,
  Headers,
  HttpCode,
  Param,
  Post,
  Put,
  Query,
  Req,
  UseGuards,
} from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { TAKES_FILE } from '../../common/file-bodies.js';
import { Problem } from '../../common/problem.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import { MessageFile } from '../files/message-files.dto.js';
import type { Viewer } from '../frames/frame-sessions.js';
import { FrameGuard, LookedAtBy, personOf } from '../frames/frame.guard.js';
import { LinkItem } from '../links/links.dto.js';
import {
  CardInvitationBody,
  CardMessages,
  CardMessagesQuery,
  CardSeen,
  CardState,
  CardWords,
  CardWritten,
} from './card.dto.js';
import { CARD, Cards } from './cards.service.js';

/** What the tab in a card asks and does; only of what its viewer may see in the CRM. */
@ApiTags('Bitrix24')
@ApiBearerAuth('card')
@UseGuards(FrameGuard)
@Controller('b24/card/api')
export class CardController {
  constructor(
    private readonly cards: Cards,
    private readonly entries: AuditRepository,
  ) {}

  @Get('state')
  @ApiOperation({ summary: 'Whose card it is, its conversations and invitations' })
  state(@LookedAtBy(CARD) viewer: Viewer): Promise<CardState> {
    return this.cards.state(viewer);
  }

  @Get('chats/:id/messages')
  @ApiOperation({ summary: 'A conversation, newest first' })
  messages(
    @LookedAtBy(CARD) viewer: Viewer,
    @Param('id') id: string,
    @Query() query: CardMessagesQuery,
    @Headers('accept-language') reader: string | undefined,
  ): Promise<CardMessages> {
    return this.cards.messages(viewer, idIn(id), query, reader);
  }

  @Post('chats/:id/messages')
  @HttpCode(200)
  @ApiOperation({
    summary: 'Write to the client in the name of whoever looks, whoever wrote last',
    description:
      'The dialog shows what was written, marked as such. 409 `key_reused`: the key is of another message; `attachment_gone`: attach the files again.',
  })
  async write(
    @LookedAtBy(CARD) viewer: Viewer,
    @Param('id') id: string,
    @Body() words: CardWords,
  ): Promise<CardWritten> {
    return this.cards.write(viewer, idIn(id), words);
  }

  @Put('chats/:id/files/:name')
  @RouteConfig(TAKES_FILE)
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOperation({
    summary: 'Keep the body as a file of a message that is about to be written',
    description: 'Up to 50 MB; it waits for its message for a day.',
  })
  keepFile(
    @LookedAtBy(CARD) viewer: Viewer,
    @Param('id') id: string,
    @Param('name') name: string,
    @Req() { body }: FastifyRequest,
  ): Promise<MessageFile> {
    return this.cards.keepFile(viewer, idIn(id), name, body);
  }

  @Post('chats/:id/seen')
  @HttpCode(204)
  @ApiOperation({ summary: 'They have seen the conversation up to this message' })
  seen(@LookedAtBy(CARD) viewer: Viewer, @Param('id') id: string, @Body() { messageId }: CardSeen): Promise<void> {
    return this.cards.seen(viewer, idIn(id), BigInt(messageId));
  }

  @Post('invitations')
  @HttpCode(200)
  @ApiOperation({ summary: 'A link for the client of the card; one that can still be used is given again' })
  async invite(@LookedAtBy(CARD) viewer: Viewer, @Body() { lineId }: CardInvitationBody): Promise<LinkItem> {
    const { link, isNew } = await this.cards.invite(viewer, lineId);
    if (!isNew) return link;
    await this.entries.record({
      actor: personOf(viewer),
      action: 'link.create',
      subject: `link:${link.id}`,
      portalId: viewer.portalId,
      detail: { lineId: link.lineId, name: link.name },
    });
    return link;
  }

  @Get('invitations/:id/qr.svg')
  @Header('content-type', 'image/svg+xml')
  @ApiOperation({ summary: 'An invitation of the card as a QR code' })
  svg(@LookedAtBy(CARD) viewer: Viewer, @Param('id') id: string): Promise<string> {
    return this.cards.qrCode(viewer, idIn(id));
  }
}

function idIn(text: string): bigint {
  if (/^\d{1,18}$/.test(text)) return BigInt(text);
  throw new Problem(404, 'not_found', `There is nothing with the id ${text}.`);
}
