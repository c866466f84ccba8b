import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { Problem } from '../../common/problem.js';
import { SETTINGS_API } from '../../connector/settings/settings-api.controller.js';
import { OpenedBy, personOf, SettingsGuard } from '../../connector/settings/settings.guard.js';
import type { SettingsSession } from '../../connector/settings/settings-sessions.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { LinkRow } from '../../storage/crm/links.repository.js';
import { mayUseCrm } from '../entities/crm-entity.js';
import { LineLinkBody, LinkItem } from './links.dto.js';
import { linkItem, LinksService } from './links.service.js';

const SHOWN_AT_MOST = 100;

/** Links of a line, for its settings page. */
export class LineLinks {
  @ApiProperty({ type: [LinkItem], description: 'Newest first.' })
  items: LinkItem[];

  /** The application may use the CRM; otherwise links only count. */
  crm: boolean;
}

/** What the settings page does with links; only with those of the line for which it was opened. */
@ApiTags('Bitrix24')
@ApiBearerAuth('settings page')
@UseGuards(SettingsGuard)
@Controller(`${SETTINGS_API.slice(1)}/links`)
export class SettingsLinksController {
  constructor(
    private readonly links: LinksService,
    private readonly portals: PortalsRepository,
    private readonly entries: AuditRepository,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Links to the bot of the line, newest first' })
  async list(@OpenedBy() { portalId, lineId }: SettingsSession): Promise<LineLinks> {
    const portal = await this.portals.findById(portalId);
    const rows = await this.links.list({ portalId, lineId }, SHOWN_AT_MOST);
    return { items: rows.map(linkItem), crm: portal !== undefined && mayUseCrm(portal) };
  }

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Make a link to the bot of the line' })
  async make(@OpenedBy() session: SettingsSession, @Body() body: LineLinkBody): Promise<LinkItem> {
    const link = await this.links.make(session, body, personOf(session));
    await this.record(session, 'link.create', link);
    return linkItem(link);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a link, and what was counted of it' })
  async remove(@OpenedBy() session: SettingsSession, @Param('id') id: string): Promise<void> {
    const link = await this.find(session, id);
    await this.links.remove(link.id);
    await this.record(session, 'link.remove', link);
  }

  @Get(':id/qr.svg')
  @Header('content-type', 'image/svg+xml')
  @ApiOperation({ summary: 'The link as a QR code' })
  async svg(@OpenedBy() session: SettingsSession, @Param('id') id: string): Promise<string> {
    return this.links.svg(await this.find(session, id));
  }

  private async find({ portalId, lineId }: SettingsSession, id: string): Promise<LinkRow> {
    const link = /^\d{1,18}$/.test(id) ? await this.links.find(BigInt(id)) : null;
    if (link?.portalId === portalId && link.lineId === lineId) return link;
    throw new Problem(404, 'not_found', 'The line has no such link.');
  }

  private async record(session: SettingsSession, action: string, { id, name }: LinkRow): Promise<void> {
    const { portalId, lineId } = session;
    const entry = { actor: personOf(session), action, subject: `link:${id}`, portalId, detail: { lineId, name } };
    await this.entries.record(entry);
  }
}
