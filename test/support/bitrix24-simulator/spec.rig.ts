import { afterEach, beforeEach } from 'vitest';
import { Bitrix24Simulator, type SimulatorOptions } from '../bitrix24-simulator.js';
import { LoopbackServer, parseForm, sendRequest, type Exchange } from './http-exchange.js';
import type { Params } from './php-encoding.js';
import type { PortalApp } from './portal-model.js';
import type { Portal } from './portal.js';

// What the specs of the simulator share: a portal, an application that listens, and REST calls by its token.

export const CONNECTOR = 'tg_bridge';
export const OPERATOR = { id: 27, name: 'Samantha Johnson' };

export interface Answer {
  status: number;
  headers: Record<string, unknown>;
  raw: string;
  body: any;
}

export let b24: Bitrix24Simulator;
export let portal: Portal;
export let app: PortalApp;
export let token: string;
export let listener: LoopbackServer;
/** What the application received: every POST, parsed. */
export let received: Array<{ path: string; exchange: Exchange; form: Params }>;
export let page: { html: string; headers: Record<string, string>; status: number };

export async function start(options: SimulatorOptions = { limits: false }): Promise<void> {
  received = [];
  page = { html: '<script>BX24.init(() => BX24.installFinish())</script>', headers: {}, status: 200 };
  listener = await LoopbackServer.listen((exchange) => {
    received.push({ path: exchange.path, exchange, form: parseForm(exchange.body.toString()) });
    return { status: page.status, headers: { 'Content-Type': 'text/html', ...page.headers }, body: page.html };
  });
  b24 = await Bitrix24Simulator.start(options);
  portal = await b24.addPortal({
    memberId: 'a223c6b3710f85df22e9377d6c4f7553',
    lines: [
      { id: '1', name: 'Sales' },
      { id: '2', name: 'Support' },
    ],
    users: [
      { id: 1, name: 'Admin', admin: true },
      { id: 5, name: 'Clerk' },
    ],
  });
  app = portal.addApp({
    clientId: 'local.abc',
    clientSecret: 'secret',
    handlerUrl: `${listener.origin}/callback`,
    installUrl: `${listener.origin}/install`,
    kind: 'ui',
  });
  renewToken();
}

export async function post(
  url: string,
  body: string,
  type = 'application/json',
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await sendRequest(url, { method: 'POST', headers: { 'Content-Type': type, ...headers }, body });
  return {
    status: answer.status,
    headers: answer.headers,
    raw: answer.body,
    body: answer.body.startsWith('{') ? JSON.parse(answer.body) : null,
  };
}

export const call = (method: string, params: unknown = {}, as = token): Promise<Answer> =>
  post(`${portal.clientEndpoint}${method}`, JSON.stringify(params), 'application/json', {
    Authorization: `Bearer ${as}`,
  });

export const oauth = (params: Record<string, string>): Promise<Answer> =>
  post(`${b24.oauthUrl}/oauth/token/`, new URLSearchParams(params).toString(), 'application/x-www-form-urlencoded');

export const client = { client_id: 'local.abc', client_secret: 'secret' };

export async function connect(line = '1', settings: Params = {}): Promise<void> {
  app.installed = true;
  await call('imconnector.register', {
    ID: CONNECTOR,
    NAME: 'Telegram',
    ICON: { DATA_IMAGE: 'data:image/svg+xml;charset=US-ASCII,%3Csvg/%3E' },
    PLACEMENT_HANDLER: `${listener.origin}/settings`,
    NEED_SIGNATURE: false,
    ...settings,
  });
  await call('imconnector.activate', { CONNECTOR, LINE: line, ACTIVE: 1 });
}

export const bind = (event: string, path = '/handler?secret=s'): Promise<Answer> =>
  call('event.bind', { event, handler: `${listener.origin}${path}` });

export function element(id: string, text: string, extra: Params = {}): Params {
  return {
    user: { id: 'tg:777', name: 'Ivan Petrov' },
    message: { id, text, date: 1773265993, ...extra },
    chat: { id: 'tg:777' },
  };
}

export const send = (...messages: Params[]): Promise<Answer> =>
  call('imconnector.send.messages', { CONNECTOR, LINE: '1', MESSAGES: messages });

/** Reports an operator's message as delivered. */
export const deliver = (messageId: number, ids: string[]): Promise<Answer> =>
  call('imconnector.send.status.delivery', {
    CONNECTOR,
    LINE: '1',
    MESSAGES: [{ im: { message_id: messageId }, message: { id: ids }, chat: { id: 'tg:777' } }],
  });

export const events = (name: string): Params[] =>
  received.map(({ form }) => form).filter((form) => form['event'] === name);

/** `data.MESSAGES` of every event of this name, oldest first. */
export const messagesOf = (name: string): any[] =>
  events(name).flatMap(({ data }) => (data as { MESSAGES: unknown[] }).MESSAGES);

export function lastReceived(): (typeof received)[number] {
  const last = received.at(-1);
  if (last === undefined) throw new Error('The application received nothing.');
  return last;
}

export const errorOf = ({ status, body }: Answer): [number, unknown, unknown] => [
  status,
  body?.error,
  body?.error_description,
];

/** Closes what `start` has opened. */
export async function stop(): Promise<void> {
  await b24.stop();
  await listener.close();
}

/** Goes on with a new token of the administrator. */
export function renewToken(): void {
  token = portal.issueTokens(app).accessToken;
}

/** A simulator with one portal and one application for every test of a file. */
export function useSimulator(): void {
  beforeEach(() => start());
  afterEach(stop);
}
