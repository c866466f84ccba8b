import { Injectable, Logger } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { BotSecrets, newWebhookKey } from './bot-secrets.js';
import { RunningBots } from './running-bots.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import type { Bot, BotMode, BotState } from '../../storage/prisma/client.js';
import { TelegramClient } from '../api/telegram.client.js';

/** A bot without its secrets, as people see it. */
export interface BotView {
  id: string;
  /** Last part of its webhook address. */
  key: string;
  telegramId: string;
  username: string | null;
  name: string | null;
  mode: BotMode;
  portalId: string | null;
  lineId: string | null;
  state: BotState;
  stateReason: string | null;
  isDefault: boolean;
  createdAt: Date;
}

export interface BotChange {
  token?: string;
  mode?: BotMode;
  enabled?: boolean;
  /** Both or neither; null takes the bot off its line. */
  portalId?: string | null;
  lineId?: string | null;
}

/** As @BotFather gives it; the number before the colon is the bot's Telegram id. */
const TOKEN = /^(\d+):[A-Za-z0-9_-]+$/;
/** Takes bots into service, changes and removes them: who each is, and which line it serves. */
@Injectable()
export class BotsService {
  private readonly logger = new Logger(BotsService.name);
  constructor(
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly secrets: BotSecrets,
    private readonly running: RunningBots,
    private readonly telegram: TelegramClient,
    private readonly events: RelayEvents,
    private readonly environment: Environment,
  ) {}

  /** All, or those that serve a line of the portal. */
  async list(portalId?: bigint): Promise<BotView[]> {
    const bots = portalId === undefined ? this.bots.list() : this.bots.listByPortal(portalId);
    return (await bots).map(view);
  }

  /**
   * Takes a bot into service. Telegram is asked who it is first. Throws a Problem: 422 when Telegram refuses the
   * token or the portal is unknown, 409 when the bot exists or the line has a bot, 503 when Telegram cannot be asked.
   */
  async create(wish: { token: string; portalId?: string; lineId?: string; mode?: BotMode }): Promise<BotView> {
    const token = wish.token.trim();
    const me = await this.whoIs(token);
    const line = await this.line(wish.portalId, wish.lineId);
    if (await this.bots.findByTelegramId(BigInt(me.id))) {
      throw botExists(me.username);
    }
    if (line) await this.assertLineFree(line);
    const mode = wish.mode ?? 'polling';
    if (mode === 'webhook') this.assertPublicUrl();
    const telegramId = BigInt(me.id);
    const bot = await this.bots
      .create({
        key: newWebhookKey(),
        telegramId,
        token: this.secrets.sealToken(telegramId, token),
        webhookSecret: this.secrets.sealWebhookSecret(telegramId),
        mode,
        username: me.username,
        name: me.first_name,
      })
      .catch((error: unknown) => {
        // Somebody else created it a moment earlier.
        throw (error as { code?: string }).code === '23505' ? botExists(me.username) : error;
      });
    if (line) await this.assign(bot.id, line);
    return this.view(bot.id);
  }

  /** Changes a bot; see {@link create} for the problems, and 404 when there is none. */
  async update(id: bigint, change: BotChange): Promise<BotView> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    const mode = change.mode ?? bot.mode;
    if (mode === 'webhook') this.assertPublicUrl();
    if (change.token !== undefined) {
      const token = change.token.trim();
      const me = await this.whoIs(token);
      if (BigInt(me.id) !== bot.telegramId) {
        throw new Problem(
          422,
          'another_bot',
          `This token belongs to @${me.username}, another bot; add that one with POST /admin/bots.`,
        );
      }
      await this.bots.update(id, {
        token: this.secrets.sealToken(bot.telegramId, token),
        username: me.username,
        name: me.first_name,
      });
      if (bot.state === 'unauthorised') await this.bots.setState(id, 'active', null);
    }
    if (mode !== bot.mode) await this.bots.update(id, { mode });
    if (change.enabled !== undefined) {
      await this.bots.setState(
        id,
        change.enabled ? 'active' : 'disabled',
        change.enabled ? null : 'Switched off by an administrator',
      );
    }
    if (change.portalId !== undefined || change.lineId !== undefined) {
      const line = await this.line(
        change.portalId === undefined ? bot.portalId?.toString() : change.portalId,
        change.lineId === undefined ? bot.lineId : change.lineId,
      );
      if (line) await this.assertLineFree(line, id);
      await this.assign(id, line);
      this.tellPortal(bot);
    }
    this.running.changed(id);
    return this.view(id);
  }

  /** Removes the bot with its chats and their history, and takes its webhook down if Telegram can be reached. */
  async remove(id: bigint): Promise<void> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    await this.bots.setState(id, 'disabled', 'Being removed');
    this.running.changed(id);
    const { calls } = this.running.open(bot).api;
    await calls.deleteWebhook({ drop_pending_updates: false }).catch((error: unknown) => {
      this.logger.warn({ botId: String(id), err: error }, 'The webhook of a removed bot could not be taken down');
    });
    await this.bots.remove(id);
    this.running.changed(id);
    this.tellPortal(bot);
  }

  /** The bot of a token, in Telegram's words. Throws a Problem as {@link create}. */
  async whoIs(token: string): Promise<{ id: number; username: string; first_name: string }> {
    if (!TOKEN.test(token))
      throw new Problem(422, 'bad_token', 'A bot token looks like 123456:AA…, as @BotFather gave it.');
    try {
      return await this.telegram.bot(token).calls.getMe();
    } catch (error) {
      if (error instanceof UpstreamError && (error.kind === 'unauthorised' || error.kind === 'refused')) {
        throw new Problem(
          422,
          'token_refused',
          `Telegram refuses this token (${error.detail}). Ask @BotFather for the current one.`,
        );
      }
      if (error instanceof UpstreamError) {
        throw new Problem(
          503,
          'telegram_unreachable',
          `Telegram could not be asked about this token (${error.code}). Try again; see TG_API_ROOT and TG_PROXY_URL.`,
        );
      }
      throw error;
    }
  }

  private async line(
    portalId: string | null | undefined,
    lineId: string | null | undefined,
  ): Promise<{ portalId: bigint; lineId: string } | null> {
    if (!portalId && !lineId) return null;
    if (!portalId || !lineId)
      throw new Problem(422, 'line_incomplete', 'portalId and lineId go together: give both, or neither.');
    const portal = /^\d{1,18}$/.test(portalId) ? await this.portals.findById(BigInt(portalId)) : undefined;
    if (!portal) throw new Problem(422, 'unknown_portal', `There is no portal ${portalId}; see GET /admin/portals.`);
    return { portalId: portal.id, lineId };
  }

  private async assertLineFree(line: { portalId: bigint; lineId: string }, except?: bigint): Promise<void> {
    const serving = await this.bots.findByLine(line.portalId, line.lineId);
    if (serving && serving.id !== except) throw lineTaken(line.lineId);
  }

  /** Tells the dialogs of its line what was still waiting for the bot. */
  private tellPortal({ portalId }: Pick<Bot, 'portalId'>): void {
    if (portalId !== null) this.events.emit('work', [portalEndpoint(portalId)]);
  }

  private async assign(id: bigint, line: { portalId: bigint; lineId: string } | null): Promise<void> {
    try {
      await this.bots.assign(id, line);
    } catch (error) {
      if ((error as { code?: string }).code === '23505' && line) throw lineTaken(line.lineId);
      throw error;
    }
    this.running.changed(id);
    if (line) this.events.emit('work', [portalEndpoint(line.portalId)]);
  }

  private assertPublicUrl(): void {
    if (!this.environment.webhookBase) {
      throw new Problem(422, 'no_public_url', 'A webhook needs PUBLIC_URL: set it, or use mode "polling".');
    }
  }

  private async view(id: bigint): Promise<BotView> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    return view(bot);
  }
}

function view(bot: Bot): BotView {
  return {
    id: bot.id.toString(),
    key: bot.key,
    telegramId: bot.telegramId.toString(),
    username: bot.username,
    name: bot.name,
    mode: bot.mode,
    portalId: bot.portalId?.toString() ?? null,
    lineId: bot.lineId,
    state: bot.state,
    stateReason: bot.stateReason,
    isDefault: bot.isDefault,
    createdAt: bot.createdAt,
  };
}

const notFound = (id: bigint) => new Problem(404, 'unknown_bot', `There is no bot ${id}; see GET /admin/bots.`);
const botExists = (username: string) =>
  new Problem(409, 'bot_exists', `@${username} is in service already; change it with PATCH /admin/bots/:id.`);
const lineTaken = (lineId: string) =>
  new Problem(
    409,
    'line_taken',
    `Line ${lineId} is served by another bot. A line has one bot: move or remove that one first.`,
  );
