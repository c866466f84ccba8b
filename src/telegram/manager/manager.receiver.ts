import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { pause } from '../../common/pause.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { ManagerBotsRepository } from '../../storage/accounts/manager-bots.repository.js';
import type { BotApi } from '../api/telegram.client.js';
import { ManagerBotService } from './manager-bot.service.js';
import { CANNOT_MANAGE, CONFLICT, SERVES_A_LINE, WEBHOOK_ELSEWHERE } from './manager-trouble.js';
import { ManagerDesk, type Replies } from './manager-desk.js';
import { MANAGER_UPDATES, readManagerUpdate } from './manager-update.parser.js';

/** Shorter than what one process may be silent for before another one reads; seconds. */
const POLL_SECONDS = 8;
/** After a conflict: long enough for the other program to cut it off, short enough to show a recovery soon; seconds. */
const PROBE_SECONDS = 5;
/** While another process reads, or something is wrong. */
const AGAIN_MS = 5_000;
/** How often it is looked whether the bot may (still) manage others. */
const WHO_AM_I_MS = 300_000;
/** Tries of an answer to a person, and the longest pause between two. Others wait meanwhile. */
const REPLY_TRIES = 3;
const LONGEST_REPLY_PAUSE_MS = 10_000;

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
        const updates = await api.polls.getUpdates(
          { ...(offset === undefined ? {} : { offset }), timeout, allowed_updates: MANAGER_UPDATES },
          signal,
        );
        await this.managers.heard(id, username);
        if (trouble !== null) this.logger.log('Bots can be made through the manager bot');
        trouble = null;
        for (const update of updates) {
          const event = readManagerUpdate(update);
          const replies = event ? await this.desk.handle(event, username) : [];
          offset = update.update_id + 1;
          await this.reply(replies, api);
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

  /** What people are told is no reason to keep others waiting: after a few tries, or a refusal, it is left. */
  private async reply(replies: Replies, { calls }: BotApi): Promise<void> {
    for (const reply of replies) {
      for (let attempt = 1; attempt <= REPLY_TRIES && !this.stopping.signal.aborted; attempt++) {
        try {
          await reply(calls);
          break;
        } catch (error) {
          if (!(error instanceof UpstreamError)) throw error;
          this.logger.warn({ code: error.code, err: error }, 'The manager bot could not answer somebody');
          if (error.kind === 'refused' || error.kind === 'unauthorised') break;
          const waitMs = Math.min(error.retryAfterMs ?? attempt * 1_000, LONGEST_REPLY_PAUSE_MS);
          if (attempt < REPLY_TRIES) await pause(waitMs, this.stopping.signal);
        }
      }
    }
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
