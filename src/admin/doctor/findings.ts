/**
 * What the doctor may find, by stable code, and what its words are made of: names, counts, ISO 8601 times, and what a
 * network said in its own words (`said`). Ages are seconds. The API tells code and parameters, the console words them.
 */
export interface Findings {
  'database.ok': None;
  'database.standby': None;
  'database.read_only': None;
  'database.away': { said: string };
  'migrations.ok': None;
  'migrations.missing': { names: string };
  'examination.broken': { said: string };
  'intake.ok': None;
  'intake.failing': { since: string; said: string };

  'public_url.ok': { url: string };
  'public_url.plain': { url: string };
  'public_url.missing': None;
  'application.ok': { stored: number };
  'application.stored': { stored: number };
  'application.missing': None;
  'handler_secret.ok': None;
  'handler_secret.missing': None;

  'clock.agree': Clocks;
  'clock.differ': Clocks;
  'clock.unknown': None;
  'disk.ok': Disks;
  'disk.scarce': Disks & { scarce: string };
  'transactions.ok': None;
  'transactions.long': { owner: string; pid: number | null; idle: boolean; seconds: number };
  'roots.some': Roots;
  'roots.none': Roots;
  'api_kind.limited': None;
  'routes.ok': Routed & { all: number; connects: Connects };
  'routes.some': Routes;
  'routes.none': Routes;
  'routes.password': Routes;

  'portals.some': Share;
  'portals.none': Share;
  'bots.some': Share;
  'bots.none': Share;
  'queue.empty': None;
  'queue.moving': { seconds: number };
  'queue.stuck': { seconds: number };
  'attention.none': None;
  'attention.some': { failed: number; uncertain: number };
  'attention.unread': { count: number; since: string };

  'bot.active': Bot;
  'bot.conflict': Bot & Reason;
  'bot.unauthorised': Bot & Reason;
  'bot.disabled': Bot;
  'bot.line': Bot & { line: string; portal: string };
  'bot.no_line': Bot & { botId: string };
  'bot.driven': Bot;
  'bot.idle': Bot;
  'bot.ill': Bot & Trouble & { cause: string | null };
  'bot.no_webhook_address': Bot;
  'bot.storing_fails': Bot & Trouble;
  'bot.silenced': Bot & { until: string; waiting: number };
  'bot.answers_fail': Bot & { count: number; said: string };
  'bot.reached': Bot & { mode: 'polling' | 'webhook'; pending: number; seesGroups: boolean };
  'bot.unknown': Bot;
  'bot.hook_elsewhere': Bot;
  'bot.hook_left': Bot;
  'bot.hook_fails': Bot & { said: string };
  'bot.hook_certificate': Bot & { said: string };
  'bot.roots': Bot & Roots;
  'bot.roots_none': Bot & Roots;
  'bot.token_refused': Bot & { said: string };
  'bot.unreachable': Bot & { said: string };

  'manager.ready': Bot & { heard: string };
  'manager.idle': Bot & Heard;
  'manager.token_refused': Bot & Heard & { said: string };
  'manager.cannot_manage': Bot;
  'manager.serves_line': Bot;
  'manager.hook_elsewhere': Bot & Heard;
  'manager.conflict': Bot & Heard;
  'manager.unreachable': Bot & Heard & { said: string };

  'portal.active': Portal;
  'portal.reauthorise': Portal & Install & Reason;
  'portal.uninstalled': Portal & Reason & { bots: string };
  'portal.gone': Portal & Reason;
  'portal.application': Portal & { clientId: string };
  'portal.foreign_application': Portal & { clientId: string };
  'portal.tokens': Portal & { valid: number; all: number };
  'portal.no_tokens': Portal & Install & { valid: number; all: number };
  'portal.driven': Portal;
  'portal.idle': Portal;
  'portal.lines': Portal & { lines: string };
  'portal.no_lines': Portal & { portalId: string };
  'portal.answers': Portal;
  'portal.refuses': Portal & { method: string; said: string };
  'portal.crm': Portal;
  'portal.no_crm': Portal;
  'portal.installed': Portal;
  'portal.not_installed': Portal;
  'portal.events': Portal;
  'portal.events_wrong': Portal & { portalId: string; missing: string; stale: string };
  'portal.events_unknown': Portal;
  'portal.clock_agrees': Portal & { ahead: number };
  'portal.clock_differs': Portal & { ahead: number };

  'line.bot': Line & { bot: string };
  'line.no_bot': Line;
  'line.active': Line;
  'line.in_error': LineFault;
  'line.not_ready': LineFault;
  'line.not_active': LineFault;
  'line.gone': Line & { botId: string | null };
  'line.on': Line;
  'line.off': Line & { botId: string | null };

  'trouble.page': PortalTrouble;
  'trouble.secret': PortalTrouble & { clientId: string };
  'trouble.stored_secret': PortalTrouble & { clientId: string; applicationId: string };
  'trouble.client_id': PortalTrouble & { clientId: string };
  'trouble.payment': PortalTrouble;
  'trouble.access': PortalTrouble;
  'trouble.overload': PortalTrouble;
  'trouble.https': PortalTrouble;
  'trouble.redirect': PortalTrouble;
  'trouble.private_authority': PortalTrouble;
  'trouble.certificate_expired': PortalTrouble;
  'trouble.certificate_name': PortalTrouble;
  'trouble.no_way': PortalTrouble;
  'trouble.other': PortalTrouble;
  'method.missing': PortalTrouble & { method: string };
  'method.scope': PortalTrouble & { method: string };
  'method.broken': PortalTrouble & { method: string };

  'feature.no_scope': Feature & { scope: string };
  'feature.no_plan': Feature;
  'feature.no_rights': Feature;
  'feature.failed': Feature & { said: string };
}

export type FindingCode = keyof Findings;

type None = Record<string, never>;
type Share = { active: number; all: number };
type Clocks = { database: number | null; telegram: number | null };
type Connects = { name: string; ms: number }[];
/** Whose proxies, and where they are named. */
type Routed = { network: 'Telegram' | 'Bitrix24'; variable: 'TG_PROXY_URL' | 'B24_PROXY_URL' };
type Routes = Routed & { failed: number; all: number; said: string; connects: Connects };
/** Of those that did not fail: how fast they answer, where that is known. */
type Roots = { roots: { name: string; failure: string | null; ms: number | null; inUse: boolean }[] };
type Bot = { bot: string };
/** When Telegram last answered; null: never. */
type Heard = { heard: string | null };
type Portal = { portal: string };
type Feature = Portal & { feature: 'robots' | 'sms' | 'triggers' | 'card' | 'card_processes' | 'chat_panel' };
/** The path of the service where it is installed again; null: in the Market of the portal. */
type Install = { install: string | null };
/** Why it is in its state, by the code of state-reasons.ts, or of Bitrix24; and in the network's words. */
type Reason = { reason: string | null; reasonCode: string | null; said: string | null };
type Line = { portal: string; line: string };
type LineFault = Line & { portalId: string };
/** Since when, and why. */
type Trouble = { since: string; said: string };
/** `since` is null where it was not in trouble before. */
type PortalTrouble = Portal & { said: string; since: string | null };

interface Disks {
  disks: { path: string; freeBytes: number; totalBytes: number }[];
  /** Of a database elsewhere. */
  databaseBytes: number | null;
}

/** How a language writes what stands in sentences. */
export interface Format {
  /** `# message|# messages`, in Russian `one|few|many`. */
  count(count: number, forms: string): string;
  /** A moment, from ISO 8601. */
  time(moment: string): string;
  /** How long something took, from seconds. */
  span(seconds: number): string;
  size(bytes: number): string;
  /** What the code of an error means, as a sentence; '' where nobody knows. */
  reason(code: string): string;
}

type Said<Params> = string | ((params: Params, format: Format) => string);

/** What is so, and where it is wrong what to do about it. */
export interface Sentence<Params> {
  what: Said<Params>;
  /** For a person at the console: names buttons. Without: nothing is wrong. */
  advice?: Said<Params>;
  /** The same for a script: what to call instead. */
  call?: Said<Params>;
}

/** The doctor's words in one language. */
export type Words = { readonly [Code in FindingCode]: Sentence<Findings[Code]> };

/** Puts the parameters into words. */
export function worded<Params>(said: Said<Params> | undefined, params: Params, format: Format): string {
  return typeof said === 'function' ? said(params, format) : (said ?? '');
}
