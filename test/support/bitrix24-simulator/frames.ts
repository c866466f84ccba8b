import { BX24_LIBRARY, frameHostPage, frameSid, type Frame } from './frame-host.js';
import { maySee } from './crm-item-methods.js';
import { FramePage } from './frame-page.js';
import { htmlPage, json, sendRequest, type Exchange, type Reply } from './http-exchange.js';
import { httpBuildQuery, type Params } from './php-encoding.js';
import { cardTypeOf } from './placement-kinds.js';
import type { PortalApp } from './portal-model.js';
import type { Portal } from './portal.js';
import type { TokenStore } from './token-store.js';

export interface FrameOptions {
  lang?: string;
  /** Id of the employee whose browser it is; default 1. */
  user?: number;
}

export interface SettingsFrameOptions extends FrameOptions {
  connector: string;
  line: string;
}

export interface PlacementFrameOptions extends FrameOptions {
  /** Such as `CRM_DEAL_DETAIL_TAB` or `IM_SIDEBAR`. */
  placement: string;
  /** Of several that the application has bound there; default: the first. */
  handler?: string;
  /** Id of the entity whose card it is; absent: a card that is not saved yet. */
  entity?: number;
  /** Id of the chat, `chat12` in the messenger. */
  chat?: number;
  /** Older builds do not tell the address of the page (URI). */
  withUri?: boolean;
}

/** Opens pages of applications inside the portal: for tests by a bare POST, for people as a page with a real frame. */
export class Frames {
  private readonly prepared = new Map<string, Frame>();

  constructor(
    private readonly portal: Portal,
    private readonly tokens: TokenStore,
  ) {}

  /** The installation page; a removed application begins anew. */
  install(app: PortalApp, options: FrameOptions = {}): Frame {
    this.portal.reinstall(app);
    return this.prepare(app, app.installUrl, options, 'DEFAULT', { any: '11/' });
  }

  /** The application's own page. */
  main(app: PortalApp, options: FrameOptions = {}): Frame {
    return this.prepare(app, app.installed ? app.handlerUrl : app.installUrl, options, 'DEFAULT', { any: '11/' });
  }

  /** The settings of a connector on a line; only the owner of the connector has such a page. */
  settings(app: PortalApp, options: SettingsFrameOptions): Frame {
    const { lines } = this.portal;
    const connector = lines.connectors.get(options.connector);
    if (connector === undefined || connector.appId !== app.id)
      throw new Error(`This application has no connector ${options.connector}.`);
    const row = lines.status(options.connector, options.line);
    return this.prepare(app, connector.placementHandler, options, 'SETTING_CONNECTOR', {
      CONNECTOR: options.connector,
      LINE: options.line,
      STATUS: lines.isReady(options.connector, options.line),
      // Pressing "Connect" has set this one already.
      ACTIVE_STATUS: true,
      CONNECTION_STATUS: row?.connection ?? false,
      REGISTER_STATUS: row?.register ?? false,
      ERROR_STATUS: row?.error ?? false,
      URI: `/contact_center/connector/?ID=${options.connector}&LINE=${options.line}`,
    });
  }

  /**
   * A frame that the application has bound, as the portal shows it to this employee: to nobody before the application is
   * installed, and not to those to whom it is closed. Whoever may not see an entity does not get as far as its card.
   */
  placement(app: PortalApp, { entity, chat, withUri = true, handler, ...options }: PlacementFrameOptions): Frame {
    const { records } = this.portal.crm;
    const user = this.portal.users.get(options.user ?? 1);
    const rows = this.portal.placements.of(app, options.placement);
    const row = rows.find((one) => handler === undefined || one.handler === handler);
    if (row === undefined || !app.installed || user?.appAccess !== true)
      throw new Error(`Nobody is shown ${options.placement} of this application.`);
    const typeId = cardTypeOf(options.placement);
    const record = typeId === null || entity === undefined ? undefined : records.find(typeId, entity);
    if (record && !maySee(record, user)) throw new Error('The card is closed to this employee.');
    const ids = typeId !== null ? { ID: String(entity ?? 0) } : chat === undefined ? {} : { dialogId: `chat${chat}` };
    const uri = withUri ? { URI: typeId === null ? '/online/' : `/crm/type/${typeId}/details/${entity ?? 0}/` } : {};
    return this.prepare(app, row.handler, options, options.placement, { ...ids, ...uri });
  }

  /** Posts the form as a browser would and returns what the application shows. */
  async open(frame: Frame): Promise<FramePage> {
    const answer = await sendRequest(frame.url, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: 'text/html', Origin: this.portal.url },
      body: httpBuildQuery(frame.form),
    });
    return new FramePage(frame.url, this.portal.url, answer, () => this.finish(frame));
  }

  /** Address of a page of the portal that shows the frame in a browser. */
  pageUrl(frame: Frame): string {
    return `${this.portal.url}/frames/${frame.sid}`;
  }

  /** `/frames/:sid`, what that page calls, and the BX24 library at `/api/v1/`. */
  answer(exchange: Exchange): Reply {
    if (exchange.path === '/api/v1/') {
      const headers = { 'Content-Type': 'text/javascript; charset=utf-8', 'Access-Control-Allow-Origin': '*' };
      return { status: 200, headers, body: BX24_LIBRARY };
    }
    const [, sid = '', action] = exchange.path.split('/').filter(Boolean);
    const frame = this.prepared.get(sid);
    if (frame === undefined) return htmlPage(404, 'Not Found');
    if (action === undefined) return this.page(frame);
    if (exchange.method !== 'POST') return htmlPage(405, 'Not Allowed');
    if (action === 'auth') return json(200, this.freshTokens(frame));
    if (action === 'install-finish') {
      this.finish(frame);
      return json(200, { next: this.pageUrl(this.main(frame.app, { lang: frame.lang, user: frame.userId })) });
    }
    return htmlPage(404, 'Not Found');
  }

  private page(frame: Frame): Reply {
    const windowName = `${this.portal.domain}|${this.protocol}|${frame.sid}`;
    const initData = {
      DOMAIN: this.portal.domain,
      PROTOCOL: this.protocol,
      PATH: '/rest',
      LANG: frame.lang,
      MEMBER_ID: this.portal.memberId,
      IS_ADMIN: this.portal.users.get(frame.userId)?.admin ?? false,
      APP_OPTIONS: {},
      USER_OPTIONS: {},
      PLACEMENT: frame.placement,
      PLACEMENT_OPTIONS: frame.placementOptions,
      INSTALL: !frame.app.installed,
      FIRST_RUN: false,
      AUTH_ID: frame.form['AUTH_ID'],
      REFRESH_ID: frame.form['REFRESH_ID'],
      AUTH_EXPIRES: frame.form['AUTH_EXPIRES'],
    };
    return {
      status: 200,
      headers: { 'Content-Type': 'text/html; charset=utf-8' },
      body: frameHostPage(frame, windowName, initData),
    };
  }

  private finish(frame: Frame): void {
    this.portal.finishInstall(frame.app, { lang: frame.lang, user: frame.userId });
  }

  private prepare(
    app: PortalApp,
    url: string,
    options: FrameOptions,
    placement: string,
    placementOptions: Params,
  ): Frame {
    const sid = frameSid();
    const lang = options.lang ?? this.portal.language;
    const userId = options.user ?? 1;
    const query = httpBuildQuery({ DOMAIN: this.portal.domain, PROTOCOL: this.protocol, LANG: lang, APP_SID: sid });
    const form = {
      ...this.freshTokens({ app, userId }),
      SERVER_ENDPOINT: this.portal.serverEndpoint,
      APPLICATION_TOKEN: app.applicationToken,
      APPLICATION_SCOPE: app.scope.join(','),
      member_id: this.portal.memberId,
      status: app.status,
      PLACEMENT: placement,
      PLACEMENT_OPTIONS: JSON.stringify(placementOptions).replaceAll('/', '\\/'),
    };
    const frame = {
      sid,
      app,
      userId,
      lang,
      url: `${url}${url.includes('?') ? '&' : '?'}${query}`,
      form,
      placement,
      placementOptions,
    };
    this.prepared.set(sid, frame);
    return frame;
  }

  private freshTokens({
    app,
    userId,
  }: Pick<Frame, 'app' | 'userId'>): Record<'AUTH_ID' | 'REFRESH_ID' | 'AUTH_EXPIRES', string> {
    const grant = { portal: this.portal, app, userId };
    return {
      AUTH_ID: this.tokens.issueAccess(grant).token,
      REFRESH_ID: this.tokens.issueRefresh(grant),
      AUTH_EXPIRES: '3600',
    };
  }

  private get protocol(): 0 | 1 {
    return this.portal.url.startsWith('https:') ? 1 : 0;
  }
}
