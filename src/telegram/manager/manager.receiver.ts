import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import type { Update } from '@grammyjs/types';
import { pause } from '../../common/pause.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { ManagerBotsRepository } from '../../storage/accounts/manager-bots.repository.js';
import type { BotCalls } from '../api/bot-api.js';
import type { BotApi } from '../api/telegram.client.js';
import { ManagerBotService } from './manager-bot.service.js';
import { CANNOT_MANAGE, CONFLICT, SERVES_A_LINE, WEBHOOK_ELSEWHERE } from './manager-trouble.js';
import { ManagerDesk } from './manager-desk.js';
import { MANAGER_UPDATES, readManagerUpdate } from './manager-update.parser.js';

/** Shorter than what one process may be silent for before another one reads; seconds. */
const POLL_SECONDS = 8;
/** What Telegram takes beyond the time that it was to wait. */
const ANSWER_SECONDS = 5;
/** After a conflict: long enough for the other program to cut it off, short enough to show a recovery soon; seconds. */
const PROBE_SECONDS = 5;
/** While another process reads, or something is wrong. */
const AGAIN_MS = 5_000;
/** How often it is looked whether the bot may (still) manage others. */
const WHO_AM_I_MS = 300_000;
/** Tries of an update that cannot be stored while others can. */
const TRIES = 3;

/**
 * Reads the updates of the manager bot, in one process at a time. Telegram keeps an update until what it means is
 * committed: only then is the next one asked for. What comes twice does no harm.
 */
@Injectable()
export class ManagerReceiver implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ManagerReceiver.name);
  private readonly reader = `${hostname()}-${process.pid}-${randomBytes(3).toString('hex')}`;
  private readonly stopping = new AbortController();
  private running: Promise<void> | undefined;
  /** Updates that could not be stored, and how often that was tried. */
  private readonly failed = new Map<number, number>();

  constructor(
    private readonly manager: ManagerBotService,
    private readonly managers: ManagerBotsRepository,
    private readonly bots: BotsRepository,
    private readonly desk: ManagerDesk,
  ) {}

  onApplicationBootstrap(): void {
    const { identity } = this.manager;
    if (identity) this.running = this.run(identity.telegramId, identity.api);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.running;
    const { identity } = this.manager;
    if (!identity) return;
    await this.managers.leave(identity.telegramId, this.reader).catch((error: unknown) => {
      this.logger.debug({ err: error }, 'Another process reads the updates of the manager bot a little later');
    });
  }

  private async run(id: bigint, api: BotApi): Promise<void> {
    const { signal } = this.stopping;
    let offset: number | undefined;
    let introducedAt = -Infinity;
    let username = '';
    let isReader = false;
    /** Null: nothing is known to be wrong. Another program shows only while a poll lasts. */
    let trouble: string | null = null;
    while (!signal.aborted) {
      try {
        if (!(await this.managers.read(id, this.reader))) {
          // Updates of that time are the other one's to confirm.
          offset = undefined;
          introducedAt = -Infinity;
          isReader = false;
          await pause(AGAIN_MS, signal);
          continue;
        }
        // What the reader before this one found counts until a poll shows otherwise.
        if (!isReader) trouble = (await this.managers.find(id))?.trouble ?? null;
        isReader = true;
        const isIntroduced = performance.now() - introducedAt <= WHO_AM_I_MS;
        if (!isIntroduced) {
          username = await this.introduce(id, api, signal);
          introducedAt = performance.now();
        }
        const probe = trouble === CONFLICT || trouble === WEBHOOK_ELSEWHERE ? PROBE_SECONDS : 0;
        const timeout = isIntroduced && trouble === null ? POLL_SECONDS : probe;
        const updates = await this.poll(api, offset, timeout);
        await this.managers.heard(id, username);
        if (trouble !== null) this.logger.log('Bots can be made through the manager bot');
        trouble = null;
        for (const update of updates) {
          await this.handle(update, username, api);
          offset = update.update_id + 1;
        }
      } catch (error) {
        if (signal.aborted) return;
        // It is asked anew who it is: that ends the trouble, or names it.
        introducedAt = -Infinity;
        const code = troubleOf(error);
        if (trouble !== code) this.logger.warn({ err: error }, 'The manager bot does not work; trying again');
        trouble = code;
        await this.noteTrouble(id, error);
        await pause(retryAfterMs(error), signal);
      }
    }
  }

  private async poll({ polls }: BotApi, offset: number | undefined, timeout: number): Promise<Update[]> {
    const over = new AbortController();
    const end = () => over.abort();
    // One that hangs is over before another process may read.
    const limit = setTimeout(end, (timeout + ANSWER_SECONDS) * 1_000);
    this.stopping.signal.addEventListener('abort', end, { once: true });
    try {
      const from = offset === undefined ? {} : { offset };
      return await polls.getUpdates({ ...from, timeout, allowed_updates: MANAGER_UPDATES }, over.signal);
    } finally {
      clearTimeout(limit);
      this.stopping.signal.removeEventListener('abort', end);
    }
  }

  /** Its user name. Throws where no bots can be made through it. */
  private async introduce(id: bigint, api: BotApi, signal: AbortSignal): Promise<string> {
    const me = await api.calls.getMe(undefined, signal);
    if (await this.bots.findByTelegramId(id)) {
      throw new ManagerTrouble(SERVES_A_LINE, me.username, 'The bot of TG_MANAGER_BOT_TOKEN serves an open line.');
    }
    if (!me.can_manage_bots) {
      const detail = '“Bot Management Mode” is off in the settings of the bot at @BotFather.';
      throw new ManagerTrouble(CANNOT_MANAGE, me.username, detail);
    }
    // A leftover webhook would make every poll a 409. Pending updates stay.
    await api.calls.deleteWebhook({ drop_pending_updates: false }, signal);
    return me.username;
  }

  /** Resolves when all that it means is committed. One that is tried in vain is passed over: others wait behind it. */
  private async handle(update: Update, manager: string, { calls }: BotApi): Promise<void> {
    const event = readManagerUpdate(update);
    if (!event) return;
    const { update_id: updateId } = update;
    try {
      const toast = await this.desk.handle({ updateId, event, manager });
      this.failed.delete(updateId);
      if (event.kind === 'press' && toast !== null) void this.show(toast, event.queryId, calls);
    } catch (error) {
      const tries = (this.failed.get(updateId) ?? 0) + 1;
      if (isStorageUnavailable(error) || tries < TRIES) {
        if (!isStorageUnavailable(error)) this.failed.set(updateId, tries);
        throw error;
      }
      this.failed.delete(updateId);
      this.logger.error(
        { err: error, kind: event.kind },
        'An update of the manager bot cannot be stored; it is passed over',
      );
    }
  }

  /** For as long as the button is looked at: what becomes of the press is told in a message, too. */
  private async show(text: string, queryId: string, calls: BotCalls): Promise<void> {
    await calls
      .answerCallbackQuery({ callback_query_id: queryId, text }, this.stopping.signal)
      .catch((error: unknown) => {
        this.logger.debug({ err: error }, 'A press of a button of the manager bot could not be answered');
      });
  }

  private async noteTrouble(id: bigint, error: unknown): Promise<void> {
    if (!(error instanceof UpstreamError || error instanceof ManagerTrouble)) return;
    const { detail } = error;
    const who = error instanceof ManagerTrouble ? { username: error.username } : {};
    await this.managers.troubled(id, { ...who, trouble: troubleOf(error), detail }).catch((cause: unknown) => {
      this.logger.debug({ err: cause }, 'The trouble of the manager bot could not be saved');
    });
  }
}

/** Why no bots can be made through the manager bot; not an error of a call. */
class ManagerTrouble extends Error {
  override readonly name = 'ManagerTrouble';
  constructor(
    readonly code: string,
    readonly username: string,
    readonly detail: string,
  ) {
    super(detail);
  }
}

function troubleOf(error: unknown): string {
  if (!(error instanceof UpstreamError || error instanceof ManagerTrouble)) return 'internal_error';
  return error.code === CONFLICT && /webhook/i.test(error.detail) ? WEBHOOK_ELSEWHERE : error.code;
}

function retryAfterMs(error: unknown): number {
  return error instanceof UpstreamError ? Math.max(error.retryAfterMs ?? 0, AGAIN_MS) : AGAIN_MS;
}
