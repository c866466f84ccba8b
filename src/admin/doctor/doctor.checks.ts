import { readBoundHandlers, reconcileHandlers } from '../../connector/install/event-handlers.js';
import { fieldsOf, isYes } from '../../bitrix/php-values.reader.js';
import type { Environment } from '../../config/environment.js';
import type { LineConfig } from '../../connector/dialogs/line-config.parser.js';
import { mayUseCrm } from '../../crm/entities/crm-entity.js';
import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import type { BotFacts } from '../../storage/history/overview.repository.js';
import type { Hindrance } from '../../storage/history/waiting-work.repository.js';
import {
  ILL,
  NO_WEBHOOK_ADDRESS,
  STORING_FAILS,
  type EndpointTrouble,
} from '../../storage/work/endpoints.repository.js';
import type { BotCondition } from '../../telegram/bots/bot-health.js';
import type { LineState } from '../../storage/prisma/client.js';
import type { Check } from './doctor.dto.js';
import { shownStateReason } from '../../common/state-reasons.js';
import { finding } from './finding.js';

/** A message that waited this long is stuck, not slow; seconds. */
const STUCK_SECONDS = 300;

/** Telegram's words for a certificate that it does not accept (getWebhookInfo.last_error_message). */
const CERTIFICATE = /certificate|\bSSL\b/i;

/** What the environment lacks. `storedApplications`: how many there are beside the one of B24_CLIENT_ID. */
export function environmentChecks(environment: Environment, storedApplications = 0): Check[] {
  return [publicUrlCheck(environment), applicationCheck(environment, storedApplications), secretCheck(environment)];
}

function publicUrlCheck({ publicUrl, oauthOrigin }: Environment): Check {
  if (publicUrl === undefined) return finding('public_url', 'public_url.missing', {});
  const reachable = publicUrl.startsWith('https:') || oauthOrigin !== undefined;
  return finding('public_url', reachable ? 'public_url.ok' : 'public_url.plain', { url: publicUrl });
}

function applicationCheck({ B24_CLIENT_ID, B24_CLIENT_SECRET }: Environment, stored: number): Check {
  if (B24_CLIENT_ID && B24_CLIENT_SECRET) return finding('application', 'application.ok', { stored });
  return stored > 0
    ? finding('application', 'application.stored', { stored })
    : finding('application', 'application.missing', {});
}

function secretCheck({ B24_HANDLER_SECRET }: Environment): Check {
  return finding('handler_secret', B24_HANDLER_SECRET ? 'handler_secret.ok' : 'handler_secret.missing', {});
}

/** Whether there is anything to connect at all. */
export function inventoryChecks(portals: PortalView[], bots: BotFacts[]): Check[] {
  const connected = portals.filter(({ state }) => state === 'active').length;
  const serving = bots.filter(({ state }) => state !== 'disabled').length;
  return [
    finding('portals', connected > 0 ? 'portals.some' : 'portals.none', { active: connected, all: portals.length }),
    finding('bots', serving > 0 ? 'bots.some' : 'bots.none', { active: serving, all: bots.length }),
  ];
}

/** @param oldestSeconds for how long the work that waits longest has been waiting; null: nothing waits. */
export function queueCheck(oldestSeconds: number | null): Check {
  if (oldestSeconds === null) return finding('queue', 'queue.empty', {});
  const code = oldestSeconds < STUCK_SECONDS ? 'queue.moving' : 'queue.stuck';
  return finding('queue', code, { seconds: Math.round(oldestSeconds) });
}

/**
 * What our own tables say of a bot. A bot out of service is so on purpose: nothing is wrong with it.
 *
 * @param trouble what its driver has met and not overcome
 */
export function botChecks(bot: BotFacts, portals: PortalView[], driven: boolean, trouble?: EndpointTrouble): Check[] {
  const named = { bot: botName(bot) };
  const prefix = `bot:${bot.id}`;
  if (bot.state === 'disabled') return [finding(`${prefix}:state`, 'bot.disabled', named)];
  const portal = portals.find(({ id }) => id === bot.portalId);
  return [
    bot.state === 'active'
      ? finding(`${prefix}:state`, 'bot.active', named)
      : finding(`${prefix}:state`, `bot.${bot.state}`, { ...named, ...reasonOf(bot.stateReason) }),
    portal && bot.lineId
      ? finding(`${prefix}:line`, 'bot.line', { ...named, line: bot.lineId, portal: portal.domain })
      : finding(`${prefix}:line`, 'bot.no_line', { ...named, botId: bot.id.toString() }),
    finding(`${prefix}:driven`, driven ? 'bot.driven' : 'bot.idle', named),
    // Of a conflict or a refused token the state has told already.
    ...(trouble && driven && bot.state === 'active' ? [illCheck(bot, trouble)] : []),
  ];
}

function illCheck(bot: BotFacts, { code, detail, since }: EndpointTrouble): Check {
  const id = `bot:${bot.id}:health`;
  const told = { bot: botName(bot), since: since.toISOString(), said: detail };
  if (code === STORING_FAILS) return finding(id, 'bot.storing_fails', told);
  if (code === NO_WEBHOOK_ADDRESS) return finding(id, 'bot.no_webhook_address', { bot: told.bot });
  return code === ILL
    ? finding(id, 'bot.ill', { ...told, cause: null })
    : finding(id, 'bot.ill', { ...told, cause: code, said: `${code}: ${detail}` });
}

/** Why a bot or a portal is in its state: readable, and in its parts. */
function reasonOf(kept: string | null) {
  const { stateReason: reason, stateCode: reasonCode, stateSaid: said } = shownStateReason(kept);
  return { reason, reasonCode, said };
}

/** Nothing is said while nothing hinders its answers. */
export function answerChecks(bot: BotFacts, hindrance: Hindrance | undefined): Check[] {
  if (!hindrance || bot.state === 'disabled') return [];
  const { silenced, silentUntil, failing, failure } = hindrance;
  const named = { bot: botName(bot) };
  const checks: Check[] = [];
  if (silentUntil) {
    const told = { ...named, until: silentUntil.toISOString(), waiting: silenced };
    checks.push(finding(`bot:${bot.id}:silenced`, 'bot.silenced', told));
  }
  if (failing > 0) {
    const told = { ...named, count: failing, said: failure ?? '' };
    checks.push(finding(`bot:${bot.id}:answers`, 'bot.answers_fail', told));
  }
  return checks;
}

/** What Telegram says of a bot. */
export function reachedCheck(bot: BotFacts, condition: BotCondition): Check {
  const id = `bot:${bot.id}:telegram`;
  const named = { bot: condition.username ? `@${condition.username}` : botName(bot) };
  const said = condition.detail ?? '';
  switch (condition.code) {
    case 'ok': {
      const { mode, pending, seesGroups } = condition;
      return finding(id, 'bot.reached', { ...named, mode, pending, seesGroups });
    }
    case 'conflict':
      return finding(id, 'bot.conflict', { ...named, ...reasonOf(condition.detail) });
    case 'webhook_elsewhere':
      return finding(id, condition.mode === 'polling' ? 'bot.hook_left' : 'bot.hook_elsewhere', named);
    case 'webhook_failing':
      return finding(id, CERTIFICATE.test(said) ? 'bot.hook_certificate' : 'bot.hook_fails', { ...named, said });
    case 'token_refused':
      return finding(id, 'bot.token_refused', { ...named, said });
    case 'gone':
      return finding(id, 'bot.unknown', named);
    default:
      return finding(id, 'bot.unreachable', { ...named, said });
  }
}

export function botName(bot: Pick<BotFacts, 'id' | 'username'>): string {
  return bot.username ? `@${bot.username}` : `Bot ${bot.id}`;
}

/** Where the application of a portal is installed again: a path of this service, or the Market of the portal. */
export type Installation = { path: string } | 'market';

const DEFAULT_INSTALLATION: Installation = { path: '/b24/install?redirect=1' };

/**
 * What our own tables say of a portal. A removed one that no bot serves any more was removed on purpose.
 *
 * @param installation null: the application is none of ours
 */
export function portalChecks(
  portal: PortalView,
  lines: string[],
  driven: boolean,
  installation: Installation | null = DEFAULT_INSTALLATION,
): Check[] {
  const prefix = `portal:${portal.id}`;
  const named = { portal: portal.domain };
  const again = installation ?? DEFAULT_INSTALLATION;
  const install = again === 'market' ? null : again.path;
  const state = stateCheck(portal, install);
  if (portal.state !== 'active') return [state];
  const tokens = { valid: portal.tokens.filter((token) => token.state === 'valid').length, all: portal.tokens.length };
  const { clientId } = portal;
  return [
    state,
    finding(`${prefix}:application`, installation ? 'portal.application' : 'portal.foreign_application', {
      ...named,
      clientId,
    }),
    tokens.valid > 0
      ? finding(`${prefix}:tokens`, 'portal.tokens', { ...named, ...tokens })
      : finding(`${prefix}:tokens`, 'portal.no_tokens', { ...named, ...tokens, install }),
    finding(`${prefix}:crm`, mayUseCrm(portal) ? 'portal.crm' : 'portal.no_crm', named),
    finding(`${prefix}:driven`, driven ? 'portal.driven' : 'portal.idle', named),
    lines.length > 0
      ? finding(`${prefix}:lines`, 'portal.lines', { ...named, lines: lines.join(', ') })
      : finding(`${prefix}:lines`, 'portal.no_lines', { ...named, portalId: portal.id.toString() }),
    ...lines.map((line) => {
      const bot = portal.bots.find((candidate) => candidate.lineId === line);
      const id = `${prefix}:line:${line}:bot`;
      return bot
        ? finding(id, 'line.bot', { ...named, line, bot: botName(bot) })
        : finding(id, 'line.no_bot', { ...named, line });
    }),
  ];
}

function stateCheck({ id, domain, state, stateReason, bots }: PortalView, install: string | null): Check {
  const named = { portal: domain };
  const reason = reasonOf(stateReason);
  const name = `portal:${id}:state`;
  if (state === 'active') return finding(name, 'portal.active', named);
  if (state === 'reauthorise') return finding(name, 'portal.reauthorise', { ...named, ...reason, install });
  if (bots.length === 0) return finding(name, 'portal.gone', { ...named, ...reason });
  const served = bots.map((bot) => `${botName(bot)} (${bot.id})`).join(', ');
  return finding(name, 'portal.uninstalled', { ...named, ...reason, bots: served });
}

/** @param result of app.info. */
export function installedCheck(portal: PortalView, result: unknown): Check {
  const installed = isYes(fieldsOf(result)?.INSTALLED);
  const code = installed ? 'portal.installed' : 'portal.not_installed';
  return finding(`portal:${portal.id}:installed`, code, { portal: portal.domain });
}

/** @param result of event.get: our handler must be bound exactly once for each event. */
export function handlerCheck(portal: PortalView, result: unknown, handlerUrl: string | undefined): Check {
  const id = `portal:${portal.id}:handler`;
  const named = { portal: portal.domain };
  if (!handlerUrl) return finding(id, 'portal.events_unknown', named);
  const { stale, missing } = reconcileHandlers(readBoundHandlers(result), handlerUrl);
  if (missing.length + stale.length === 0) return finding(id, 'portal.events', named);
  return finding(id, 'portal.events_wrong', {
    ...named,
    portalId: portal.id.toString(),
    missing: missing.join(', '),
    stale: stale.map((row) => row.event).join(', '),
  });
}

/** What Bitrix24 says about a line itself; null: there is no such line, undefined: it does not say. */
type KnownConfig = LineConfig | null | undefined;

/** @param status result of imconnector.status for the line. */
export function lineChecks(portal: PortalView, line: string, status: unknown, config: KnownConfig): Check[] {
  const prefix = `portal:${portal.id}:line:${line}`;
  const where = { portal: portal.domain, line };
  const bot = portal.bots.find(({ lineId }) => lineId === line);
  const botId = bot ? bot.id.toString() : null;
  const connector = connectorCheck(
    `${prefix}:connector`,
    { ...where, portalId: portal.id.toString(), botId },
    status,
    config,
  );
  if (!config) return [connector];
  const enabled = config.enabled
    ? finding(`${prefix}:enabled`, 'line.on', where)
    : finding(`${prefix}:enabled`, 'line.off', { ...where, botId });
  return [connector, enabled];
}

function connectorCheck(
  id: string,
  { botId, portalId, ...where }: { portal: string; line: string; portalId: string; botId: string | null },
  status: unknown,
  config: KnownConfig,
): Check {
  const { STATUS, CONFIGURED, ERROR } = (status ?? {}) as Record<string, unknown>;
  if (STATUS === true) return finding(id, 'line.active', where);
  if (config === null) return finding(id, 'line.gone', { ...where, botId });
  const fault = ERROR === true ? 'line.in_error' : CONFIGURED === true ? 'line.not_ready' : 'line.not_active';
  return finding(id, fault, { ...where, portalId });
}

/** What the same answers mean for the line in our own table. */
export function lineStateOf(status: unknown, config: KnownConfig): LineState {
  const { STATUS } = (status ?? {}) as Record<string, unknown>;
  if (STATUS === true) return config?.enabled === false ? 'inactive' : 'active';
  return config === null ? 'deleted' : 'inactive';
}
