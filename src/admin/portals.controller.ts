import { Body, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { lineChange, LineChangeBody } from '../connector/line-change.dto.js';
import {
  RegistrationService,
  type ConnectorStatus,
  type RegistrationReport,
} from '../connector/registration.service.js';
import { LinesRepository } from '../storage/lines.repository.js';
import { OverviewRepository, type PortalView } from '../storage/overview.repository.js';
import { AdminController } from './admin.decorator.js';
import { LineBody, LineQuery, ListQuery } from './admin.dto.js';
import { Audited } from './audit.interceptor.js';
import { decodeCursor, pageOf } from './cursor.js';
import { IdPipe, notFound } from './id.pipe.js';

/** Portals that installed the application, and our connector in their open lines. */
@AdminController('portals')
export class PortalsController {
  constructor(
    private readonly overview: OverviewRepository,
    private readonly lines: LinesRepository,
    private readonly registration: RegistrationService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Portals, newest first' })
  async list(@Query() query: ListQuery) {
    const rows = await this.overview.portals(query.limit + 1, decodeCursor(query.cursor));
    return pageOf(rows, query.limit, portalItem);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One portal' })
  async one(@Param('id', IdPipe) id: bigint) {
    return portalItem(await this.find(id));
  }

  @Post(':id/connector/register')
  @HttpCode(200)
  @Audited('portal.register')
  @ApiOperation({ summary: 'Register the connector, bind the events and activate the lines again; may be repeated' })
  async register(@Param('id', IdPipe) id: bigint): Promise<RegistrationReport> {
    await this.find(id);
    return this.registration.register(id);
  }

  @Post(':id/connector/activate')
  @HttpCode(200)
  @Audited('portal.activate')
  @ApiOperation({ summary: 'Switch the connector on in one open line' })
  async activate(@Param('id', IdPipe) id: bigint, @Body() { lineId }: LineBody): Promise<RegistrationReport> {
    await this.find(id);
    return this.registration.activate(id, lineId);
  }

  @Post(':id/connector/deactivate')
  @HttpCode(200)
  @Audited('portal.deactivate')
  @ApiOperation({ summary: 'Switch the connector off in one open line' })
  async deactivate(@Param('id', IdPipe) id: bigint, @Body() { lineId }: LineBody): Promise<RegistrationReport> {
    await this.find(id);
    return this.registration.deactivate(id, lineId);
  }

  @Get(':id/connector/status')
  @ApiOperation({ summary: 'What the portal says about the connector in one line, or in each line that has it' })
  async status(@Param('id', IdPipe) id: bigint, @Query() { lineId }: LineQuery): Promise<{ items: ConnectorStatus[] }> {
    const lines = lineId ? [lineId] : linesOf(await this.find(id));
    return { items: await Promise.all(lines.map((line) => this.registration.status(id, line))) };
  }

  @Patch(':id/lines/:lineId')
  @Audited('portal.line')
  @ApiOperation({
    summary: 'What clients of one open line read: before an operator’s words, and when they press Start',
  })
  async changeLine(
    @Param('id', IdPipe) id: bigint,
    @Param('lineId', IdPipe) lineId: bigint,
    @Body() body: LineChangeBody,
  ) {
    await this.find(id);
    if (!(await this.lines.change(id, lineId.toString(), lineChange(body)))) {
      throw notFound('No line of this portal', lineId);
    }
    return portalItem(await this.find(id));
  }

  private async find(id: bigint): Promise<PortalView> {
    const portal = await this.overview.portal(id);
    if (!portal) throw notFound('No portal', id);
    return portal;
  }
}

/** Lines in which the connector was activated, and lines that a bot serves. */
export function linesOf(portal: PortalView): string[] {
  const served = portal.bots.flatMap((bot) => bot.lineId ?? []);
  const active = portal.lines.filter((line) => line.state === 'active').map((line) => line.lineId);
  return [...new Set([...active, ...served])];
}

/** A portal as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
function portalItem(portal: PortalView) {
  return {
    ...portal,
    id: portal.id.toString(),
    bots: portal.bots.map((bot) => ({ ...bot, id: bot.id.toString() })),
  };
}
