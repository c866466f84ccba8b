import { Injectable, Logger } from '@nestjs/common';
import { inParts } from '../../common/half-done.js';
import { Problem } from '../../common/problem.js';
import { shownStateReason, stateReason } from '../../common/state-reasons.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { type ApiKind, apiRootsOf, isLocalAtTelegram } from '../../config/bot-api-servers.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { BotSecrets, newWebhookKey } from './bot-secrets.js';
import { RunningBots } from './running-bots.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import type { Bot, BotMode, BotState } from '../../storage/prisma/client.js';
import { type OwnServer, TelegramClient } from '../api/telegram.client.js';

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
  /** Readable. */
  stateReason: string | null;
  /** Stable. */
  stateCode: string | null;
  /** What the network said. */
  stateSaid: string | null;
  isDefault: boolean;
  /** Its own Bot API servers, as TG_API_ROOT is written; null: those of the installation. */
  apiRoot: string | null;
  apiKind: ApiKind | null;
  createdAt: Date;
}

interface NewBotWish extends Partial<OwnServer> {
  token: string;
  portalId?: string;
  lineId?: string;
  mode?: BotMode;
}

export interface BotChange {
  token?: string;
  mode?: BotMode;
  enabled?: boolean;
  apiRoot?: string | null;
  apiKind?: ApiKind | null;
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

  /** Newest first, at most `limit`: of all, or of those that serve a line of the portal; `before`: ids below it. */
  async page(limit: number, which: { before?: bigint; portalId?: bigint }): Promise<BotView[]> {
    return (await this.bots.page(limit, which)).map(view);
  }

  /** null: there is none with this id. */
  async one(id: bigint): Promise<BotView | null> {
    const bot = await this.bots.find(id);
    return bot && view(bot);
  }

  /**
   * Takes a bot into service. Telegram is asked who it is first. Throws a Problem: 422 when Telegram refuses the
   * token or the portal is unknown, 409 when the bot exists or the line has a bot, 503 when Telegram cannot be asked.
   */
  async create(wish: NewBotWish): Promise<BotView> {
    const token = wish.token.trim();
    const own = this.serverOf({ apiRoot: wish.apiRoot ?? null, apiKind: wish.apiKind ?? null });
    const me = await this.whoIs(token, own);
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
        ...own,
      })
      .catch((error: unknown) => {
        // Somebody else created it a moment earlier.
        throw (error as { code?: string }).code === '23505' ? botExists(me.username) : error;
      });
    return inParts(async (part) => {
      part('bot');
      if (line) await this.assign(bot.id, line);
      return this.view(bot.id);
    });
  }

  /** Changes a bot; see {@link create} for the problems, and 404 when there is none. */
  async update(id: bigint, change: BotChange): Promise<BotView> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    const mode = change.mode ?? bot.mode;
    if (mode === 'webhook') this.assertPublicUrl();
    const own = this.serverOf({ apiRoot: bot.apiRoot, apiKind: bot.apiKind, ...given(change) });
    const changesServer = own.apiRoot !== bot.apiRoot || own.apiKind !== bot.apiKind;
    const identity = change.token === undefined ? null : await this.identityOf(bot, change.token.trim(), own);
    if (!identity && changesServer) await this.whoIs(this.secrets.openToken(bot), own);
    const moves = change.portalId !== undefined || change.lineId !== undefined;
    const line = moves ? await this.lineAfter(bot, change) : null;
    if (line) await this.assertLineFree(line, id);
    return inParts(async (part) => {
      if (changesServer) {
        // Each server numbers updates in its own way (tdlib/telegram-bot-api): another's offset could pass over some.
        await this.bots.update(id, { ...own, nextOffset: null });
        part('server');
      }
      // Before the line: the bot begins to be polled there at once.
      if (identity) {
        await this.bots.update(id, identity);
        if (bot.state === 'unauthorised') await this.bots.setState(id, 'active', null);
        part('token');
      }
      if (moves) {
        await this.assign(id, line);
        part('line');
        this.tellPortal(bot);
      }
      if (mode !== bot.mode) {
        await this.bots.update(id, { mode });
        part('mode');
      }
      if (change.enabled !== undefined) {
        const [state, reason] = change.enabled
          ? (['active', null] as const)
          : (['disabled', stateReason('switched_off')] as const);
        await this.bots.setState(id, state, reason);
        part('enabled');
      }
      this.running.changed(id);
      return this.view(id);
    });
  }

  /** The line that a bot serves after a change. */
  private lineAfter(bot: Bot, { portalId, lineId }: BotChange) {
    return this.line(
      portalId === undefined ? bot.portalId?.toString() : portalId,
      lineId === undefined ? bot.lineId : lineId,
    );
  }

  /** What is kept of a new token of the bot. */
  private async identityOf(bot: Bot, token: string, own: OwnServer) {
    const me = await this.whoIs(token, own);
    if (BigInt(me.id) !== bot.telegramId) {
      throw new Problem(
        422,
        'another_bot',
        `This token belongs to @${me.username}, another bot; add that one with POST /admin/bots.`,
        { username: me.username },
      );
    }
    return {
      token: this.secrets.sealToken(bot.telegramId, token),
      username: me.username,
      name: me.first_name,
    };
  }

  /**
   * Removes the bot with its chats and their history, and takes its webhook down if Telegram can be reached. Answers
   * whether it could.
   */
  async remove(id: bigint): Promise<{ webhookRemoved: boolean }> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    return inParts(async (part) => {
      await this.bots.setState(id, 'disabled', stateReason('being_removed'));
      part('disabled');
      this.running.changed(id);
      const webhookRemoved = await this.takeWebhookDown(bot);
      await this.bots.remove(id);
      this.running.changed(id);
      this.tellPortal(bot);
      return { webhookRemoved };
    });
  }

  private async takeWebhookDown(bot: Bot): Promise<boolean> {
    try {
      await this.running.open(bot).api.calls.deleteWebhook({ drop_pending_updates: false });
      return true;
    } catch (error) {
      this.logger.warn({ botId: String(bot.id), err: error }, 'The webhook of a removed bot could not be taken down');
      // Of a bot that was polled there was none.
      return bot.mode !== 'webhook';
    }
  }

  /** The bot of a token, in Telegram's words. Throws a Problem as {@link create}. */
  async whoIs(token: string, own?: OwnServer): Promise<{ id: number; username: string; first_name: string }> {
    if (!TOKEN.test(token))
      throw new Problem(422, 'bad_token', 'A bot token looks like 123456:AA…, as @BotFather gave it.');
    if (token.startsWith(`${this.environment.managerBotId}:`)) {
      throw new Problem(
        422,
        'manager_bot',
        'This is the bot of TG_MANAGER_BOT_TOKEN: it makes bots and serves no line.',
      );
    }
    try {
      return await this.telegram.bot(token, own).calls.getMe();
    } catch (error) {
      if (error instanceof UpstreamError && (error.kind === 'unauthorised' || error.kind === 'refused')) {
        throw new Problem(
          422,
          'token_refused',
          `Telegram refuses this token (${error.detail}). Ask @BotFather for the current one.`,
          { said: error.detail },
        );
      }
      if (error instanceof UpstreamError) {
        throw new Problem(
          503,
          'telegram_unreachable',
          `Telegram could not be asked about this token (${error.code}). Try again; see TG_API_ROOT and TG_PROXY_URL.`,
          { said: error.code },
        );
      }
      throw error;
    }
  }

  private serverOf(own: OwnServer): OwnServer {
    const roots = own.apiRoot === null ? this.environment.apiRoots : apiRootsOf(own.apiRoot);
    if (!isLocalAtTelegram(own.apiKind ?? this.environment.TG_API_KIND, roots)) return own;
    throw new Problem(
      422,
      'bad_api_kind',
      'A local Bot API server is one of your own: give its address in apiRoot, or apiKind telegram for Telegram and its relays.',
    );
  }

  private async line(
    portalId: string | null | undefined,
    lineId: string | null | undefined,
  ): Promise<{ portalId: bigint; lineId: string } | null> {
    if (!portalId && !lineId) return null;
    if (!portalId || !lineId)
      throw new Problem(422, 'line_incomplete', 'portalId and lineId go together: give both, or neither.');
    const portal = /^\d{1,18}$/.test(portalId) ? await this.portals.findById(BigInt(portalId)) : undefined;
    if (!portal) {
      throw new Problem(422, 'unknown_portal', `There is no portal ${portalId}; see GET /admin/portals.`, { portalId });
    }
    return { portalId: portal.id, lineId };
  }

  private async assertLineFree(line: { portalId: bigint; lineId: string }, except?: bigint): Promise<void> {
    const serving = await this.bots.findByLine(line.portalId, line.lineId);
    if (serving && serving.id !== except) throw lineTaken(line.lineId);
  }

  /** Tells the dialogs of its line what was still waiting for the bot. */
  private tellPortal({ portalId }: Pick<Bot, 'portalId'>): void {
    if (portalId === null) return;
    this.events.emit('work', [portalEndpoint(portalId)]);
    // What it has of its bots, such as senders of its message service, is others now.
    this.events.emit('changed', portalEndpoint(portalId));
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
    ...shownStateReason(bot.stateReason),
    isDefault: bot.isDefault,
    apiRoot: bot.apiRoot,
    apiKind: bot.apiKind,
    createdAt: bot.createdAt,
  };
}

/** What of a bot's server is to change. */
function given({ apiRoot, apiKind }: BotChange): Partial<OwnServer> {
  return { ...(apiRoot !== undefined && { apiRoot }), ...(apiKind !== undefined && { apiKind }) };
}

const notFound = (id: bigint) =>
  new Problem(404, 'unknown_bot', `There is no bot ${id}; see GET /admin/bots.`, { botId: id.toString() });
const botExists = (username: string) =>
  new Problem(409, 'bot_exists', `@${username} is in service already; change it with PATCH /admin/bots/:id.`, {
    username,
  });
const lineTaken = (lineId: string) =>
  new Problem(
    409,
    'line_taken',
    `Line ${lineId} is served by another bot. A line has one bot: move or remove that one first.`,
    { lineId },
  );
