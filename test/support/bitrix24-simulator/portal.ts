import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { ClientDownloads } from './client-downloads.js';
import type { Cause } from './connector-events.js';
import { Crm } from './crm.js';
import { Dialog } from './dialog.js';
import { EventQueue, type EventDelivery, type EventHandler } from './event-queue.js';
import type { Faults } from './faults.js';
import type { FramePage } from './frame-page.js';
import { FrontEnd } from './front-end.js';
import { Frames, type FrameOptions, type PlacementFrameOptions, type SettingsFrameOptions } from './frames.js';
import {
  htmlPage,
  LoopbackServer,
  parseForm,
  sendRequest,
  type Answer,
  type AppAnswer,
  type Exchange,
} from './http-exchange.js';
import { ledgerOf, type Correction, type DeliveryReport, type Ledger } from './ledger.js';
import { LoadLimits, type LimitSettings } from './load-limits.js';
import { MessageService } from './message-service.js';
import { MessengerEvents } from './messenger-events.js';
import { OAuthServer } from './oauth-server.js';
import { OpenLines, type Chat, type LineMessage } from './open-lines.js';
import { Operator } from './operator.js';
import { httpBuildQuery, text, type Params } from './php-encoding.js';
import { Placements } from './placements.js';
import { PortalFiles, type NewFile } from './portal-files.js';
import { PortalApp, type AppSettings, type Line, type PortalUser } from './portal-model.js';
import { RestEndpoint, type RestCall } from './rest-endpoint.js';
import { Robots } from './robots.js';
import type { Grant, TokenStore } from './token-store.js';
import { Triggers } from './trigger-methods.js';
import type { VirtualClock } from './virtual-clock.js';

const QUIET_WITHIN_MS = 20_000;

/** Stands for the portal's session cookie: the employee in whose browser `/oauth/authorize/` is opened; default 1. */
const SIGNED_IN_AS = 'x-simulated-user';

/** Pages of applications call REST from the browser, so the portal lets every origin in. */
const PREFLIGHT: Answer = {
  status: 200,
  headers: {
    'Access-Control-Allow-Origin': '*',
    'Access-Control-Allow-Methods': 'GET, POST, OPTIONS',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, X-Requested-With',
  },
};

export type LineSettings = Partial<Line> & Pick<Line, 'id' | 'name'>;
export type UserSettings = Partial<PortalUser> & Pick<PortalUser, 'id' | 'name'>;

export interface PortalSettings {
  memberId?: string;
  /** Default: any free port. */
  port?: number;
  lines?: LineSettings[];
  /** Default: an administrator with id 1. */
  users?: UserSettings[];
}

/** What a portal shares with the rest of the simulator. */
export interface PortalSurroundings {
  clock: VirtualClock;
  tokens: TokenStore;
  faults: Faults;
  oauth: OAuthServer;
  oauthUrl: string;
  limits: LimitSettings | null;
  latencyMs: () => number;
}

/** One Bitrix24 account on an origin of its own, and the hands of the people who use it. */
export class Portal {
  readonly memberId: string;
  readonly clock: VirtualClock;
  readonly apps: PortalApp[] = [];
  readonly users = new Map<number, PortalUser>();
  readonly lines = new OpenLines(this);
  readonly crm: Crm;
  readonly robots = new Robots(this);
  readonly messageService = new MessageService(this);
  readonly triggers = new Triggers();
  readonly placements = new Placements();
  readonly events: EventQueue;
  readonly messengerEvents: MessengerEvents;
  readonly rest: RestEndpoint;
  readonly limits: LoadLimits;
  readonly frames: Frames;
  readonly files: PortalFiles;
  readonly downloads: ClientDownloads;
  readonly deliveryReports: DeliveryReport[] = [];
  /** What `imconnector.update.messages` and `imconnector.delete.messages` asked for. */
  readonly corrections: Correction[] = [];
  /** Inbound webhooks: code → user id. */
  readonly webhooks = new Map<string, number>();
  /** LANGUAGE_ID of app.info, and what frames and events name when nobody chose another interface. */
  language = 'en';
  /** Why a picture of a client is refused (its type, `profile_image_*`, the disk quota); null: it is taken. */
  refusesPicture: (picture: NewFile) => string | null = () => null;
  /**
   * How operators' browsers come to the portal: links of files are made from that (main, lib/engine/urlmanager.php,
   * getHostUrl), e.g. `http://10.0.0.7:8080` of a box behind a proxy. Null: as we do.
   */
  linkOrigin: string | null = null;
  /** Where everybody finds it, e.g. behind a router; null: at the address that it listens on. */
  publicOrigin: string | null = null;
  handlers: EventHandler[] = [];
  /** Refuses every REST call of every application. */
  refusal: 'PORTAL_DELETED' | 'OVERLOAD_LIMIT' | 'ACCESS_DENIED' | null = null;
  /** The web server and the filter before it. */
  readonly frontEnd = new FrontEnd();
  /**
   * The portal moved to https and takes no REST call without it: 400 `INVALID_REQUEST` "Https required." (rest module,
   * rest.php, before the token is looked at).
   */
  httpsOnly = false;
  /** REST methods that this build does not have: 404 `ERROR_METHOD_NOT_FOUND` (rest.php, CRestServer::process). */
  readonly missingMethods = new Set<string>();
  /** Execution time in seconds that a call is charged beyond what it really took, e.g. 0.4 for each message it carries. */
  executionSeconds: (method: string, params: Params) => number = () => 0;
  /** The front end gives up on a request after this time; what it had begun goes on. */
  requestTimeoutMs = 60_000;
  private readonly tokens: TokenStore;
  private readonly servers: LoopbackServer[] = [];
  /** What former addresses answer with; a web server that moves to https uses 301, 302, 307 or 308. */
  private movedStatus = 302;
  private lastId = 4;

  private constructor(
    settings: PortalSettings,
    private readonly around: PortalSurroundings,
  ) {
    this.memberId = settings.memberId ?? randomBytes(16).toString('hex');
    this.clock = around.clock;
    this.tokens = around.tokens;
    this.crm = new Crm(around.clock);
    this.limits = new LoadLimits(around.clock, around.limits);
    this.files = new PortalFiles(
      () => this.linkOrigin ?? this.url,
      () => this.clock.now(),
    );
    this.downloads = new ClientDownloads(() => this.clock.now());
    this.events = new EventQueue(this, around.tokens, around.faults);
    this.messengerEvents = new MessengerEvents(this);
    this.frames = new Frames(this, around.tokens);
    this.rest = new RestEndpoint(this, around.tokens, around.faults, around.latencyMs);
    for (const user of settings.users ?? [{ id: 1, name: 'Admin', admin: true }]) this.addUser(user);
    for (const line of settings.lines ?? [{ id: '1', name: 'Open Channel' }]) this.addLine(line);
  }

  static async start(settings: PortalSettings, around: PortalSurroundings): Promise<Portal> {
    const portal = new Portal(settings, around);
    await portal.listen(settings.port);
    return portal;
  }

  // Addresses

  /** Its current origin, `http://127.0.0.1:PORT`. */
  get url(): string {
    return this.publicOrigin ?? this.servers.at(-1)?.origin ?? '';
  }

  /** Host and port, as `domain` and `DOMAIN` carry it. */
  get domain(): string {
    return new URL(this.url).host;
  }

  get clientEndpoint(): string {
    return `${this.url}/rest/`;
  }

  get serverEndpoint(): string {
    return `${this.around.oauthUrl}/rest/`;
  }

  /** Moves the portal to a new origin; the old ones answer 302 without JSON. Resolves with the new origin. */
  async rename(port = 0): Promise<string> {
    await this.listen(port);
    return this.url;
  }

  /**
   * The web server sends everybody to https from now on, on the same host (http://nginx.org/en/docs/http/ngx_http_rewrite_module.html,
   * `return 301 https://$host$request_uri`). Ports of loopback differ, as two servers cannot share one.
   */
  async moveToHttps(certificate: { key: string; cert: string }, status: 301 | 302 | 307 | 308 = 301): Promise<string> {
    this.movedStatus = status;
    const server: LoopbackServer = await LoopbackServer.listen(
      (exchange) => this.answer(exchange, server),
      0,
      certificate,
    );
    this.servers.push(server);
    return this.url;
  }

  async stop(): Promise<void> {
    this.events.stop();
    await Promise.all(this.servers.map((server) => server.close()));
  }

  // Its people and settings

  addUser(user: UserSettings): PortalUser {
    const added: PortalUser = { lastName: '', admin: false, active: true, appAccess: true, ...user };
    this.users.set(added.id, added);
    return added;
  }

  addLine(line: LineSettings): Line {
    const added: Line = {
      active: true,
      queue: [],
      welcomeText: null,
      closingText: null,
      vote: null,
      joinable: true,
      operatorData: 'profile',
      aliases: {},
      crm: 'lead',
      ...line,
    };
    this.lines.lines.set(added.id, added);
    return added;
  }

  addApp(settings: AppSettings): PortalApp {
    const app = new PortalApp(this.nextId(), settings);
    this.apps.push(app);
    return app;
  }

  /** Makes an inbound webhook and returns its base URL (`…/rest/USER/CODE/`). */
  addWebhook(userId = 1): string {
    const code = randomBytes(8).toString('hex');
    this.webhooks.set(code, userId);
    return `${this.clientEndpoint}${userId}/${code}/`;
  }

  /** The next id of an application or handler row. */
  nextId(): number {
    return (this.lastId += 1);
  }

  /** Ends all access tokens; refresh tokens keep working. */
  expireTokens(): void {
    this.tokens.expireAccess(this);
  }

  /** A token pair without a browser, for tests that are not about installing. */
  issueTokens(app: PortalApp, userId = 1): { accessToken: string; refreshToken: string; expires: number } {
    const grant: Grant = { portal: this, app, userId };
    const access = this.tokens.issueAccess(grant);
    return {
      accessToken: access.token,
      refreshToken: this.tokens.issueRefresh(grant),
      expires: Math.floor(access.expiresAt / 1000),
    };
  }

  // Installation

  /**
   * Opens the installation page in a frame: the form POST a browser makes, with the tokens of the user who looks at it.
   * After an uninstallation this begins a new installation.
   */
  async openInstallFrame(app: PortalApp, options: FrameOptions = {}): Promise<FramePage> {
    return this.frames.open(this.frames.install(app, options));
  }

  /** Opens the application itself from the portal's menu. */
  async openAppFrame(app: PortalApp, options: FrameOptions = {}): Promise<FramePage> {
    return this.frames.open(this.frames.main(app, options));
  }

  /** Opens a connector's settings for a line from the Contact Center (placement SETTING_CONNECTOR). */
  async openSettingsFrame(app: PortalApp, options: SettingsFrameOptions): Promise<FramePage> {
    return this.frames.open(this.frames.settings(app, options));
  }

  /** Opens a frame of the application in a card, or in a chat of the messenger. */
  async openPlacementFrame(app: PortalApp, options: PlacementFrameOptions): Promise<FramePage> {
    return this.frames.open(this.frames.placement(app, options));
  }

  /** Puts a removed application back with a new `application_token`; its old tokens are void. */
  reinstall(app: PortalApp): void {
    if (!app.deleted) return;
    this.tokens.revoke(app);
    app.reinstall();
  }

  /** Marks the application INSTALLED and sends ONAPPINSTALL to whoever bound it; doing it again is harmless. */
  finishInstall(app: PortalApp, options: FrameOptions = {}): void {
    if (app.installed) return;
    app.installed = true;
    this.events.raise('ONAPPINSTALL', installData(app, options.lang ?? this.language), {
      userId: options.user ?? 1,
      appId: app.id,
      withRefresh: true,
    });
  }

  /** ONAPPINSTALL to the installation path, as an application without UI gets it. */
  async sendAppInstallEvent(app: PortalApp, options: FrameOptions = {}): Promise<EventDelivery> {
    this.reinstall(app);
    app.installed = true;
    return this.events.sendTo(app.installUrl, app, 'ONAPPINSTALL', installData(app, options.lang ?? this.language), {
      userId: options.user ?? 1,
      withRefresh: true,
    });
  }

  /** Follows `/oauth/authorize/` to the application and returns what the application answered. */
  async authorize(authUrl: string, user = 1, headers: Record<string, string> = {}): Promise<AppAnswer> {
    const portalAnswer = await sendRequest(authUrl, { headers: { [SIGNED_IN_AS]: String(user) } });
    const { location } = portalAnswer.headers;
    if (portalAnswer.status !== 302 || location === undefined)
      throw new Error(`The authorization page says: ${portalAnswer.body}`);
    return sendRequest(location, { headers });
  }

  /**
   * A new version of the application: its robots and senders go before it hears of it (bizproc/lib/restservice.php and
   * messageservice/lib/restservice.php, onRestAppUpdate).
   */
  updateApp(app: PortalApp, userId = 1): void {
    this.robots.wipe(app);
    this.messageService.wipe(app);
    const data = { VERSION: app.version + 1, PREVIOUS_VERSION: app.version, LANGUAGE_ID: this.language };
    this.events.raise('ONAPPUPDATE', data, { userId, appId: app.id, withRefresh: true });
  }

  /** Removes the application with its handlers and connectors; `clean`: the user asked to wipe its data too. */
  uninstall(app: PortalApp, options: { clean: boolean }): void {
    for (const connector of this.lines.connectors.values()) {
      if (connector.appId === app.id) this.lines.removeConnector(connector.id, { userId: 1 });
    }
    this.events.raise(
      'ONAPPUNINSTALL',
      { LANGUAGE_ID: 'en', CLEAN: options.clean ? 1 : 0 },
      { appId: app.id, tokenless: true },
    );
    this.robots.wipe(app);
    this.placements.wipe(app);
    this.messageService.wipe(app);
    app.deleted = true;
    app.installed = false;
    this.handlers = this.handlers.filter((handler) => handler.appId !== app.id);
  }

  // Dialogs

  /** Makes the employee known, or finds the one with this id. */
  operator(operator: { id: number; name?: string }): Operator {
    if (operator.name !== undefined || !this.users.has(operator.id)) {
      const [name = `User ${operator.id}`, ...rest] = (operator.name ?? '').split(' ').filter((word) => word !== '');
      this.users.set(operator.id, {
        admin: false,
        active: true,
        appAccess: true,
        ...this.users.get(operator.id),
        id: operator.id,
        name,
        lastName: rest.join(' '),
      });
    }
    return new Operator(this, operator.id);
  }

  /** An automatic text of the line: welcome, off hours, rating. */
  systemText(dialog: string | number, words: string, cause: Cause = {}): LineMessage {
    return this.lines.addSystemText(this.chat(dialog), words, cause);
  }

  /**
   * CRM marketing sends its newsletter to these clients: a text of author 0 without any parameter, in a burst, that touches
   * no session (yuliai/bitrix-modules, imopenlines/lib/im.php, addMessagesNewsletter).
   */
  newsletter(dialogs: (string | number)[], words: string): LineMessage[] {
    return dialogs.map((dialog) => this.lines.addSystemText(this.chat(dialog), words, {}));
  }

  /** "Disable" in the Contact Center. */
  disableConnector(connector: string, line: string, userId = 1): void {
    this.lines.deactivate(connector, line, { userId });
  }

  deleteLine(line: string, userId = 1): void {
    this.lines.deleteLine(line, { userId });
  }

  dialog(name: string | number): Dialog {
    return new Dialog(this.lines, name);
  }

  get dialogs(): Dialog[] {
    return [...this.lines.chats.values()].map((chat) => new Dialog(this.lines, chat.id));
  }

  /**
   * A dialog of which the program has no record: an earlier installation left it. Portals keep dialogs and clients of
   * an application that was removed, and its connector's operators go on in them when it is installed again.
   */
  oldDialog(connector: string, line: string, externalId: string, name: string): Dialog {
    const client = this.lines.saveClient(connector, externalId.split(':', 2).join(':'), {
      name,
      lastName: '',
      fields: {},
      email: '',
      phone: '',
      url: '',
      gender: '',
      avatar: null,
      skipPhoneValidate: false,
      hash: 'of an earlier installation',
    });
    return this.dialog(this.lines.openChat(connector, line, externalId, client).id);
  }

  /** The chat of a dialog; throws when there is none. */
  chat(dialog: string | number): Chat {
    const chat = this.lines.findChat(dialog);
    if (chat === undefined) throw new Error(`There is no dialog ${dialog}.`);
    return chat;
  }

  message(message: LineMessage | number): LineMessage {
    const found = typeof message === 'number' ? this.lines.messages.get(message) : message;
    if (found === undefined) throw new Error(`There is no such message.`);
    return found;
  }

  // Afterwards

  /** The last REST calls, oldest first. */
  get calls(): RestCall[] {
    return this.rest.calls;
  }

  /** Resolves when no call came for `forMs`: what was under way is over. Throws when that takes longer than 20 s. */
  async quiet(forMs = 1_000): Promise<void> {
    const deadline = performance.now() + QUIET_WITHIN_MS;
    for (let since = performance.now(), last = this.calls.at(-1); performance.now() - since < forMs; await sleep(50)) {
      if (this.calls.at(-1) === last) continue;
      if (performance.now() > deadline) throw new Error(`Calls go on, the last one is ${this.calls.at(-1)?.method}.`);
      last = this.calls.at(-1);
      since = performance.now();
    }
  }

  ledger(): Ledger {
    return ledgerOf(this, this.around.oauth.counts);
  }

  // Serving

  private async listen(port = 0): Promise<void> {
    const server: LoopbackServer = await LoopbackServer.listen((exchange) => this.answer(exchange, server), port);
    this.servers.push(server);
  }

  private answer(exchange: Exchange, server: LoopbackServer): Promise<Answer> | Answer {
    if (server !== this.servers.at(-1)) {
      const query = exchange.search === '' ? '' : `?${exchange.search}`;
      const headers = { Location: `${this.url}${exchange.path}${query}`, 'Content-Type': 'text/html' };
      return { status: this.movedStatus, headers };
    }
    const page = exchange.path.startsWith('/rest/') ? this.frontEnd.answer(exchange) : undefined;
    if (page !== undefined) return page;
    if (exchange.path.startsWith('/rest/') && exchange.method === 'OPTIONS') return PREFLIGHT;
    const file = this.files.answer(exchange);
    if (file !== null) return file;
    if (exchange.path.startsWith('/rest/')) return this.rest.answer(exchange);
    if (exchange.path.replace(/\/$/, '') === '/oauth/authorize') return this.authorizePage(exchange);
    if (exchange.path.startsWith('/frames/') || exchange.path === '/api/v1/') return this.frames.answer(exchange);
    return htmlPage(404, 'Not Found');
  }

  /** The redirect goes to the address in the application's card, never to one from the query. */
  private authorizePage(exchange: Exchange): Answer {
    const query = parseForm(exchange.search);
    const app = this.apps.find((candidate) => candidate.clientId === query['client_id'] && !candidate.deleted);
    if (app === undefined) return htmlPage(404, 'Application not found');
    const userId = Number(exchange.headers[SIGNED_IN_AS]) || 1;
    const answer = {
      code: this.tokens.issueCode({ portal: this, app, userId }),
      state: text(query['state']),
      domain: this.domain,
      member_id: this.memberId,
      scope: app.scope.join(','),
      server_domain: new URL(this.around.oauthUrl).host,
    };
    return {
      status: 302,
      headers: { Location: `${app.handlerUrl}${app.handlerUrl.includes('?') ? '&' : '?'}${httpBuildQuery(answer)}` },
    };
  }
}

function installData(app: PortalApp, lang: string): Params {
  return { VERSION: app.version, ACTIVE: 'Y', INSTALLED: 'Y', LANGUAGE_ID: lang };
}
