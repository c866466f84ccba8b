import { Get, Param } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { PortalLinesService, type AskedLines } from '../../connector/install/portal-lines.service.js';
import { PortalViewsRepository, type PortalView } from '../../storage/accounts/portal-views.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { CalledBy, canAccess, type Caller } from '../access/caller.js';
import { IdPipe, notFound } from '../id.pipe.js';
import { LineItem, LineList } from './lines.dto.js';

/** The open lines of a portal. */
@AdminController('portals/:id/lines')
export class LinesController {
  constructor(
    private readonly portals: PortalViewsRepository,
    private readonly lines: PortalLinesService,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Open lines of a portal, with the bot of each',
    description: 'Names come from the portal itself and are at most a few seconds old.',
  })
  async list(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<LineList> {
    const portal = canAccess(caller, id) ? await this.portals.portal(id) : null;
    if (!portal) throw notFound('No portal', id);
    return lineList(portal, await this.lines.list(id));
  }
}

/** Every line that the portal names or that we know, by number. */
function lineList(portal: PortalView, { configs, error }: AskedLines): LineList {
  const named = new Map(configs?.map((config) => [config.lineId, config]));
  const known = new Map(portal.lines.map((line) => [line.lineId, line]));
  const served = new Map(portal.bots.flatMap((bot) => (bot.lineId === null ? [] : [[bot.lineId, bot] as const])));
  const ids = [...new Set([...named.keys(), ...known.keys(), ...served.keys()])];
  const items = ids
    .toSorted((a, b) => Number(a) - Number(b))
    .map((lineId): LineItem => {
      const [config, line, bot] = [named.get(lineId), known.get(lineId), served.get(lineId)];
      return {
        lineId,
        name: config?.name ?? null,
        enabled: config?.enabled ?? null,
        state: line?.state ?? null,
        bot: bot ? { id: bot.id.toString(), username: bot.username, name: bot.name } : null,
        operatorName: line?.operatorName ?? 'hidden',
        operatorNameTemplate: line?.operatorNameTemplate ?? null,
        welcomeText: line?.welcomeText ?? null,
        startOpensSession: line?.startOpensSession ?? false,
        welcomeAsksPhone: line?.welcomeAsksPhone ?? false,
      };
    });
  return { items, asked: configs !== null, error };
}
