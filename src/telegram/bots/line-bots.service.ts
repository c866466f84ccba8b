import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { ClientSource, LineBot, Picture, ServedLine, Verdict } from '../../relay/client-side.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { OverviewRepository } from '../../storage/history/overview.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { Bot, BotMode } from '../../storage/prisma/client.js';
import { BotsService, type RunningBot } from './bots.service.js';
import { asList, asNumber, asObject, asText } from '../../common/json-fields.js';
import { botEndpoint } from '../../storage/work/endpoint-id.js';

/** An error of Telegram's webhook that is older is over; milliseconds. */
const RECENT_MS = 300_000;
/** Width that is asked for, in pixels: shown at a third of it. */
const PICTURE_PIXELS = 160;
const OK: Verdict = { ok: true, code: 'ok' };

type WebhookInfo = Awaited<ReturnType<RunningBot['api']['calls']['getWebhookInfo']>>;

/** What the administrator of a portal may do with bots: only by their tokens, and only in his own portal. */
@Injectable()
export class LineBotsService implements ClientSource {
  constructor(
    private readonly service: BotsService,
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly overview: OverviewRepository,
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
    const running = await this.service.running(bot.id);
    const { calls } = running.api;
    try {
      await calls.getMe();
      const [hook, driven] = await Promise.all([calls.getWebhookInfo(), this.overview.isDriven(botEndpoint(bot.id))]);
      return { token: OK, updates: receives(running, hook, driven) };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const code = error.kind === 'unauthorised' || error.kind === 'refused' ? 'token_refused' : 'telegram_unreachable';
      const verdict = { ok: false, code, detail: error.detail };
      return { token: verdict, updates: verdict };
    }
  }

  async picture(line: ServedLine, signal: AbortSignal): Promise<Picture | null> {
    const row = await this.bots.findByLine(line.portalId, line.lineId);
    if (!row) return null;
    const { api } = await this.service.running(row.id);
    const { photos } = await api.calls.getUserProfilePhotos({ user_id: Number(row.telegramId), limit: 1 });
    const fileId = nearest(photos);
    if (!fileId) return null;
    const { handle, size } = await api.files.open(await api.files.locate(fileId, signal), signal);
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

function receives(bot: RunningBot, hook: WebhookInfo, driven: boolean): Verdict {
  if (bot.state === 'disabled') return { ok: false, code: 'disabled' };
  if (bot.state === 'conflict') return { ok: false, code: 'conflict' };
  if (!driven) return { ok: false, code: 'not_driven' };
  if ((hook.url ?? '') !== (bot.mode === 'webhook' ? bot.webhookUrl : '')) {
    return { ok: false, code: 'webhook_elsewhere' };
  }
  const failedMs = Date.now() - (hook.last_error_date ?? 0) * 1000;
  if (bot.mode === 'webhook' && failedMs < RECENT_MS && (hook.pending_update_count ?? 0) > 0) {
    return { ok: false, code: 'webhook_failing', detail: hook.last_error_message };
  }
  return OK;
}

/** File id of the newest photo in the size nearest to what is wanted. */
function nearest(photos: unknown): string | null {
  const distance = (width: unknown) => Math.abs((asNumber(width) ?? 0) - PICTURE_PIXELS);
  const [best] = asList(asList(photos)[0])
    .map(asObject)
    .sort((a, b) => distance(a.width) - distance(b.width));
  return asText(best?.file_id) || null;
}

function shown({ id, username, name, mode, state }: Bot): LineBot {
  return { id, username, name, mode, state };
}
