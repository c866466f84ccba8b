import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { ApplicationsService, type Application } from '../../bitrix/applications.service.js';
import { Environment } from '../../config/environment.js';
import { AdminController } from '../access/admin.decorator.js';
import { ListQuery } from '../admin.dto.js';
import { ApplicationChangeBody, ApplicationItem, ApplicationPage, NewApplicationBody } from './applications.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { Requires } from '../access/caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { IdPipe } from '../id.pipe.js';

/** Applications of Bitrix24: each local one with its portal, those of the Market with many. */
@AdminController('applications')
@Requires('owner', { everyPortal: true })
export class ApplicationsController {
  constructor(
    private readonly applications: ApplicationsService,
    private readonly environment: Environment,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Applications, newest first; the one of B24_CLIENT_ID is the last' })
  async list(@Query() query: ListQuery): Promise<ApplicationPage> {
    const before = decodeCursor(query.cursor);
    const [all, counts] = await Promise.all([this.applications.list(), this.applications.portalCounts()]);
    const rows = all
      .map((application) => ({ id: application.id ?? 0n, application }))
      .filter((row) => before === undefined || row.id < before);
    return pageOf(rows, query.limit, ({ application }) => this.item(application, counts));
  }

  @Post()
  @Audited('application.create')
  @ApiOperation({ summary: 'Serve the portals of one more application' })
  async create(@Body() body: NewApplicationBody): Promise<ApplicationItem> {
    return this.item(await this.applications.create(body), await this.applications.portalCounts());
  }

  @Patch(':id')
  @Audited('application.update')
  @ApiOperation({ summary: 'Change an application; a new secret counts at once for all of its portals' })
  async update(@Param('id', IdPipe) id: bigint, @Body() body: ApplicationChangeBody): Promise<ApplicationItem> {
    return this.item(await this.applications.update(id, body), await this.applications.portalCounts());
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('application.remove')
  @ApiOperation({ summary: 'Forget an application that no portal uses' })
  async remove(@Param('id', IdPipe) id: bigint): Promise<void> {
    await this.applications.remove(id);
  }

  private item(application: Application, portals: Map<string, number>): ApplicationItem {
    const { id, clientId, name, portalOrigin, connectorId, lineId, caCertificates, createdAt } = application;
    const { publicUrl } = this.environment;
    const start = id === null ? '?redirect=1' : `?application=${id}&redirect=1`;
    return {
      id: id?.toString() ?? null,
      clientId,
      name,
      domain: portalOrigin && portalOrigin.replace(/^https:\/\//, ''),
      connectorId,
      lineId,
      caCertificates,
      source: id === null ? 'environment' : 'stored',
      portals: portals.get(clientId) ?? 0,
      installUrl: publicUrl && portalOrigin ? `${publicUrl}/b24/install${start}` : null,
      handlerPath: publicUrl ? `${publicUrl}/b24/oauth/callback` : null,
      installPath: publicUrl ? `${publicUrl}/b24/install` : null,
      createdAt,
    };
  }
}
