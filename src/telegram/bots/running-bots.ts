import { Injectable } from '@nestjs/common';
import { languageOf, type Language } from '../../common/language.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { botEndpoint } from '../../storage/work/endpoint-id.js';
import type { Bot, BotMode, BotState } from '../../storage/prisma/client.js';
import { TelegramClient, type BotApi } from '../api/telegram.client.js';
import { BotSecrets } from './bot-secrets.js';

/** A bot with its secrets decrypted, for the drivers and the webhook. */
export interface RunningBot {
  id: bigint;
  mode: BotMode;
  state: BotState;
  stateReason: string | null;
  nextOffset: bigint | null;
  webhookSecret: string | null;
  /** Null: neither PUBLIC_URL nor TG_WEBHOOK_URL is known. */
  webhookUrl: string | null;
  api: BotApi;
}

/** How long a row is cached, in milliseconds: another replica may change it. */
const CACHE_MS = 5_000;
const MAX_CACHED = 10_000;
/** The last part of a webhook's address. */
const KEY = /^[A-Za-z0-9_-]+$/;

/** The bot was removed, here or by another replica. */
export class BotGoneError extends Error {
  override readonly name = 'BotGoneError';
}

/** Bots ready for use: rows read a moment ago, secrets decrypted, connections kept. */
@Injectable()
export class RunningBots {
  private readonly cache = new Map<string, { until: number; value: Promise<unknown> }>();
  /** Rows whose secrets were already decrypted: every update of a webhook asks for the same one. */
  private readonly opened = new WeakMap<Bot, RunningBot>();
  private readonly clients = new Map<string, BotApi>();

  constructor(
    private readonly bots: BotsRepository,
    private readonly portals: PortalsRepository,
    private readonly secrets: BotSecrets,
    private readonly telegram: TelegramClient,
    private readonly events: RelayEvents,
    private readonly environment: Environment,
  ) {}

  /** At most five seconds old. Throws {@link BotGoneError}. */
  async find(id: bigint): Promise<RunningBot> {
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

  /** The row with its secrets decrypted. */
  open(bot: Bot): RunningBot {
    const known = this.opened.get(bot);
    if (known) return known;
    const running: RunningBot = {
      id: bot.id,
      mode: bot.mode,
      state: bot.state,
      stateReason: bot.stateReason,
      nextOffset: bot.nextOffset,
      webhookSecret: this.secrets.openWebhookSecret(bot),
      webhookUrl: this.webhookUrl(bot),
      api: this.api(bot),
    };
    this.opened.set(bot, running);
    return running;
  }

  /** The bot was changed or removed here: drops what was cached, and its driver reads it again. */
  changed(id: bigint): void {
    this.cache.clear();
    this.events.emit('changed', botEndpoint(id));
  }

  private async cached<Value>(key: string, read: () => Promise<Value>): Promise<Value> {
    const entry = this.cache.get(key);
    if (entry && entry.until > Date.now()) return entry.value as Promise<Value>;
    const value = read();
    if (this.cache.size > MAX_CACHED) this.cache.clear();
    this.cache.set(key, { until: Date.now() + CACHE_MS, value });
    value.catch(() => this.cache.delete(key));
    return value;
  }

  /** One client per stored token and server: its connections stay, and a new token gets a new client. */
  private api(bot: Bot): BotApi {
    const key = [bot.token, bot.apiRoot ?? '', bot.apiKind ?? ''].join(' ');
    let api = this.clients.get(key);
    if (!api) {
      if (this.clients.size > MAX_CACHED) this.clients.clear();
      api = this.telegram.bot(this.secrets.openToken(bot), bot);
      this.clients.set(key, api);
    }
    return api;
  }

  private webhookUrl(bot: Bot): string | null {
    const base = this.environment.webhookBase;
    if (!base) return null;
    return bot.isDefault ? `${base}/tg/webhook` : `${base}/tg/webhook/${bot.key}`;
  }
}
