import { randomBytes } from 'node:crypto';
import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { languageOf, type Language } from '../../common/language.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { ApplicationsRepository } from '../../storage/accounts/applications.repository.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { encryptionContext, EncryptionService } from '../../storage/secrets/encryption.service.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { botEndpoint, portalEndpoint } from '../../storage/work/endpoint-id.js';
import type { Bot, BotMode, BotState } from '../../storage/prisma/client.js';
import { TelegramClient, type BotApi } from '../api/telegram.client.js';

/** A bot as people see it: without anything secret. */
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

/** A bot with its secrets in the clear, for the drivers and the webhook. */
export interface RunningBot {
  id: bigint;
  mode: BotMode;
  state: BotState;
  stateReason: string | null;
  nextOffset: bigint | null;
  webhookSecret: string | null;
  webhookUrl: string | null;
  api: BotApi;
}

export interface BotChange {
  token?: string;
  mode?: BotMode;
  enabled?: boolean;
  /** Both or neither; null takes the bot off its line. */
  portalId?: string | null;
  lineId?: string | null;
}

const CACHE_MS = 5_000;
/** core.telegram.org/bots/features#privacy-mode */
const PRIVACY =
  'sees in groups only commands and answers to itself (privacy mode): for all messages make it an administrator there, or /setprivacy at @BotFather and add it anew';
/** As @BotFather gives it; the number before the colon is the bot's Telegram id. */
const TOKEN = /^(\d+):[A-Za-z0-9_-]+$/;
/** The last part of a webhook's address. */
const KEY = /^[A-Za-z0-9_-]+$/;

/** The bot was removed, here or by another replica. */
export class BotGoneError extends Error {
  override readonly name = 'BotGoneError';
}

/** The bots: who they are, which line each serves, and the default one that `.env` asks for. */
@Injectable()
export class BotsService implements OnApplicationBootstrap {
  private readonly logger = new Logger(BotsService.name);
  private readonly cache = new Map<string, { until: number; value: Promise<unknown> }>();
  /** Rows whose secrets were opened already: every update of a webhook asks for the same one. */
  private readonly opened = new WeakMap<Bot, RunningBot>();
  private readonly clients = new Map<string, BotApi>();

  constructor(
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly applications: ApplicationsRepository,
    private readonly encryption: EncryptionService,
    private readonly telegram: TelegramClient,
    private readonly events: RelayEvents,
    private readonly environment: Environment,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    if (this.environment.TG_BOT_TOKEN) await this.seedDefault(this.environment.TG_BOT_TOKEN);
  }

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
        key: randomBytes(18).toString('base64url'),
        telegramId,
        token: this.encryption.encrypt(token, encryptionContext('bots.token', telegramId)),
        webhookSecret: this.encryption.encrypt(
          randomBytes(32).toString('base64url'),
          encryptionContext('bots.webhook_secret', telegramId),
        ),
        mode,
        username: me.username,
        name: me.first_name,
      })
      .catch((error: unknown) => {
        // Somebody else was quicker by a moment.
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
        token: this.encryption.encrypt(token, encryptionContext('bots.token', bot.telegramId)),
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
    this.changed(id);
    return this.view(id);
  }

  /** Removes the bot with its chats and their history, and takes its webhook down if Telegram can be reached. */
  async remove(id: bigint): Promise<void> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    await this.bots.setState(id, 'disabled', 'Being removed');
    this.changed(id);
    const { calls } = this.api(bot);
    await calls.deleteWebhook({ drop_pending_updates: false }).catch((error: unknown) => {
      this.logger.warn({ botId: String(id), err: error }, 'The webhook of a removed bot could not be taken down');
    });
    await this.bots.remove(id);
    this.changed(id);
    this.tellPortal(bot);
  }

  /** For the doctor: does Telegram accept the token, and does it deliver updates? */
  async check(id: bigint): Promise<{ ok: boolean; detail: string }> {
    const bot = await this.bots.find(id);
    if (!bot) return { ok: false, detail: 'unknown bot' };
    const { calls } = this.api(bot);
    try {
      const me = await calls.getMe();
      const hook = await calls.getWebhookInfo();
      const name = `@${me.username}`;
      if (bot.state === 'conflict')
        return { ok: false, detail: `${name}: ${bot.stateReason ?? 'another program reads its updates'}` };
      if (bot.mode === 'polling' && hook.url)
        return { ok: false, detail: `${name} polls, but a webhook is set elsewhere` };
      if (bot.mode === 'webhook' && hook.url !== this.webhookUrl(bot)) {
        return { ok: false, detail: `${name}: Telegram sends updates to another address than ours` };
      }
      const failedRecently = hook.last_error_date !== undefined && Date.now() / 1000 - hook.last_error_date < 300;
      if (bot.mode === 'webhook' && failedRecently && (hook.pending_update_count ?? 0) > 0) {
        return {
          ok: false,
          detail: `${name}: Telegram cannot deliver: ${hook.last_error_message ?? 'no reason given'}`,
        };
      }
      const groups = me.can_read_all_group_messages ? 'sees every message in groups' : PRIVACY;
      return {
        ok: true,
        detail: `${name}, ${bot.mode}, ${hook.pending_update_count} updates waiting at Telegram; ${groups}`,
      };
    } catch (error) {
      return { ok: false, detail: error instanceof UpstreamError ? `${error.code}: ${error.detail}` : String(error) };
    }
  }

  /** The bot as its driver needs it; read anew each time. Throws {@link BotGoneError}. */
  async running(id: bigint): Promise<RunningBot> {
    const bot = await this.cached(`id:${id}`, () => this.bots.find(id));
    if (!bot) throw new BotGoneError(`Bot ${id} no longer exists`);
    return this.open(bot);
  }

  /** The bot that a webhook request is for: by key, or the default one. Null when there is none. */
  async receiver(key: string | undefined): Promise<RunningBot | null> {
    if (key !== undefined && !KEY.test(key)) return null;
    const bot = await this.cached(`key:${key ?? ''}`, () =>
      key === undefined ? this.bots.findDefault() : this.bots.findByKey(key),
    );
    return bot ? this.open(bot) : null;
  }

  /** Language of the placeholders that operators read: the portal's. */
  async language(id: bigint): Promise<Language> {
    return this.cached(`language:${id}`, async () => {
      const bot = await this.cached(`id:${id}`, () => this.bots.find(id));
      const portal = bot?.portalId ? await this.portals.findById(bot.portalId) : undefined;
      return languageOf(portal?.language);
    });
  }

  private async seedDefault(token: string): Promise<void> {
    const telegramId = BigInt(TOKEN.exec(token)![1]!);
    const mode: BotMode = this.environment.TG_USE_POLLING ? 'polling' : 'webhook';
    const secret = this.environment.TG_WEBHOOK_SECRET;
    const fields = {
      token: this.encryption.encrypt(token, encryptionContext('bots.token', telegramId)),
      webhookSecret: secret
        ? this.encryption.encrypt(secret, encryptionContext('bots.webhook_secret', telegramId))
        : null,
      mode,
    };
    const known = await this.bots.findByTelegramId(telegramId);
    const bot = known
      ? await this.bots.update(known.id, fields)
      : await this.bots
          .create({ ...fields, telegramId, key: randomBytes(18).toString('base64url') })
          .catch(async (error: unknown) => {
            // Another replica seeds at the same moment.
            const other = await this.bots.findByTelegramId(telegramId);
            if (!other) throw error;
            return other;
          });
    await this.bots.setDefault(bot.id);
    const { B24_LINE_ID: lineId, portalOrigin } = this.environment;
    if (bot.lineId === null && lineId) {
      // B24_LINE_ID is a line of a portal of B24_CLIENT_ID: other applications have lines of their own.
      const others = new Set((await this.applications.list()).map(({ clientId }) => clientId));
      const portals = (await this.portals.list()).filter(
        ({ state, clientId }) => state !== 'uninstalled' && !others.has(clientId),
      );
      const portal =
        portals.find((candidate) => portalOrigin && new URL(candidate.clientEndpoint).origin === portalOrigin) ??
        (portals.length === 1 ? portals[0] : undefined);
      if (portal) await this.bots.adoptUnassigned(portal.id, lineId);
    }
    this.changed(bot.id);
    // Names are for people; a Telegram that is away now must not keep the program from starting.
    void this.api(bot)
      .calls.getMe()
      .then((me) => this.bots.update(bot.id, { username: me.username, name: me.first_name }))
      .catch((error: unknown) =>
        this.logger.warn({ botId: String(bot.id), err: error }, 'getMe of the default bot failed'),
      );
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

  /** What waited for the bot in the dialogs of its line is told there. */
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
    this.changed(id);
    if (line) this.events.emit('work', [portalEndpoint(line.portalId)]);
  }

  private assertPublicUrl(): void {
    if (!this.environment.publicUrl) {
      throw new Problem(422, 'no_public_url', 'A webhook needs PUBLIC_URL: set it, or use mode "polling".');
    }
  }

  private changed(id: bigint): void {
    this.cache.clear();
    this.events.emit('changed', botEndpoint(id));
  }

  private async view(id: bigint): Promise<BotView> {
    const bot = await this.bots.find(id);
    if (!bot) throw notFound(id);
    return view(bot);
  }

  private async cached<Value>(key: string, read: () => Promise<Value>): Promise<Value> {
    const entry = this.cache.get(key);
    if (entry && entry.until > Date.now()) return entry.value as Promise<Value>;
    const value = read();
    if (this.cache.size > 10_000) this.cache.clear();
    this.cache.set(key, { until: Date.now() + CACHE_MS, value });
    value.catch(() => this.cache.delete(key));
    return value;
  }

  private open(bot: Bot): RunningBot {
    const known = this.opened.get(bot);
    if (known) return known;
    const running = this.openRow(bot);
    this.opened.set(bot, running);
    return running;
  }

  private openRow(bot: Bot): RunningBot {
    return {
      id: bot.id,
      mode: bot.mode,
      state: bot.state,
      stateReason: bot.stateReason,
      nextOffset: bot.nextOffset,
      webhookSecret:
        bot.webhookSecret === null
          ? null
          : this.encryption.decrypt(bot.webhookSecret, encryptionContext('bots.webhook_secret', bot.telegramId)),
      webhookUrl: this.webhookUrl(bot),
      api: this.api(bot),
    };
  }

  /** One client per stored token: its connections stay, and a new token gets a new client. */
  private api(bot: Bot): BotApi {
    let api = this.clients.get(bot.token);
    if (!api) {
      if (this.clients.size > 10_000) this.clients.clear();
      api = this.telegram.bot(this.encryption.decrypt(bot.token, encryptionContext('bots.token', bot.telegramId)));
      this.clients.set(bot.token, api);
    }
    return api;
  }

  private webhookUrl(bot: Bot): string | null {
    const base = this.environment.publicUrl;
    if (!base) return null;
    return bot.isDefault ? `${base}/tg/webhook` : `${base}/tg/webhook/${bot.key}`;
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
