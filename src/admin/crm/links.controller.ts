import { Body, Delete, Get, Header, HttpCode, Param, Patch, Post, Query, StreamableFile } from '@nestjs/common';
import { ApiOperation, ApiResponse } from '@nestjs/swagger';
import { LinkChangeBody, LinkItem, NewLinkBody } from '../../crm/links/links.dto.js';
import { linkItem, LinksService } from '../../crm/links/links.service.js';
import type { LinkRow } from '../../storage/crm/links.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, canAccess, portalFor, Requires, signatureOf, type Caller } from '../access/caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { idOf, IdPipe, notFound } from '../id.pipe.js';
import { ChosenPortal } from './chosen-portal.js';
import { arrivalItem, ArrivalPage, ArrivalsQuery } from './arrivals.dto.js';
import { LinkPage, LinksQuery } from './links.dto.js';

/** Links to bots, their QR codes, and how many clients came by them. */
@AdminController('links')
export class LinksController {
  constructor(
    private readonly links: LinksService,
    private readonly chosen: ChosenPortal,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Links, newest first, with the clients who came by them' })
  async list(@Query() { limit, cursor, portal, bot }: LinksQuery, @CalledBy() caller: Caller): Promise<LinkPage> {
    const filter = { portalId: portalFor(caller, idOf(portal)), botId: idOf(bot), before: decodeCursor(cursor) };
    return pageOf(await this.links.list(filter, limit + 1), limit, linkItem);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One link' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<LinkItem> {
    return linkItem(await this.find(id, caller));
  }

  @Get(':id/arrivals')
  @ApiOperation({ summary: 'Who came by the link, newest first, and what the CRM was told of it' })
  async arrivals(
    @Param('id', IdPipe) id: bigint,
    @Query() { limit, cursor }: ArrivalsQuery,
    @CalledBy() caller: Caller,
  ): Promise<ArrivalPage> {
    const link = await this.find(id, caller);
    return pageOf(await this.links.arrivalsOf(link, limit + 1, decodeCursor(cursor)), limit, arrivalItem);
  }

  @Post()
  @Requires('operator')
  @Audited('link.create')
  @ApiOperation({
    summary: 'Make a link, or with `entity` an invitation: whoever comes by it is bound to that deal, lead or contact',
    description: 'With `code`, a payload of links that others make gets a name, and a campaign in the CRM.',
  })
  async make(@Body() { portalId, lineId, ...wish }: NewLinkBody, @CalledBy() caller: Caller): Promise<LinkItem> {
    const place = { portalId: await this.chosen.portal(idOf(portalId), caller), lineId };
    return linkItem(await this.links.make(place, wish, signatureOf(caller)));
  }

  @Patch(':id')
  @Requires('operator')
  @Audited('link.update')
  @ApiOperation({ summary: 'Change name, campaign, welcome text, expiry, or whether it is for one person' })
  async change(
    @Param('id', IdPipe) id: bigint,
    @Body() body: LinkChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<LinkItem> {
    await this.find(id, caller);
    const link = await this.links.change(id, body);
    if (!link) throw notFound('No link', id);
    return linkItem(link);
  }

  @Delete(':id')
  @HttpCode(204)
  @Requires('operator')
  @Audited('link.remove')
  @ApiOperation({ summary: 'Delete a link with what was counted of it; clients keep their dialogs' })
  async remove(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<void> {
    await this.find(id, caller);
    await this.links.remove(id);
  }

  @Get(':id/qr.svg')
  @Header('content-type', 'image/svg+xml')
  @ApiOperation({ summary: 'The link as a QR code, for print' })
  @ApiResponse({ status: 200, content: { 'image/svg+xml': { schema: { type: 'string' } } } })
  async svg(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<string> {
    return this.links.svg(await this.find(id, caller));
  }

  @Get(':id/qr.png')
  @ApiOperation({ summary: 'The link as a QR code, as a picture' })
  @ApiResponse({ status: 200, content: { 'image/png': { schema: { type: 'string', format: 'binary' } } } })
  async png(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<StreamableFile> {
    return new StreamableFile(await this.links.png(await this.find(id, caller)), { type: 'image/png' });
  }

  private async find(id: bigint, caller: Caller): Promise<LinkRow> {
    const link = await this.links.find(id);
    if (!link || !canAccess(caller, link.portalId)) throw notFound('No link', id);
    return link;
  }
}
