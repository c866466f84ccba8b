import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import type { LineBot, LineBots, Picture, ServedLine, Verdict } from '../../relay/line-bots.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { Bot, BotMode } from '../../storage/prisma/client.js';
import { choosePhotoSize } from '../api/photo-sizes.js';
import { BotHealth } from './bot-health.js';
import { BotsService } from './bots.service.js';
import { RunningBots } from './running-bots.js';
import { asList, asText } from '../../common/json-fields.js';
import { botEndpoint } from '../../storage/work/endpoint-id.js';
import { EndpointsRepository } from '../../storage/work/endpoints.repository.js';

/** Width to ask for, in pixels; it is shown at a third of that. */
const PICTURE_WIDTH = 160;

/** What the administrator of a portal may do with bots: only by their tokens, and only in their own portal. */
@Injectable()
export class LineBotsService implements LineBots {
  constructor(
    private readonly service: BotsService,
    private readonly running: RunningBots,
    private readonly health: BotHealth,
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly endpoints: EndpointsRepository,
  ) {}

  async bot({ portalId, lineId }: ServedLine): Promise<LineBot | null> {
    const bot = await this.bots.findByLine(portalId, lineId);
    return bot && shown(bot);
  }

  async connect(
    line: ServedLine,
    { token, mode, move }: { token: string; mode: BotMode; move: boolean },
  ): Promise<{ bot: LineBot; from: string | null }> {
    const me = await this.service.whoIs(token);
    const known = await this.bots.findByTelegramId(BigInt(me.id));
    const place = { portalId: line.portalId.toString(), lineId: line.lineId };
    if (!known) {
      await this.service.create({ token, mode, ...place });
      return { bot: await this.serving(line), from: null };
    }
    const from = await this.leaves(known, line, move);
    const enabled = known.state === 'disabled' ? { enabled: true } : {};
    await this.service.update(known.id, { token, mode, ...place, ...enabled });
    return { bot: await this.serving(line), from };
  }

  async receiveBy(line: ServedLine, mode: BotMode): Promise<LineBot> {
    await this.service.update((await this.serving(line)).id, { mode });
    return this.serving(line);
  }

  async release(line: ServedLine): Promise<LineBot | null> {
    const bot = await this.bot(line);
    if (bot) await this.service.update(bot.id, { portalId: null, lineId: null });
    return bot;
  }

  async check(line: ServedLine): Promise<{ token: Verdict; updates: Verdict } | null> {
    const bot = await this.bot(line);
    if (!bot) return null;
    const running = await this.running.find(bot.id);
    return this.health.verdicts(running, () => this.endpoints.isDriven(botEndpoint(bot.id)));
  }

  async picture(line: ServedLine, signal: AbortSignal): Promise<Picture | null> {
    const row = await this.bots.findByLine(line.portalId, line.lineId);
    if (!row) return null;
    const { api } = await this.running.find(row.id);
    const { photos } = await api.calls.getUserProfilePhotos({ user_id: Number(row.telegramId), limit: 1 });
    const newest = choosePhotoSize(asList(photos)[0], { width: PICTURE_WIDTH });
    if (!newest) return null;
    const located = await api.files.locate(asText(newest.file_id), signal);
    const { handle, size } = await api.files.open(located, signal);
    return { stream: handle.createReadStream({ start: 0 }), size };
  }

  /** The line of the portal that a known bot would leave; null: it serves none, or this one. Throws a 409 Problem. */
  private async leaves(bot: Bot, line: ServedLine, move: boolean): Promise<string | null> {
    if (bot.portalId === null || bot.lineId === null) return null;
    if (bot.portalId !== line.portalId) {
      const portal = await this.portals.findById(bot.portalId);
      if (!portal || portal.state === 'uninstalled') return null;
      throw new Problem(
        409,
        'bot_elsewhere',
        'This bot serves another portal. Disconnect it there first, or make another bot at @BotFather.',
      );
    }
    if (bot.lineId === line.lineId) return null;
    if (move) return bot.lineId;
    throw new Problem(409, 'bot_on_other_line', `This bot serves line ${bot.lineId} of this portal.`, {
      lineId: bot.lineId,
    });
  }

  private async serving(line: ServedLine): Promise<LineBot> {
    const bot = await this.bot(line);
    if (!bot) throw new Problem(409, 'no_bot', 'No bot serves this line.');
    return bot;
  }
}

function shown({ id, telegramId, username, name, mode, state }: Bot): LineBot {
  return { id, telegramId, username, name, mode, state };
}
