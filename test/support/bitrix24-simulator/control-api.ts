import { json, type Exchange, type Reply } from './http-exchange.js';
import type { Chat, LineMessage } from './open-lines.js';
import { isArray, text, type Params } from './php-encoding.js';
import type { Portal } from './portal.js';

const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, PATCH, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'Content-Type',
};
const DEFAULT_OPERATOR = { id: 27, name: 'Samantha Johnson' };

/**
 * Lets a page in a browser play the operator. All answers are JSON, errors `{ error }`.
 *
 * - `GET /portals`: `{ items: [{ memberId, url, lines, apps }] }`
 * - `GET /portals/:memberId/dialogs`: `{ items: [{ chatId, externalId, title, line, connector, sessionOpen, messages, lastMessage }] }`
 * - `GET /portals/:memberId/dialogs/:chatId/messages?after=ID`: `{ items: [{ id, author, authorName, text, files, tick, … }] }`;
 *   `tick` is `clock` until the connector reports delivery, then `delivered`, null for messages that are not sent to the client
 * - `POST /portals/:memberId/dialogs/:chatId/messages` `{ text, operator?: { id, name }, whisper?, files?: [{ name, mime, base64 }] }`: 201 with the message
 * - `PATCH`, `DELETE /portals/:memberId/messages/:id` `{ text, operator? }`: the operator edits, deletes
 * - `POST /portals/:memberId/dialogs/:chatId/close`: ends the session
 * - `POST /portals/:memberId/frames` `{ clientId, page: "install" | "app" | "settings", connector?, line?, lang?, user? }`: `{ url }`
 *   of a page that shows the application inside the portal
 * - `GET /portals/:memberId/ledger`, `GET /portals/:memberId/calls`, `GET /portals/:memberId/events`
 */
export class ControlApi {
  constructor(private readonly portals: () => Portal[]) {}

  answer(exchange: Exchange): Reply {
    if (exchange.method === 'OPTIONS') return { status: 204, headers: CORS };
    const [root, memberId, section, id, action] = exchange.path.split('/').filter(Boolean).map(decodeURIComponent);
    if (root !== 'portals') return problem(404, 'No such route.');
    if (memberId === undefined) return ok({ items: this.portals().map(portalItem) });
    const portal = this.portals().find((candidate) => candidate.memberId === memberId);
    if (portal === undefined) return problem(404, 'No such portal.');
    try {
      return this.inPortal(portal, exchange, section, id, action) ?? problem(404, 'No such route.');
    } catch (error) {
      return problem(422, error instanceof Error ? error.message : String(error));
    }
  }

  private inPortal(portal: Portal, exchange: Exchange, section?: string, id?: string, action?: string): Reply | null {
    if (section === 'ledger') return ok(portal.ledger());
    if (section === 'calls') return ok({ items: portal.calls });
    if (section === 'events') return ok({ items: portal.events.journal });
    if (section === 'frames' && exchange.method === 'POST') return openFrame(portal, bodyOf(exchange));
    if (section === 'messages' && id !== undefined) return changeMessage(portal, exchange, Number(id));
    if (section !== 'dialogs') return null;
    if (id === undefined) return ok({ items: [...portal.lines.chats.values()].map(dialogItem) });
    const chat = portal.chat(/^\d+$/.test(id) ? Number(id) : id);
    if (action === 'close' && exchange.method === 'POST') {
      portal.lines.closeSession(chat);
      return ok(dialogItem(chat));
    }
    if (action !== 'messages') return null;
    return exchange.method === 'POST'
      ? write(portal, chat, exchange)
      : ok({ items: messagesAfter(portal, chat, exchange.search) });
  }
}

function write(portal: Portal, chat: Chat, exchange: Exchange): Reply {
  const body = bodyOf(exchange);
  const operator = operatorOf(portal, body);
  const files = (Array.isArray(body['files']) ? body['files'] : []).filter(isArray).map((file) => ({
    name: text(file['name']),
    mime: text(file['mime']),
    content: Buffer.from(text(file['base64']), 'base64'),
  }));
  const words = text(body['text']);
  const message =
    body['whisper'] === true ? operator.whispers(chat.id, words) : operator.sends(chat.id, { text: words, files });
  return json(201, messageItem(portal, message), CORS);
}

function openFrame(portal: Portal, body: Params): Reply {
  const app = portal.apps.find((candidate) => candidate.clientId === body['clientId']);
  if (app === undefined) return problem(404, 'No such application.');
  const options = { lang: text(body['lang']) || 'en', user: Number(body['user']) || 1 };
  const settings = { ...options, connector: text(body['connector']), line: text(body['line']) };
  if (body['page'] === 'settings') return ok({ url: portal.frames.pageUrl(portal.frames.settings(app, settings)) });
  const frame = body['page'] === 'app' ? portal.frames.main(app, options) : portal.frames.install(app, options);
  return ok({ url: portal.frames.pageUrl(frame) });
}

function changeMessage(portal: Portal, exchange: Exchange, id: number): Reply | null {
  const body = bodyOf(exchange);
  const operator = operatorOf(portal, body);
  if (exchange.method === 'PATCH') operator.edits(id, text(body['text']));
  else if (exchange.method === 'DELETE') operator.deletes(id);
  else return null;
  return ok(messageItem(portal, portal.message(id)));
}

function operatorOf(portal: Portal, body: Params): ReturnType<Portal['operator']> {
  const wanted = isArray(body['operator']) ? body['operator'] : DEFAULT_OPERATOR;
  return portal.operator({
    id: Number(wanted['id']),
    ...(wanted['name'] === undefined ? {} : { name: text(wanted['name']) }),
  });
}

function bodyOf(exchange: Exchange): Params {
  if (exchange.body.length === 0) return {};
  const body: unknown = JSON.parse(exchange.body.toString('utf8'));
  return isArray(body) ? body : {};
}

function messagesAfter(portal: Portal, chat: Chat, search: string): Params[] {
  const after = Number(new URLSearchParams(search).get('after') ?? 0);
  return chat.messages.filter((message) => message.id > after).map((message) => messageItem(portal, message));
}

function portalItem(portal: Portal): Params {
  const apps = portal.apps.map((app) => ({ clientId: app.clientId, installed: app.installed, deleted: app.deleted }));
  return { memberId: portal.memberId, url: portal.url, lines: [...portal.lines.lines.values()], apps };
}

function dialogItem(chat: Chat): Params {
  const session = chat.sessions.at(-1);
  const last = chat.messages.at(-1);
  return {
    chatId: chat.id,
    externalId: chat.externalId,
    title: chat.title,
    line: chat.line,
    connector: chat.connector,
    sessionOpen: session !== undefined && !session.closed,
    messages: chat.messages.length,
    lastMessage: last === undefined ? null : { id: last.id, text: last.text, at: last.at },
  };
}

function messageItem(portal: Portal, message: LineMessage): Params {
  const { id, author, authorId, text: words, externalIds, whisper, edited, deleted, at } = message;
  const user = portal.users.get(authorId);
  const client = author === 'client' ? portal.chat(message.chatId).title.split(' - ', 1)[0] : undefined;
  const authorName = client ?? (user === undefined ? '' : `${user.name} ${user.lastName}`.trim());
  const files = message.files.map((file) => ({
    name: file.name,
    type: file.type,
    mime: file.mime,
    size: file.size,
    url: file.source ?? file.downloadLink,
  }));
  return {
    id,
    author,
    authorId,
    authorName,
    text: words,
    files,
    externalIds,
    tick: tick(message),
    whisper,
    edited,
    deleted,
    at,
  };
}

function tick(message: LineMessage): 'clock' | 'delivered' | null {
  if (message.sending) return 'clock';
  return message.author !== 'client' && message.readByClient ? 'delivered' : null;
}

function ok(value: unknown): Reply {
  return json(200, value, CORS);
}

function problem(status: number, error: string): Reply {
  return json(status, { error }, CORS);
}
