import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../../common/upstream-error.js';
import type { Verdict } from '../../relay/client-side.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { RunningBots, type RunningBot } from './running-bots.js';

/** An error of Telegram's webhook that is older is over; milliseconds. */
const RECENT_MS = 300_000;
const OK: Verdict = { ok: true, code: 'ok' };
/** core.telegram.org/bots/features#privacy-mode */
const PRIVACY =
  'sees in groups only commands and answers to itself (privacy mode): for all messages make it an administrator there, or /setprivacy at @BotFather and add it anew';

export type WebhookInfo = Awaited<ReturnType<RunningBot['api']['calls']['getWebhookInfo']>>;
type Received = Pick<RunningBot, 'mode' | 'state' | 'webhookUrl'>;

/**
 * Whether the bot's updates reach us, by what Telegram says of its webhook and by whether a replica drives it. The first
 * trouble counts: `disabled`, `conflict`, `not_driven`, `webhook_elsewhere`, `webhook_failing`.
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

/** Asks Telegram how a bot is. */
@Injectable()
export class BotHealth {
  constructor(
    private readonly bots: BotsRepository,
    private readonly running: RunningBots,
  ) {}

  /** For the doctor: does Telegram accept the token, and does it deliver updates? Who drives it is told elsewhere. */
  async check(id: bigint): Promise<{ ok: boolean; detail: string }> {
    const row = await this.bots.find(id);
    if (!row) return { ok: false, detail: 'unknown bot' };
    const bot = this.running.open(row);
    const { calls } = bot.api;
    try {
      const me = await calls.getMe();
      const hook = await calls.getWebhookInfo();
      const reception = receptionOf(bot, hook, true, Date.now());
      const name = `@${me.username}`;
      if (!reception.ok) return { ok: false, detail: troubleInWords(name, bot, reception) };
      const groups = me.can_read_all_group_messages ? 'sees every message in groups' : PRIVACY;
      return {
        ok: true,
        detail: `${name}, ${bot.mode}, ${hook.pending_update_count} updates waiting at Telegram; ${groups}`,
      };
    } catch (error) {
      return { ok: false, detail: error instanceof UpstreamError ? `${error.code}: ${error.detail}` : String(error) };
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
      const code = error.kind === 'unauthorised' || error.kind === 'refused' ? 'token_refused' : 'telegram_unreachable';
      const verdict = { ok: false, code, detail: error.detail };
      return { token: verdict, updates: verdict };
    }
  }
}

function troubleInWords(name: string, { mode, stateReason }: RunningBot, { code, detail }: Verdict): string {
  switch (code) {
    case 'conflict':
      return `${name}: ${stateReason ?? 'another program reads its updates'}`;
    case 'webhook_elsewhere':
      return mode === 'polling'
        ? `${name} polls, but a webhook is set elsewhere`
        : `${name}: Telegram sends updates to another address than ours`;
    case 'webhook_failing':
      return `${name}: Telegram cannot deliver: ${detail ?? 'no reason given'}`;
    default:
      return `${name}: ${code}`;
  }
}
