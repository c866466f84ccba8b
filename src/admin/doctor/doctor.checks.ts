import { readBoundHandlers, reconcileHandlers } from '../../connector/install/event-handlers.js';
import { fieldsOf, isYes } from '../../bitrix/php-values.reader.js';
import type { Environment } from '../../config/environment.js';
import type { LineConfig } from '../../connector/dialogs/line-config.parser.js';
import type { BotFacts, Hindrance, PortalView } from '../../storage/history/overview.repository.js';
import type { LineState } from '../../storage/prisma/client.js';
import type { Check } from './doctor.dto.js';

/** A message that waited this long is stuck, not slow; seconds. */
const STUCK_SECONDS = 300;

export function check(id: string, ok: boolean, what: string, advice: string): Check {
  return { id, ok, what, advice: ok ? '' : advice };
}

/** What the environment lacks. `storedApplications`: how many there are beside the one of B24_CLIENT_ID. */
export function environmentChecks(environment: Environment, storedApplications = 0): Check[] {
  const { publicUrl } = environment;
  const reachable =
    publicUrl !== undefined && (publicUrl.startsWith('https:') || environment.oauthOrigin !== undefined);
  const own = Boolean(environment.B24_CLIENT_ID && environment.B24_CLIENT_SECRET);
  const application = own || storedApplications > 0;
  return [
    check(
      'public_url',
      reachable,
      publicUrl
        ? `This service is known to the outside as ${publicUrl}`
        : 'The outside address of this service is not known',
      'Set PUBLIC_URL to the https address under which Bitrix24 reaches this service.',
    ),
    check(
      'application',
      application,
      application
        ? `${own ? 'The Bitrix24 application is configured' : 'B24_CLIENT_ID is not set'}${storedApplications > 0 ? `, ${storedApplications} further ones are stored` : ''}`
        : 'The Bitrix24 application is not configured',
      'Create a local application in Bitrix24 (Developer resources) and set B24_CLIENT_ID and B24_CLIENT_SECRET, or POST /admin/applications.',
    ),
    check(
      'handler_secret',
      environment.B24_HANDLER_SECRET !== undefined,
      environment.B24_HANDLER_SECRET ? 'The event handler has a secret' : 'The event handler has no secret',
      'Set B24_HANDLER_SECRET to a long random text, then POST /admin/portals/<id>/connector/register.',
    ),
  ];
}

/** Whether there is anything to connect at all. */
export function inventoryChecks(portals: PortalView[], bots: BotFacts[]): Check[] {
  return [
    check(
      'portals',
      portals.some((portal) => portal.state === 'active'),
      `${portals.filter((portal) => portal.state === 'active').length} of ${portals.length} portals are connected`,
      'Install the application: open GET /b24/install?redirect=1 in a browser, signed in to Bitrix24 as an administrator.',
    ),
    check(
      'bots',
      bots.some((bot) => bot.state !== 'disabled'),
      `${bots.filter((bot) => bot.state !== 'disabled').length} of ${bots.length} bots are in service`,
      'Set TG_BOT_TOKEN to the token from @BotFather, or POST /admin/bots.',
    ),
  ];
}

/** @param oldestSeconds age of the message that waits longest; null: nothing waits. */
export function queueCheck(oldestSeconds: number | null): Check {
  const what =
    oldestSeconds === null ? 'No message waits' : `The oldest waiting message waits for ${Math.round(oldestSeconds)} s`;
  return check(
    'queue',
    oldestSeconds === null || oldestSeconds < STUCK_SECONDS,
    what,
    'See GET /admin/messages?state=queued: the timeline of the oldest one says what it waits for. The other checks here usually name the cause.',
  );
}

const BOT_ADVICE: Record<BotFacts['state'], string> = {
  active: '',
  conflict:
    'Another program reads the updates of this bot. Stop it, or revoke the token at @BotFather and give the new one to this service.',
  unauthorised:
    'Telegram no longer accepts the token. Get a new one from @BotFather, then PATCH /admin/bots/:id with it; the default bot takes it from TG_BOT_TOKEN at its next start. Messages wait.',
  disabled: '',
};

/** What our own tables say of a bot. A bot out of service is so on purpose: nothing is wrong with it. */
export function botChecks(bot: BotFacts, portals: PortalView[], driven: boolean): Check[] {
  const name = botName(bot);
  const prefix = `bot:${bot.id}`;
  if (bot.state === 'disabled') return [check(`${prefix}:state`, true, `${name} is out of service`, '')];
  const portal = portals.find(({ id }) => id === bot.portalId);
  return [
    check(
      `${prefix}:state`,
      bot.state === 'active',
      `${name} is ${bot.state}${bot.stateReason ? `: ${bot.stateReason}` : ''}`,
      BOT_ADVICE[bot.state],
    ),
    check(
      `${prefix}:line`,
      bot.lineId !== null && portal !== undefined,
      portal && bot.lineId ? `${name} serves line ${bot.lineId} of ${portal.domain}` : `${name} serves no open line`,
      `PATCH /admin/bots/${bot.id} with portalId and lineId. Until then its messages wait.`,
    ),
    check(
      `${prefix}:driven`,
      driven,
      driven ? `${name} is being served` : `No replica is serving ${name} right now`,
      'Takes over within 30 s by itself. If this stays, look into the log of the replicas.',
    ),
  ];
}

/** Nothing is said while nothing hinders its answers. */
export function answerChecks(bot: BotFacts, hindrance: Hindrance | undefined): Check[] {
  if (!hindrance || bot.state === 'disabled') return [];
  const { silenced, silentUntil, failing, failure } = hindrance;
  const checks: Check[] = [];
  if (silentUntil) {
    const until = `${silentUntil.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
    checks.push(
      check(
        `bot:${bot.id}:silenced`,
        false,
        `Telegram asked ${botName(bot)} to be silent until ${until}; ${silenced === 1 ? '1 answer waits' : `${silenced} answers wait`}`,
        'Nothing is to be done: they go out by themselves then, and the operators were told. Write to fewer clients at once, or not the same to many.',
      ),
    );
  }
  if (failing > 0) {
    checks.push(
      check(
        `bot:${bot.id}:answers`,
        false,
        `${failing === 1 ? '1 answer' : `${failing} answers`} of ${botName(bot)} tried several times in vain, the oldest because of ${failure}`,
        'They are tried again by themselves. See that this machine reaches TG_API_ROOT, and that a relay or proxy on the way (TG_PROXY_URL) lets POST requests through to it.',
      ),
    );
  }
  return checks;
}

export function botName(bot: Pick<BotFacts, 'id' | 'username'>): string {
  return bot.username ? `@${bot.username}` : `Bot ${bot.id}`;
}

const DEFAULT_INSTALL = '/b24/install?redirect=1';

/**
 * What our own tables say of a portal. A removed one that no bot serves any more was removed on purpose.
 *
 * @param install where its application is installed again; null: the application is none of ours
 */
export function portalChecks(
  portal: PortalView,
  lines: string[],
  driven: boolean,
  install: string | null = DEFAULT_INSTALL,
): Check[] {
  const prefix = `portal:${portal.id}`;
  const bots = portal.bots.map((bot) => `${botName(bot)} (${bot.id})`).join(', ');
  const advice = {
    active: '',
    reauthorise: `Install the application again as an administrator: ${install ?? DEFAULT_INSTALL}. Messages wait until then.`,
    uninstalled: `Messages of ${bots} wait: install the application again, or PATCH /admin/bots/:id with another line.`,
  };
  const state = check(
    `${prefix}:state`,
    portal.state === 'active' || (portal.state === 'uninstalled' && portal.bots.length === 0),
    `${portal.domain} is ${portal.state}${portal.stateReason ? `: ${portal.stateReason}` : ''}`,
    advice[portal.state],
  );
  if (portal.state !== 'active') return [state];
  const valid = portal.tokens.filter((token) => token.state === 'valid');
  return [
    state,
    check(
      `${prefix}:application`,
      install !== null,
      `${portal.domain} uses the application ${portal.clientId}${install === null ? ', which is none of ours: its tokens cannot be renewed' : ''}`,
      'POST /admin/applications with its client id and secret (or set B24_CLIENT_ID), or install another application there.',
    ),
    check(
      `${prefix}:tokens`,
      valid.length > 0,
      `${portal.domain} has ${valid.length} valid of ${portal.tokens.length} tokens`,
      `Install the application again as an administrator: ${install ?? DEFAULT_INSTALL}.`,
    ),
    check(
      `${prefix}:driven`,
      driven,
      driven ? `${portal.domain} is being served` : `No replica is serving ${portal.domain} right now`,
      'Takes over within 30 s by itself. If this stays, look into the log of the replicas.',
    ),
    check(
      `${prefix}:lines`,
      lines.length > 0,
      lines.length > 0
        ? `${portal.domain}: connected lines ${lines.join(', ')}`
        : `${portal.domain} has no connected line`,
      `Connect Telegram to an open line in Contact Center, set B24_LINE_ID, or POST /admin/portals/${portal.id}/connector/activate.`,
    ),
    ...lines.map((line) => {
      const bot = portal.bots.find((candidate) => candidate.lineId === line);
      return check(
        `${prefix}:line:${line}:bot`,
        bot !== undefined,
        bot ? `${portal.domain}, line ${line}: ${botName(bot)}` : `${portal.domain}, line ${line} has no bot`,
        'POST /admin/bots, or PATCH one, with this portalId and lineId; or deactivate the line.',
      );
    }),
  ];
}

/** @param result of app.info. */
export function installedCheck(portal: PortalView, result: unknown): Check {
  const installed = isYes(fieldsOf(result)?.INSTALLED);
  return check(
    `portal:${portal.id}:installed`,
    installed,
    `${portal.domain} says that the application is ${installed ? '' : 'not '}installed`,
    'Until the installation is finished Bitrix24 sends no events: open the application inside the portal once.',
  );
}

/** @param result of event.get: our handler must be bound exactly once for each event. */
export function handlerCheck(portal: PortalView, result: unknown, handlerUrl: string | undefined): Check {
  const id = `portal:${portal.id}:handler`;
  const advice = `POST /admin/portals/${portal.id}/connector/register binds what is missing and removes what is stale.`;
  if (!handlerUrl) return check(id, false, 'The address of our event handler is not known', 'Set PUBLIC_URL.');
  const { stale, missing } = reconcileHandlers(readBoundHandlers(result), handlerUrl);
  const faults = [
    ...(missing.length > 0 ? [`not bound: ${missing.join(', ')}`] : []),
    ...(stale.length > 0 ? [`bound twice or to an old address: ${stale.map((row) => row.event).join(', ')}`] : []),
  ];
  const what =
    faults.length > 0 ? `${portal.domain}: ${faults.join('; ')}` : `${portal.domain} sends us each event once`;
  return check(id, faults.length === 0, what, advice);
}

/** What Bitrix24 says about a line itself; null: there is no such line, undefined: it does not say. */
type KnownConfig = LineConfig | null | undefined;

/** @param status result of imconnector.status for the line. */
export function lineChecks(portal: PortalView, line: string, status: unknown, config: KnownConfig): Check[] {
  const prefix = `portal:${portal.id}:line:${line}`;
  const where = `${portal.domain}, line ${line}`;
  const { STATUS, CONFIGURED, ERROR } = (status ?? {}) as Record<string, unknown>;
  const fault = ERROR === true ? 'in error' : CONFIGURED === true ? 'not ready' : 'not active';
  const bot = portal.bots.find(({ lineId }) => lineId === line);
  const gone = config === null && STATUS !== true;
  const connector = check(
    `${prefix}:connector`,
    STATUS === true,
    gone ? `${where} does not exist any more` : `${where}: the connector is ${STATUS === true ? 'active' : fault}`,
    gone
      ? `Give the bot another line: PATCH /admin/bots/${bot?.id ?? ':id'}. Its messages wait and follow it.`
      : `POST /admin/portals/${portal.id}/connector/activate with {"lineId":"${line}"}, or connect it in Contact Center. Messages wait until then.`,
  );
  if (!config) return [connector];
  const enabled = check(
    `${prefix}:enabled`,
    config.enabled,
    `${where} is switched ${config.enabled ? 'on' : 'off'} in Bitrix24`,
    `Switch the line on in Bitrix24 (Contact Center, Open Channels), or PATCH /admin/bots/${bot?.id ?? ':id'} with another line: nobody can answer in one that is off.`,
  );
  return [connector, enabled];
}

/** What the same answers mean for the line in our own table. */
export function lineStateOf(status: unknown, config: KnownConfig): LineState {
  const { STATUS } = (status ?? {}) as Record<string, unknown>;
  if (STATUS === true) return config?.enabled === false ? 'inactive' : 'active';
  return config === null ? 'deleted' : 'inactive';
}
