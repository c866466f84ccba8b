import type { Findings, Format, Sentence, Words } from './findings.js';

const SET_CLOCK = 'Set the clocks by NTP (systemd-timesyncd, chrony; a container has the clock of its host).';
const NOTHING_LOST = 'Nothing is lost: both networks keep what we cannot store.';
const TAKES_OVER = 'A replica takes over within 30 s by itself. If this stays, look into the log of the replicas.';
const BY_ITSELF = 'Messages wait; within five minutes after that they go on by themselves.';
const THE_REST = 'What needs it waits; the rest goes on.';
const CONNECTOR = 'Conversations do not depend on it.';
const NEW_TOKEN = 'get a new one from @BotFather and enter it with “New token” in “Portals and bots”';
const NEW_TOKEN_CALL = 'PATCH /admin/bots/:id with token; the default bot takes it from TG_BOT_TOKEN at its next start';
const MADE_BOTS =
  'Until then the settings page asks for a token, and bots made before get no new tokens by themselves; their messages go on.';
const REGISTER = 'Press “Register again” on the page of the portal';

const since = (moment: string | null, time: (moment: string) => string) => (moment ? `, since ${time(moment)}` : '');
const heard = ({ heard: moment }: { heard: string | null }, { time }: Format) =>
  moment ? `; Telegram last answered it ${time(moment)}` : '';
const where = (install: string | null) => install ?? 'in the Market of the portal';
const because = (reason: string | null) => (reason ? `: ${reason}` : '');
const why = ({ cause, said }: Findings['bot.ill'], { reason }: Format) => {
  const words = cause === null ? '' : reason(cause);
  return words ? `${words.replace(/\.$/, '')} (${said})` : said;
};
const ahead = (whose: string, seconds: number) =>
  seconds === 0 ? whose : `${whose} is ${Math.abs(seconds)} s ${seconds > 0 ? 'ahead' : 'behind'}`;
const clocks = ({ database, telegram }: { database: number | null; telegram: number | null }) =>
  [database === null ? '' : ahead('database', database), telegram === null ? '' : ahead('Telegram', telegram)]
    .filter(Boolean)
    .join(', ');

/** What the API says, and the console in English. */
export const en: Words = {
  'database.ok': { what: 'PostgreSQL answers' },
  'database.standby': {
    what: 'PostgreSQL is read-only: DATABASE_URL leads to a standby',
    advice: `Put the address of the primary into DATABASE_URL, or promote this server. ${NOTHING_LOST}`,
  },
  'database.read_only': {
    what: 'PostgreSQL is read-only: default_transaction_read_only is on',
    advice: `Providers set that when the disk is full: make room. Otherwise run ALTER DATABASE … RESET default_transaction_read_only. ${NOTHING_LOST}`,
  },
  'database.away': {
    what: ({ said }) => `PostgreSQL does not answer: ${said}`,
    advice: `Start PostgreSQL or correct DATABASE_URL. ${NOTHING_LOST}`,
  },
  'migrations.ok': { what: 'The tables are up to date' },
  'migrations.missing': {
    what: ({ names }) => `Migrations are missing: ${names}`,
    advice: 'Restart this replica: it applies them at its start.',
  },
  'examination.broken': {
    what: ({ said }) => `The examination broke off: ${said}`,
    advice: 'Try again; the log may tell more.',
  },
  'intake.ok': { what: 'What comes in is stored' },
  'intake.failing': {
    what: ({ since: at, said }, { time }) => `What comes in cannot be stored since ${time(at)}: ${said}`,
    advice: `Put right what PostgreSQL says there: room on its disk, the rights of the role, the tables. ${NOTHING_LOST}`,
  },

  'public_url.ok': { what: ({ url }) => `This service is known to the outside as ${url}` },
  'public_url.plain': {
    what: ({ url }) => `This service is known to the outside as ${url}, which is not https`,
    advice: 'Set PUBLIC_URL to the https address under which Bitrix24 reaches this service.',
  },
  'public_url.missing': {
    what: 'The outside address of this service is not known',
    advice: 'Set PUBLIC_URL to the https address under which Bitrix24 reaches this service.',
  },
  'application.ok': {
    what: ({ stored }, { count }) =>
      `The Bitrix24 application is configured${stored > 0 ? `, ${count(stored, '# further one is stored|# further ones are stored')}` : ''}`,
  },
  'application.stored': {
    what: ({ stored }, { count }) =>
      `B24_CLIENT_ID is not set, ${count(stored, '# application is stored|# applications are stored')}`,
  },
  'application.missing': {
    what: 'The Bitrix24 application is not configured',
    advice:
      'Create a local application in Bitrix24 (Developer resources), then press “Add an application” in “Portals and bots”, or set B24_CLIENT_ID and B24_CLIENT_SECRET.',
    call: 'POST /admin/applications',
  },
  'handler_secret.ok': { what: 'The event handler has a secret' },
  'handler_secret.missing': {
    what: 'The event handler has no secret',
    advice: `Set B24_HANDLER_SECRET to a long random text and restart. Then press “Register again” on the page of each portal.`,
    call: 'POST /admin/portals/<id>/connector/register',
  },

  'clock.agree': { what: (params) => `Clocks agree (${clocks(params)})` },
  'clock.differ': { what: (params) => `Clocks differ (${clocks(params)})`, advice: SET_CLOCK },
  'clock.unknown': { what: 'No clock could be read' },
  'disk.ok': { what: disks },
  'disk.scarce': {
    what: disks,
    advice: ({ scarce }) =>
      `Make room, or a larger disk, for ${scarce}. A database without room takes no messages in; both networks keep them for a while.`,
  },
  'transactions.ok': { what: 'No transaction has been open for long' },
  'transactions.long': {
    what: ({ owner, pid, idle, seconds }, { span }) =>
      `${pid === null ? `The prepared transaction ${owner}` : `A transaction of ${owner} (process ${pid})`} has been open for ${span(seconds)}${idle ? ', idle' : ''}`,
    advice: ({ owner, pid }) =>
      `PostgreSQL cannot clean up behind it, and everything slows down. Finish that program (a backup may take its time), or end it: ${
        pid === null ? `COMMIT PREPARED or ROLLBACK PREPARED '${owner}'` : `SELECT pg_terminate_backend(${pid})`
      }.`,
  },
  'roots.some': { what: roots },
  'roots.none': {
    what: roots,
    advice:
      'Start one of the relays of TG_API_ROOT again, or name another there and restart. Messages wait and go on by themselves.',
  },
  'api_kind.limited': {
    what: 'TG_API_ROOT leads to a Bot API server of your own, but files are limited as at Telegram: 20 MB from clients, 50 MB to them',
    advice: 'Set TG_API_KIND=local and restart: files of up to 2 GB go both ways.',
  },
  'routes.ok': {
    what: ({ network, all, connects }) =>
      [`Nothing is wrong with the ${all} ways to ${network}`, ...connectTimes(connects)].join('; '),
  },
  'routes.some': { what: routes },
  'routes.none': {
    what: routes,
    advice: ({ variable }) =>
      `Start one of the proxies of ${variable} again, or name another there (direct: without proxy) and restart. Messages wait and go on by themselves.`,
  },
  'routes.password': {
    what: routes,
    advice: ({ variable }) =>
      `A proxy does not accept the name or the password that stand in ${variable} (scheme://name:password@host:port). Correct them and restart; write @ : / # % in them as %40 %3A %2F %23 %25. Messages wait and go on by themselves.`,
  },

  'portals.some': { what: ({ active, all }) => `${active} of ${all} portals are connected` },
  'portals.none': {
    what: ({ active, all }) => `${active} of ${all} portals are connected`,
    advice:
      'Install the application: sign in to Bitrix24 as an administrator and open the “Link to install” (“Portals and bots”, “Applications”).',
    call: 'GET /b24/install?redirect=1 in a browser',
  },
  'bots.some': { what: ({ active, all }) => `${active} of ${all} bots are in service` },
  'bots.none': {
    what: ({ active, all }) => `${active} of ${all} bots are in service`,
    advice: 'Get a token from @BotFather and press “Add a bot” in “Portals and bots”, or set TG_BOT_TOKEN and restart.',
    call: 'POST /admin/bots',
  },
  'queue.empty': { what: 'No message waits' },
  'queue.moving': { what: ({ seconds }, { span }) => `The oldest waiting message has waited for ${span(seconds)}` },
  'queue.stuck': {
    what: ({ seconds }, { span }) => `The oldest waiting message has waited for ${span(seconds)}`,
    advice:
      'Open “Messages” with the state “Waiting”: the timeline of the oldest one says what it waits for. The other checks here usually name the cause.',
    call: 'GET /admin/messages?state=queued',
  },
  'attention.none': { what: 'No message of the last 24 hours waits for a person' },
  'attention.some': {
    what: ({ failed, uncertain }) =>
      `Of the last 24 hours, ${failed} failed and ${uncertain} uncertain messages wait for a person: see “Attention”`,
  },
  'attention.unread': {
    what: ({ count: number, since: at }, { time }) =>
      number === 1
        ? `1 message of a client has failed since ${time(at)}: no operator has read it`
        : `${number} messages of clients have failed since ${time(at)}: no operator has read them`,
    advice: 'Open “Attention”: each message names its reason. Send again what can go now, dismiss the rest.',
    call: 'GET /admin/messages?state=failed&direction=inbound',
  },

  'bot.active': { what: ({ bot }) => `${bot} is active` },
  'bot.conflict': {
    what: ({ bot, reason }) => `${bot} is in conflict${because(reason)}`,
    advice: `Another program reads the updates of this bot. Stop it; or revoke the token at @BotFather, ${NEW_TOKEN}.`,
    call: NEW_TOKEN_CALL,
  },
  'bot.unauthorised': {
    what: ({ bot, reason }) => `${bot} is unauthorised${because(reason)}`,
    advice: `Telegram no longer accepts the token: ${NEW_TOKEN}. Messages wait.`,
    call: NEW_TOKEN_CALL,
  },
  'bot.disabled': { what: ({ bot }) => `${bot} is out of service` },
  'bot.line': { what: ({ bot, line, portal }) => `${bot} serves line ${line} of ${portal}` },
  'bot.no_line': {
    what: ({ bot }) => `${bot} serves no open line`,
    advice: 'Give it one with “Line and mode” in “Portals and bots”. Until then its messages wait.',
    call: ({ botId }) => `PATCH /admin/bots/${botId} with portalId and lineId`,
  },
  'bot.driven': { what: ({ bot }) => `${bot} is being served` },
  'bot.idle': { what: ({ bot }) => `No replica is serving ${bot} right now`, advice: TAKES_OVER },
  'bot.ill': {
    what: (params, format) =>
      `${params.bot} has been in trouble since ${format.time(params.since)}: ${why(params, format)}`,
    advice:
      'It is tried again by itself. See that this machine reaches Telegram (TG_API_ROOT, TG_PROXY_URL) and that nobody else uses the token.',
  },
  'bot.no_webhook_address': {
    what: ({ bot }) => `${bot} has a webhook, and this service does not know its own address`,
    advice:
      'Set PUBLIC_URL and restart, or choose “Polling” with “Line and mode” in “Portals and bots”. Updates wait at Telegram for 24 hours.',
    call: 'PATCH /admin/bots/:id with {"mode":"polling"}',
  },
  'bot.storing_fails': {
    what: ({ bot, since: at, said }, { time }) =>
      `Updates of ${bot} cannot be stored since ${time(at)}: ${said}. They stay at Telegram`,
    advice:
      'Put right what PostgreSQL says there; if it is about one message only, report it with these words. Updates are kept by Telegram for 24 hours and come by themselves.',
  },
  'bot.silenced': {
    what: ({ bot, until, waiting }, { time, count }) =>
      `Telegram asked ${bot} to be silent until ${time(until)}; ${count(waiting, '# answer waits|# answers wait')}`,
    advice:
      'Nothing is to be done: they go out by themselves then, and the operators were told. Write to fewer clients at once, or not the same to many.',
  },
  'bot.answers_fail': {
    what: ({ bot, count: number, said }, { count }) =>
      `${count(number, '# answer|# answers')} of ${bot} tried several times in vain, the oldest because of ${said}`,
    advice:
      'They are tried again by themselves. See that this machine reaches TG_API_ROOT, and that a relay or proxy on the way (TG_PROXY_URL) lets POST requests through to it.',
  },
  'bot.reached': {
    what: ({ bot, mode, pending, seesGroups }, { count }) =>
      `${bot}, ${mode}, ${count(pending, '# update|# updates')} waiting at Telegram; ${
        seesGroups
          ? 'sees every message in groups'
          : 'sees in groups only commands and answers to itself (privacy mode): for all messages make it an administrator there, or /setprivacy at @BotFather and add it anew'
      }`,
  },
  'bot.unknown': { what: ({ bot }) => `${bot} was removed`, advice: 'Refresh this page.' },
  'bot.hook_elsewhere': {
    what: ({ bot }) => `${bot}: Telegram sends updates to another address than ours`,
    advice:
      'Switch off the program that set that webhook. Ours is set again within a minute; “Line and mode” in “Portals and bots” sets it at once.',
    call: 'PATCH /admin/bots/:id with mode',
  },
  'bot.hook_left': {
    what: ({ bot }) => `${bot} polls, but a webhook is set elsewhere`,
    advice: 'Switch off the program that set that webhook; it is removed with the next poll.',
  },
  'bot.hook_fails': {
    what: ({ bot, said }) => `${bot}: Telegram cannot deliver: ${said}`,
    advice:
      'Telegram must reach PUBLIC_URL from the internet, on port 443, 80, 88 or 8443, and get 200 from /tg/webhook. Mend that, or choose “Polling” with “Line and mode” in “Portals and bots”. Updates wait at Telegram for 24 hours.',
    call: 'PATCH /admin/bots/:id with {"mode":"polling"}',
  },
  'bot.hook_certificate': {
    what: ({ bot, said }) => `${bot}: Telegram does not accept our certificate: ${said}`,
    advice:
      'The web server before this service must send a certificate that is valid for the name in PUBLIC_URL, has not expired, comes from a public authority, and has its intermediate certificates with it (fullchain.pem, not cert.pem). Or choose “Polling” with “Line and mode” in “Portals and bots”. Updates wait at Telegram for 24 hours.',
    call: 'PATCH /admin/bots/:id with {"mode":"polling"}',
  },
  'bot.roots': { what: ({ bot, roots: all }) => `${bot}: ${roots({ roots: all })}` },
  'bot.roots_none': {
    what: ({ bot, roots: all }) => `${bot}: ${roots({ roots: all })}`,
    advice:
      'Start the Bot API server of the bot again, or name another with “Line and mode” in “Portals and bots”; empty: that of TG_API_ROOT. Messages wait and go on by themselves.',
    call: 'PATCH /admin/bots/:id with apiRoot',
  },
  'bot.token_refused': {
    what: ({ bot, said }) => `${bot}: Telegram refuses the token: ${said}`,
    advice: `Check it at @BotFather: ${NEW_TOKEN}. Messages wait.`,
    call: NEW_TOKEN_CALL,
  },
  'bot.unreachable': {
    what: ({ bot, said }) => `${bot}: Telegram cannot be reached: ${said}`,
    advice: 'Check that this machine reaches TG_API_ROOT (TG_PROXY_URL, if needed). Messages wait.',
  },

  'manager.ready': {
    what: ({ bot, heard }, { time }) => `${bot} makes bots for open lines; Telegram last answered it ${time(heard)}`,
  },
  'manager.idle': {
    what: (params, format) => `No replica reads the updates of the manager bot ${params.bot}${heard(params, format)}`,
    advice: `${TAKES_OVER} Until then no bot can be made; bots that serve lines do not depend on it.`,
  },
  'manager.token_refused': {
    what: (params, format) =>
      `Telegram refuses the token of the manager bot ${params.bot} (${params.said})${heard(params, format)}`,
    advice: `Get the current token from @BotFather, put it into TG_MANAGER_BOT_TOKEN and restart. ${MADE_BOTS}`,
  },
  'manager.cannot_manage': {
    what: ({ bot }) => `${bot}, the bot of TG_MANAGER_BOT_TOKEN, may not manage other bots`,
    advice: `Open the Mini App of @BotFather, choose the bot and switch on Bot Management Mode. It is noticed within seconds. ${MADE_BOTS}`,
  },
  'manager.serves_line': {
    what: ({ bot }) => `${bot}, the bot of TG_MANAGER_BOT_TOKEN, already serves an open line`,
    advice: `Make another bot for the purpose at @BotFather, put its token into TG_MANAGER_BOT_TOKEN and restart. ${MADE_BOTS}`,
  },
  'manager.hook_elsewhere': {
    what: (params, format) =>
      `Another program has set a webhook for the manager bot ${params.bot}${heard(params, format)}`,
    advice: `Stop that program. Or revoke the token at @BotFather, put the new one into TG_MANAGER_BOT_TOKEN and restart. The webhook is removed by itself. ${MADE_BOTS}`,
  },
  'manager.conflict': {
    what: (params, format) =>
      `Another program reads the updates of the manager bot ${params.bot}${heard(params, format)}`,
    advice: `Stop that program. Or revoke the token at @BotFather, put the new one into TG_MANAGER_BOT_TOKEN and restart. ${MADE_BOTS}`,
  },
  'manager.unreachable': {
    what: (params, format) =>
      `The manager bot ${params.bot} cannot reach Telegram (${params.said})${heard(params, format)}`,
    advice: `Check that this machine reaches TG_API_ROOT (TG_PROXY_URL, if needed). ${MADE_BOTS}`,
  },

  'portal.active': { what: ({ portal }) => `${portal} is active` },
  'portal.reauthorise': {
    what: ({ portal, reason }) => `${portal} is to be authorised again (reauthorise)${because(reason)}`,
    advice: ({ install }) =>
      `Install the application again as an administrator: ${where(install)}. Messages wait until then.`,
  },
  'portal.uninstalled': {
    what: ({ portal, reason }) => `${portal} is uninstalled${because(reason)}`,
    advice: ({ bots }) =>
      `Messages of ${bots} wait: install the application again, or give the bots another line with “Line and mode” in “Portals and bots”.`,
    call: 'PATCH /admin/bots/:id',
  },
  'portal.gone': { what: ({ portal, reason }) => `${portal} is uninstalled${because(reason)}` },
  'portal.application': { what: ({ portal, clientId }) => `${portal} uses the application ${clientId}` },
  'portal.foreign_application': {
    what: ({ portal, clientId }) =>
      `${portal} uses the application ${clientId}, which is none of ours: its tokens cannot be renewed`,
    advice:
      'Press “Add an application” in “Portals and bots” and enter its client id and secret (or set B24_CLIENT_ID), or install another application there.',
    call: 'POST /admin/applications',
  },
  'portal.tokens': { what: ({ portal, valid, all }) => `${portal} has ${valid} valid of ${all} tokens` },
  'portal.no_tokens': {
    what: ({ portal, valid, all }) => `${portal} has ${valid} valid of ${all} tokens`,
    advice: ({ install }) => `Install the application again as an administrator: ${where(install)}.`,
  },
  'portal.driven': { what: ({ portal }) => `${portal} is being served` },
  'portal.idle': { what: ({ portal }) => `No replica is serving ${portal} right now`, advice: TAKES_OVER },
  'portal.lines': { what: ({ portal, lines }) => `${portal}: connected lines ${lines}` },
  'portal.no_lines': {
    what: ({ portal }) => `${portal} has no connected line`,
    advice:
      'Connect Telegram to an open line in Contact Center, or press “Connect” at a line on the page of the portal; or set B24_LINE_ID.',
    call: ({ portalId }) => `POST /admin/portals/${portalId}/connector/activate`,
  },
  'portal.answers': { what: ({ portal }) => `${portal} answers` },
  'portal.refuses': {
    what: ({ portal, method, said }) => `${portal}, ${method}: ${said}`,
    advice:
      'If the portal is up and the address is right, wait; messages wait too. Otherwise install the application again.',
  },
  'portal.crm': { what: ({ portal }) => `${portal} lets the application use its CRM` },
  // A choice, and no fault: messages need no CRM.
  'portal.no_crm': {
    what: ({ portal }) =>
      `${portal} does not let the application use its CRM: links are counted, but campaigns are not written into leads and deals, and there are no invitations. For that, add the scope crm to the application and install it again`,
  },
  'portal.installed': { what: ({ portal }) => `${portal} says that the application is installed` },
  'portal.not_installed': {
    what: ({ portal }) => `${portal} says that the application is not installed`,
    advice: 'Until the installation is finished Bitrix24 sends no events: open the application inside the portal once.',
  },
  'portal.events': { what: ({ portal }) => `${portal} sends us each event once` },
  'portal.events_wrong': {
    what: ({ portal, missing, stale }) =>
      `${portal}: ${[missing && `not bound: ${missing}`, stale && `bound twice or to an old address: ${stale}`].filter(Boolean).join('; ')}`,
    advice: `${REGISTER}: that binds what is missing and removes what is stale.`,
    call: ({ portalId }) => `POST /admin/portals/${portalId}/connector/register`,
  },
  'portal.events_unknown': { what: 'The address of our event handler is not known', advice: 'Set PUBLIC_URL.' },
  'portal.clock_agrees': { what: (params) => `Clocks agree (${ahead(params.portal, params.ahead)})` },
  'portal.clock_differs': {
    what: (params) => `Clocks differ (${ahead(params.portal, params.ahead)})`,
    advice: SET_CLOCK,
  },

  'line.bot': { what: ({ portal, line, bot }) => `${portal}, line ${line}: ${bot}` },
  'line.no_bot': {
    what: ({ portal, line }) => `${portal}, line ${line} has no bot`,
    advice:
      'Press “Add a bot”, or give one this line with “Line and mode”, in “Portals and bots”; or press “Switch off” at the line on the page of the portal.',
    call: 'POST or PATCH /admin/bots with portalId and lineId',
  },
  'line.active': { what: ({ portal, line }) => `${portal}, line ${line}: the connector is active` },
  'line.in_error': connectorIs('in error'),
  'line.not_ready': connectorIs('not ready'),
  'line.not_active': connectorIs('not active'),
  'line.gone': {
    what: ({ portal, line }) => `${portal}, line ${line} does not exist any more`,
    advice: 'Give the bot another line with “Line and mode” in “Portals and bots”. Its messages wait and follow it.',
    call: ({ botId }) => `PATCH /admin/bots/${botId ?? ':id'}`,
  },
  'line.on': { what: ({ portal, line }) => `${portal}, line ${line} is switched on in Bitrix24` },
  'line.off': {
    what: ({ portal, line }) => `${portal}, line ${line} is switched off in Bitrix24`,
    advice:
      'Switch the line on in Bitrix24 (Contact Center, Open Channels), or give the bot another with “Line and mode” in “Portals and bots”: nobody can answer in one that is off.',
    call: ({ botId }) => `PATCH /admin/bots/${botId ?? ':id'}`,
  },

  'trouble.page': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} answers every call with a page (${said})${since(at, time)}`,
    advice: `Open the portal in a browser: its licence may have ended, it may be closed, or a filter before it may shut this machine out. ${BY_ITSELF}`,
  },
  'trouble.secret': {
    what: ({ portal, clientId, said, since: at }, { time }) =>
      `The secret of the application ${clientId} of ${portal} is wrong (${said})${since(at, time)}`,
    advice:
      'Set B24_CLIENT_SECRET to the secret that stands in the card of the application in Bitrix24, and restart. The installation stays as it is; messages wait.',
  },
  'trouble.stored_secret': {
    what: ({ portal, clientId, said, since: at }, { time }) =>
      `The secret of the application ${clientId} of ${portal} is wrong (${said})${since(at, time)}`,
    advice:
      'Enter the client secret that stands in the card of the application in Bitrix24 with “Edit” in “Portals and bots”, “Applications”. The installation stays as it is; messages wait and go on at once.',
    call: ({ applicationId }) => `PATCH /admin/applications/${applicationId} with clientSecret`,
  },
  'trouble.client_id': {
    what: ({ portal, clientId, said, since: at }, { time }) =>
      `Bitrix24 does not know the client id ${clientId} of ${portal} (${said})${since(at, time)}`,
    advice: `Compare the client id (B24_CLIENT_ID, or “Applications” in “Portals and bots”) with the card of the application in Bitrix24. If the application was deleted there, make a new one. ${BY_ITSELF}`,
    call: 'GET /admin/applications',
  },
  'trouble.payment': {
    what: ({ portal, said, since: at }, { time }) =>
      `The plan of ${portal}, or its subscription to the application, is not paid (${said})${since(at, time)}`,
    advice: `Pay it in Bitrix24. ${BY_ITSELF}`,
  },
  'trouble.access': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} does not let the application in (${said})${since(at, time)}`,
    advice: `Check the plan of the portal (REST needs a commercial one) and the rights of the administrator who installed the application. ${BY_ITSELF}`,
  },
  'trouble.overload': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} has blocked REST for overload (${said})${since(at, time)}`,
    advice: `Write to the support of Bitrix24. ${BY_ITSELF}`,
  },
  'trouble.https': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} takes calls over https only (${said})${since(at, time)}`,
    advice: `Let the web server of the portal redirect http to https (it is followed), or name the https address in B24_DOMAIN, or as the domain of its application, and open the application in the portal once. ${BY_ITSELF}`,
  },
  'trouble.redirect': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} sends us to an address that we do not trust (${said})${since(at, time)}`,
    advice: `If the portal moved there, name that address in B24_DOMAIN, or as the domain of its application, and open the application in the portal once. ${BY_ITSELF}`,
  },
  'trouble.private_authority': {
    what: ({ portal, said, since: at }, { time }) =>
      `The certificate of ${portal} was issued by a private CA that is not known here (${said})${since(at, time)}`,
    advice: `Add the certificate of that authority (for a self-signed box, its own one) with “Edit” in “Portals and bots”, “Applications”, or name its file in B24_CA_FILE and restart. ${BY_ITSELF}`,
    call: 'PATCH /admin/applications/:id with caCertificates',
  },
  'trouble.certificate_expired': {
    what: ({ portal, said, since: at }, { time }) =>
      `The certificate of ${portal} has expired, or is not valid yet (${said})${since(at, time)}`,
    advice: `Renew the certificate of the portal, and look at the clock of this machine. ${BY_ITSELF}`,
  },
  'trouble.certificate_name': {
    what: ({ portal, said, since: at }, { time }) =>
      `The certificate of ${portal} is for another host name (${said})${since(at, time)}`,
    advice: `Give the portal a certificate with this host name, or name the portal as the certificate does in B24_DOMAIN, or as the domain of its application, and open the application in the portal once. ${BY_ITSELF}`,
  },
  'trouble.no_way': {
    what: ({ portal, said, since: at }, { time }) =>
      `${portal} cannot be reached by any proxy (${said})${since(at, time)}`,
    advice: `See that one of the proxies of B24_PROXY_URL runs and lets us through to the portal: its host and its port. ${BY_ITSELF}`,
  },
  'trouble.other': {
    what: ({ portal, said, since: at }, { time }) => `${portal}: ${said}${since(at, time)}`,
    advice:
      'If the portal is up and the address is right, wait; messages wait too. Otherwise install the application again.',
  },
  'method.missing': {
    what: ({ portal, method, said, since: at }, { time }) =>
      `${portal} does not know the method ${method} (${said})${since(at, time)}`,
    advice: `Update the modules imopenlines and imconnector of the portal, and look whether the application still has their scopes. ${THE_REST}`,
  },
  'method.scope': {
    what: ({ portal, method, said, since: at }, { time }) =>
      `${portal} does not let the application call ${method}: a scope is missing (${said})${since(at, time)}`,
    advice: `Tick imopenlines and imconnector in the card of the application in Bitrix24, then open the application in the portal once as an administrator. ${THE_REST}`,
  },
  'method.broken': {
    what: ({ portal, method, said, since: at }, { time }) =>
      `${portal} fails at every call of ${method}, whatever it is given (${said})${since(at, time)}`,
    advice: `Something is broken inside the portal: its log, or the support of Bitrix24, can tell. ${THE_REST}`,
  },
  'feature.no_scope': {
    what: ({ portal, feature, scope }) =>
      `${portal}: ${FEATURES[feature]} need the ${permissions(scope)} “${scope}”, which the application lacks`,
    advice: `Add what is missing in the card of the application and install the application again, or switch this off. ${CONNECTOR}`,
  },
  'feature.no_plan': {
    what: ({ portal, feature }) => `${portal}: the plan does not include what ${FEATURES[feature]} need`,
    advice: `Change the plan of the portal, or switch this off. ${CONNECTOR}`,
  },
  'feature.no_rights': {
    what: ({ portal, feature }) =>
      `${portal}: ${FEATURES[feature]} cannot be registered: whoever installed the application is no administrator any more`,
    advice: `Let an administrator of the portal install the application again. ${CONNECTOR}`,
  },
  'feature.failed': {
    what: ({ portal, feature, said }) => `${portal}: ${FEATURES[feature]} could not be registered (${said})`,
    advice: `It is tried again by itself. ${CONNECTOR}`,
  },
};

const permissions = (scope: string) => (scope.includes(',') ? 'permissions' : 'permission');

const FEATURES = {
  robots: 'robots',
  sms: 'messages from the CRM',
  triggers: 'triggers',
  card: 'tabs in CRM cards',
  card_processes: 'tabs in smart processes',
  chat_panel: 'panels in chats',
};

function disks({ disks: known, databaseBytes }: Findings['disk.ok'], { size }: Format): string {
  const told = known.map(
    ({ path, freeBytes, totalBytes }) => `${path}: ${size(freeBytes)} of ${size(totalBytes)} free`,
  );
  if (databaseBytes !== null) told.push(`the database holds ${size(databaseBytes)}`);
  return told.join('; ') || 'No disk could be looked at';
}

function routes({ network, failed, all, said, connects }: Findings['routes.none']): string {
  return [`${failed} of ${all} ways to ${network} failed the last time: ${said}`, ...connectTimes(connects)].join('; ');
}

function connectTimes(connects: Findings['routes.ok']['connects']): string[] {
  return connects.map(({ name, ms }) => `${name}: connects in ${ms} ms`);
}

function roots({ roots: all }: Findings['roots.some']): string {
  const told = all.map(({ name, failure, ms, inUse }) => {
    if (failure !== null) return `${name}: ${failure}`;
    const measured = ms === null ? 'not tried yet' : `answers in ${ms} ms`;
    return `${name}: ${measured}${inUse ? ' (in use)' : ''}`;
  });
  return `Ways to the Bot API, in the order of TG_API_ROOT: ${told.join('; ')}`;
}

function connectorIs(fault: string): Sentence<Findings['line.not_active']> {
  return {
    what: ({ portal, line }) => `${portal}, line ${line}: the connector is ${fault}`,
    advice:
      'Press “Connect” at the line on the page of the portal, or connect it in Contact Center. Messages wait until then.',
    call: ({ portalId, line }) => `POST /admin/portals/${portalId}/connector/activate with {"lineId":"${line}"}`,
  };
}
