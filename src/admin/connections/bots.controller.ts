import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiBody, ApiOperation } from '@nestjs/swagger';
import { Problem } from '../../common/problem.js';
import { apiRootsOf } from '../../config/bot-api-servers.js';
import { PortalLifecycleService } from '../../connector/install/portal-lifecycle.service.js';
import { failedSteps } from '../../connector/install/registration-steps.js';
import type { ServedLine } from '../../relay/line-bots.js';
import { BotsService } from '../../telegram/bots/bots.service.js';
import { AdminController } from '../access/admin.decorator.js';
import { ListQuery } from '../admin.dto.js';
import { BotChangeBody, NewBotBody } from './bot-bodies.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, canAccess, portalFor, type Caller } from '../access/caller.js';
import { FailedSteps } from '../access/failed-steps.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { BotItem, BotPage, ChangedBot } from './bots.dto.js';
import { IdPipe, notFound } from '../id.pipe.js';

/** Telegram bots, and the portal and line each serves. */
@AdminController('bots')
export class BotsController {
  constructor(
    private readonly bots: BotsService,
    private readonly lifecycle: PortalLifecycleService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Bots, newest first' })
  async list(@Query() query: ListQuery, @CalledBy() caller: Caller): Promise<BotPage> {
    const which = { before: decodeCursor(query.cursor), portalId: caller.portalId ?? undefined };
    const rows = (await this.bots.page(query.limit + 1, which)).map((view) => ({ id: BigInt(view.id), view }));
    return pageOf(rows, query.limit, (row) => shownTo(caller, row.view));
  }

  @Get(':id')
  @ApiOperation({ summary: 'One bot' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<BotItem> {
    return shownTo(caller, await this.find(id, caller));
  }

  @Post()
  @Audited('bot.create')
  @ApiOperation({ summary: 'Take a bot into service; its token is checked with Telegram first' })
  async create(
    @Body() body: NewBotBody,
    @CalledBy() caller: Caller,
    @FailedSteps() failed: string[],
  ): Promise<ChangedBot> {
    assertStaysWith(caller, body.portalId ?? null);
    assertServer(caller, body);
    return this.moved(null, await this.bots.create(body), failed);
  }

  @Patch(':id')
  @Audited('bot.update')
  @ApiBody({
    type: BotChangeBody,
    examples: {
      line: { summary: 'Serve another line', value: { portalId: '1', lineId: '1' } },
      server: { summary: 'Its own Bot API server', value: { apiRoot: 'http://10.0.0.5:8081', apiKind: 'local' } },
      webhook: { summary: 'Receive by webhook', value: { mode: 'webhook' } },
      off: { summary: 'Take it out of service', value: { enabled: false } },
    },
  })
  @ApiOperation({ summary: 'Change the line, the mode, the token, or whether the bot is in service' })
  async update(
    @Param('id', IdPipe) id: bigint,
    @Body() body: BotChangeBody,
    @CalledBy() caller: Caller,
    @FailedSteps() failed: string[],
  ): Promise<ChangedBot> {
    const before = await this.find(id, caller);
    if (body.portalId !== undefined) assertStaysWith(caller, body.portalId);
    assertServer(caller, body);
    const bot = await this.bots.update(id, body);
    const stays = body.portalId === undefined && body.lineId === undefined;
    return stays ? bot : this.moved(before, bot, failed);
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('bot.remove')
  @ApiOperation({ summary: 'Remove a bot with its chats and their history' })
  async remove(
    @Param('id', IdPipe) id: bigint,
    @CalledBy() caller: Caller,
    @FailedSteps() failed: string[],
  ): Promise<void> {
    const bot = await this.find(id, caller);
    const { webhookRemoved } = await this.bots.remove(id);
    if (!webhookRemoved) failed.push('deleteWebhook');
    failed.push(...failedSteps(await this.lifecycle.botMoved(servedBy(bot), null)));
  }

  /** The portals are told. */
  private async moved(before: BotItem | null, bot: BotItem, failed: string[]): Promise<ChangedBot> {
    const steps = await this.lifecycle.botMoved(before && servedBy(before), servedBy(bot));
    const undone = steps.filter(({ ok }) => !ok);
    failed.push(...failedSteps(undone));
    return undone.length > 0 ? { ...bot, failedSteps: undone } : bot;
  }

  private async find(id: bigint, caller: Caller): Promise<BotItem> {
    const bot = await this.bots.one(id);
    if (!bot || !canAccess(caller, bot.portalId === null ? null : BigInt(bot.portalId))) throw notFound('No bot', id);
    return bot;
  }
}

function servedBy({ portalId, lineId }: BotItem): ServedLine | null {
  return portalId && lineId ? { portalId: BigInt(portalId), lineId } : null;
}

/** The path of a relay may be its secret: only who may change it sees it. */
function shownTo(caller: Caller, bot: BotItem): BotItem {
  if (bot.apiRoot === null || mayChangeServers(caller)) return bot;
  const origins = apiRootsOf(bot.apiRoot).map((root) => new URL(root).origin);
  return { ...bot, apiRoot: origins.join(',') };
}

/** The bot's token goes to its server, and the server may be any address of our network. */
function assertServer(caller: Caller, { apiRoot, apiKind }: Pick<BotChangeBody, 'apiRoot' | 'apiKind'>): void {
  if ((apiRoot === undefined && apiKind === undefined) || mayChangeServers(caller)) return;
  throw new Problem(
    403,
    'limited_to_portal',
    `The key is limited to portal ${caller.portalId}: the Bot API server of a bot is chosen by owners of all portals.`,
  );
}

const mayChangeServers = ({ role, portalId }: Caller) => role === 'owner' && portalId === null;

/** A bot without a portal, or of another one, would be out of the caller's sight: they can neither make nor leave it so. */
function assertStaysWith(caller: Caller, portalId: string | null): void {
  if (portalId !== null) portalFor(caller, BigInt(portalId));
  else if (caller.portalId !== null) {
    throw new Problem(
      403,
      'limited_to_portal',
      `The key is limited to portal ${caller.portalId}: its bots serve a line of it. Give portalId and lineId.`,
      { portalId: caller.portalId.toString() },
    );
  }
}
