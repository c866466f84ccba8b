import { randomBytes } from 'node:crypto';

/** An employee. */
export interface PortalUser {
  id: number;
  name: string;
  lastName: string;
  admin: boolean;
  /** False: fired; tokens of that user answer `authorization_error`. */
  active: boolean;
  /** False: the application is closed to this user (`user_access_error`). */
  appAccess: boolean;
}

/** An open line. */
export interface Line {
  id: string;
  name: string;
  /** A switched-off line still takes clients' messages but sends nothing to them. */
  active: boolean;
  /** Employees who become members of each new chat. */
  queue: number[];
  /** Sent to the client when a session begins, while `imconnector.send.messages` is still running. */
  welcomeText: string | null;
  /** Sent to the client when an operator ends a dialog; it is closed the second time. Null: closed at once. */
  closingText: string | null;
  /** The question for a rating with which a dialog ends (VOTE_MESSAGE); null: nobody is asked. */
  vote: LineVote | null;
  /** Administrators may join its dialogs (Config::canJoin); false: their role says no. */
  joinable: boolean;
  /** `OPERATOR_DATA`: under which names operators answer; with `hide` texts carry no prefix. */
  operatorData: 'profile' | 'queue' | 'hide';
  /** `QUEUE_USERS_FIELDS`: names of employees of the queue, by their id; counts with `queue`. */
  aliases: Record<number, string>;
  /** CRM and CRM_CREATE: nothing, a search for the client, or also a lead or deal for one who is not known. */
  crm: 'off' | 'search' | 'lead' | 'deal';
}

/** What the client is asked and answered, and how long a rating is taken (VOTE_MESSAGE_2_*, VOTE_TIME_LIMIT). */
export interface LineVote {
  question: string;
  like: string;
  dislike: string;
  /** Seconds; 0: at any time. */
  timeLimit: number;
  /** VOTE_CLOSING_DELAY: a rating closes the session at once. */
  closes: boolean;
}

export interface AppSettings {
  clientId: string;
  clientSecret: string;
  /** The application's address: frames, and where `/oauth/authorize/` redirects to. */
  handlerUrl: string;
  /** Initial installation path. An application with UI that has none is installed at once. */
  installUrl?: string;
  /** `api`: "Uses API only", installed at once and told so by ONAPPINSTALL. */
  kind: 'ui' | 'api';
  scope?: string[];
}

/** A local application on one portal. */
export class PortalApp {
  readonly clientId: string;
  clientSecret: string;
  readonly handlerUrl: string;
  readonly installUrl: string;
  readonly kind: 'ui' | 'api';
  scope: string[];
  private readonly installsAtOnce: boolean;
  readonly version = 1;
  readonly status = 'L';
  installed: boolean;
  /** True after uninstallation, until the installation frame is opened again. */
  deleted = false;
  active = true;
  /** True: no events are sent and tokens are refused (PAYMENT_REQUIRED). */
  paymentExpired = false;
  applicationToken = randomBytes(16).toString('hex');

  constructor(
    readonly id: number,
    settings: AppSettings,
  ) {
    this.clientId = settings.clientId;
    this.clientSecret = settings.clientSecret;
    this.handlerUrl = settings.handlerUrl;
    this.installUrl = settings.installUrl ?? settings.handlerUrl;
    this.kind = settings.kind;
    this.scope = settings.scope ?? ['imopenlines', 'imconnector', 'im', 'user'];
    this.installsAtOnce = settings.kind === 'api' || settings.installUrl === undefined;
    this.installed = this.installsAtOnce;
  }

  /** Puts the application back on the portal; each installation has an `application_token` of its own. */
  reinstall(): void {
    this.deleted = false;
    this.installed = this.installsAtOnce;
    this.applicationToken = randomBytes(16).toString('hex');
  }
}

/** A registered connector: a channel type, one row per id on the whole portal. */
export interface Connector {
  id: string;
  name: string;
  /** The application that registered it last; only that one gets its events. */
  appId: number;
  placementHandler: string;
  /** Operators may edit, delete their own messages; delete clients'. */
  editInternalMessages: boolean;
  delInternalMessages: boolean;
  delExternalMessages: boolean;
  needSystemMessages: boolean;
  needSignature: boolean;
  chatGroup: boolean;
}

/** State of a connector on a line. */
export interface ConnectorStatus {
  connector: string;
  line: string;
  active: boolean;
  connection: boolean;
  register: boolean;
  error: boolean;
  data: Record<string, string>;
}

/** The key under which a connector is kept: lower case, cut at the first dot. */
export function connectorKey(connector: string): string {
  return connector.toLowerCase().split('.', 1)[0] ?? '';
}
