import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { inParts } from '../../common/half-done.js';
import { shownStateReason } from '../../common/state-reasons.js';
import { LineOperatorsService } from '../../connector/dialogs/line-operators.service.js';
import { PortalLifecycleService } from '../../connector/install/portal-lifecycle.service.js';
import { lineChange, LineChangeBody } from '../../connector/settings/line-change.dto.js';
import { LineConnections } from '../../connector/install/line-connections.service.js';
import { failedSteps } from '../../connector/install/registration-steps.js';
import { RegistrationService } from '../../connector/install/registration.service.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { PortalViewsRepository, type PortalView, linesOf } from '../../storage/accounts/portal-views.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { ListQuery } from '../admin.dto.js';
import { LineBody, LineQuery, PortalChangeBody } from './portal-bodies.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, Requires, canAccess, type Caller } from '../access/caller.js';
import { FailedSteps } from '../access/failed-steps.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { IdPipe, notFound } from '../id.pipe.js';
import { ConnectorStatusList, PortalItem, PortalPage, RegistrationReport, RemovedPortal } from './portals.dto.js';

/** Portals that installed the application, and our connector in their open lines. */
@AdminController('portals')
export class PortalsController {
  constructor(
    private readonly views: PortalViewsRepository,
    private readonly lines: LinesRepository,
    private readonly registration: RegistrationService,
    private readonly lineConnections: LineConnections,
    private readonly portals: PortalsRepository,
    private readonly lifecycle: PortalLifecycleService,
    private readonly operators: LineOperatorsService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Portals, newest first' })
  async list(@Query() { limit, cursor }: ListQuery, @CalledBy() caller: Caller): Promise<PortalPage> {
    const rows = await this.views.portals(limit + 1, decodeCursor(cursor), caller.portalId ?? undefined);
    return pageOf(rows, limit, portalItem);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One portal' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<PortalItem> {
    return portalItem(await this.find(id, caller));
  }

  @Patch(':id')
  @Requires('owner')
  @Audited('portal.change')
  @ApiOperation({
    summary: 'For how long the messages of a portal are kept, and how many REST requests it takes',
    description:
      'Once an hour, messages and events that are older than `retentionDays` are erased with all that hangs on them ' +
      '(files’ names, revisions, attempts, words); one of which something still waits to be sent stays until it is. ' +
      'Chats stay. null: everything is kept for ever. `requestsPerSecond` and `requestBurst` are those of the portal’s ' +
      'plan (5 and 250 on Enterprise) or of the box; every replica keeps to them within 10 seconds.',
  })
  async change(
    @Param('id', IdPipe) id: bigint,
    @Body() { retentionDays, ...bucket }: PortalChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<PortalItem> {
    await this.find(id, caller);
    return inParts(async (part) => {
      if (retentionDays !== undefined) {
        await this.portals.setRetention(id, retentionDays);
        part('retentionDays');
      }
      if (Object.values(bucket).some((value) => value !== undefined)) await this.portals.setBucket(id, bucket);
      return portalItem(await this.find(id, caller));
    });
  }

  @Post(':id/connector/register')
  @HttpCode(200)
  @Requires('operator')
  @Audited('portal.register')
  @ApiOperation({ summary: 'Register the connector, bind the events and activate the lines again; may be repeated' })
  async register(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<RegistrationReport> {
    await this.find(id, caller);
    return this.registration.register(id);
  }

  @Post(':id/connector/activate')
  @HttpCode(200)
  @Requires('operator')
  @Audited('portal.activate')
  @ApiOperation({ summary: 'Switch the connector on in one open line' })
  async activate(
    @Param('id', IdPipe) id: bigint,
    @Body() { lineId }: LineBody,
    @CalledBy() caller: Caller,
  ): Promise<RegistrationReport> {
    await this.find(id, caller);
    return this.lineConnections.activate(id, lineId);
  }

  @Post(':id/connector/deactivate')
  @HttpCode(200)
  @Requires('operator')
  @Audited('portal.deactivate')
  @ApiOperation({ summary: 'Switch the connector off in one open line' })
  async deactivate(
    @Param('id', IdPipe) id: bigint,
    @Body() { lineId }: LineBody,
    @CalledBy() caller: Caller,
  ): Promise<RegistrationReport> {
    await this.find(id, caller);
    return this.lineConnections.deactivate(id, lineId);
  }

  @Get(':id/connector/status')
  @ApiOperation({ summary: 'What the portal says about the connector in one line, or in each line that has it' })
  async status(
    @Param('id', IdPipe) id: bigint,
    @Query() { lineId }: LineQuery,
    @CalledBy() caller: Caller,
  ): Promise<ConnectorStatusList> {
    const portal = await this.find(id, caller);
    const lines = lineId ? [lineId] : linesOf(portal);
    return { items: await Promise.all(lines.map((line) => this.lineConnections.status(id, line))) };
  }

  @Patch(':id/lines/:lineId')
  @Requires('operator')
  @Audited('portal.line')
  @ApiOperation({
    summary: 'What clients of one open line read: before an operator’s words, and when they press Start',
  })
  async changeLine(
    @Param('id', IdPipe) id: bigint,
    @Param('lineId', IdPipe) lineId: bigint,
    @Body() body: LineChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<PortalItem> {
    await this.find(id, caller);
    if (!(await this.lines.change(id, lineId.toString(), lineChange(body)))) {
      throw notFound('No line of this portal', lineId);
    }
    void this.operators.refresh({ portalId: id, lineId: lineId.toString() });
    return portalItem(await this.find(id, caller));
  }

  @Delete(':id')
  @HttpCode(202)
  @Audited('portal.remove')
  @ApiOperation({
    summary: 'Remove a portal with everything that was said there',
    description:
      'The connector is taken out of the portal where that is possible, then no call is made to it any more and its data are erased, as after an uninstallation with CLEAN. Its bots stay; an installation brings it back.',
  })
  async remove(
    @Param('id', IdPipe) id: bigint,
    @CalledBy() caller: Caller,
    @FailedSteps() failed: string[],
  ): Promise<RemovedPortal> {
    await this.find(id, caller);
    failed.push(...failedSteps(await this.lifecycle.remove(id)));
    const { state, stateReason } = portalItem(await this.find(id, caller));
    return { id: id.toString(), state, stateReason };
  }

  private async find(id: bigint, caller: Caller): Promise<PortalView> {
    const portal = canAccess(caller, id) ? await this.views.portal(id) : null;
    if (!portal) throw notFound('No portal', id);
    return portal;
  }
}

/** A portal as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
function portalItem(portal: PortalView): PortalItem {
  return {
    ...portal,
    ...shownStateReason(portal.stateReason),
    id: portal.id.toString(),
    tokens: portal.tokens.map((token) => ({ ...token, ...shownStateReason(token.stateReason) })),
    bots: portal.bots.map((bot) => ({ ...bot, id: bot.id.toString() })),
  };
}
