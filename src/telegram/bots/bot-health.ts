import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../common/upstream-error.js';
import type { Verdict } from '../../relay/line-bots.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { RunningBots, type RunningBot } from './running-bots.js';

/** A webhook error older than this no longer counts; milliseconds. */
const RECENT_MS = 300_000;
const OK: Verdict = { ok: true, code: 'ok' };
export type WebhookInfo = Awaited<ReturnType<RunningBot['api']['calls']['getWebhookInfo']>>;
type Received = Pick<RunningBot, 'mode' | 'state' | 'webhookUrl'>;

/** What Telegram says about a bot; `detail` is in its words or, for a conflict, in ours. */
export type BotCondition =
  | {
      code: 'ok';
      username: string;
      mode: RunningBot['mode'];
      /** Updates that wait at Telegram. */
      pending: number;
      /** Every message in groups; otherwise commands and answers to itself (core.telegram.org/bots/features#privacy-mode). */
      seesGroups: boolean;
      detail?: undefined;
    }
  | { code: 'webhook_elsewhere'; username: string; mode: RunningBot['mode']; detail?: undefined }
  | { code: 'conflict'; username: string; detail: string | null }
  | { code: 'webhook_failing'; username: string; detail: string }
  | { code: 'token_refused' | 'telegram_unreachable'; username: string | null; detail: string }
  | { code: 'gone'; username: null; detail?: undefined };

/**
 * Whether the bot's updates reach us, judged by what Telegram says about its webhook and by whether a replica drives it.
 * The first problem counts: `disabled`, `conflict`, `not_driven`, `webhook_elsewhere`, `webhook_failing`.
 */
export function receptionOf(bot: Received, hook: WebhookInfo, driven: boolean, now: number): Verdict {
  if (bot.state === 'disabled') return { ok: false, code: 'disabled' };
  if (bot.state === 'conflict') return { ok: false, code: 'conflict' };
  if (!driven) return { ok: false, code: 'not_driven' };
  if ((hook.url ?? '') !== (bot.mode === 'webhook' ? bot.webhookUrl : '')) {
    return { ok: false, code: 'webhook_elsewhere' };
  }
  const failedMs = now - (hook.last_error_date ?? 0) * 1000;
  if (bot.mode === 'webhook' && failedMs < RECENT_MS && (hook.pending_update_count ?? 0) > 0) {
    return { ok: false, code: 'webhook_failing', detail: hook.last_error_message };
  }
  return OK;
}

/** Asks Telegram about the health of a bot. */
@Injectable()
export class BotHealth {
  constructor(
    private readonly bots: BotsRepository,
    private readonly running: RunningBots,
  ) {}

  /** For the doctor: does Telegram accept the token, and does it deliver updates? Whether a replica drives it is checked elsewhere. */
  async check(id: bigint): Promise<BotCondition> {
    const row = await this.bots.find(id);
    if (!row) return { code: 'gone', username: null };
    const bot = this.running.open(row);
    const { calls } = bot.api;
    try {
      const { username, can_read_all_group_messages: seesGroups = false } = await calls.getMe();
      const hook = await calls.getWebhookInfo();
      const { code, detail } = receptionOf(bot, hook, true, Date.now());
      const { mode } = bot;
      if (code === 'conflict') return { code, username, detail: bot.stateReason };
      if (code === 'webhook_elsewhere') return { code, username, mode };
      if (code === 'webhook_failing') return { code, username, detail: detail ?? 'no reason given' };
      return { code: 'ok', username, mode, pending: hook.pending_update_count, seesGroups };
    } catch (error) {
      const { username } = row;
      if (!(error instanceof UpstreamError)) return { code: 'telegram_unreachable', username, detail: String(error) };
      return { code: codeOf(error), username, detail: `${error.code}: ${error.detail}` };
    }
  }

  /** For the settings page: the same as two verdicts, `driven` as the tables say. */
  async verdicts(bot: RunningBot, driven: () => Promise<boolean>): Promise<{ token: Verdict; updates: Verdict }> {
    const { calls } = bot.api;
    try {
      await calls.getMe();
      const [hook, isDriven] = await Promise.all([calls.getWebhookInfo(), driven()]);
      return { token: OK, updates: receptionOf(bot, hook, isDriven, Date.now()) };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      const verdict = { ok: false, code: codeOf(error), detail: error.detail };
      return { token: verdict, updates: verdict };
    }
  }
}

function codeOf({ kind }: UpstreamError): 'token_refused' | 'telegram_unreachable' {
  return kind === 'unauthorised' || kind === 'refused' ? 'token_refused' : 'telegram_unreachable';
}
