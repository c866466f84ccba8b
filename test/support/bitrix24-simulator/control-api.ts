import { clientItems, crmItem, dialogItem, fileItem, messageItem, placementItem, portalItem } from './control-items.js';
import { CRM_TYPES, type CrmTypeName } from './crm-records.js';
import { json, type Exchange, type Reply } from './http-exchange.js';
import type { Chat, LineMessage } from './open-lines.js';
import type { Operator } from './operator.js';
import { isArray, text, type Params } from './php-encoding.js';
import type { FileFault, NewFile } from './portal-files.js';
import type { Portal } from './portal.js';

const CORS = {
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, PATCH, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'Content-Type',
};
const DEFAULT_OPERATOR = { id: 27, name: 'Samantha Johnson' };
const DOWNLOAD_SETTINGS = ['forbidden', 'allowedHosts', 'delayMs', 'timeoutMs', 'maxBytes'] as const;

/**
 * Lets a page in a browser, or a test in another process, play the operator. All answers are JSON, errors `{ error }`.
 *
 * - `GET /portals`: `{ items: [{ memberId, url, lines, apps }] }`
 * - `GET /portals/:memberId/dialogs`: `{ items: [{ chatId, externalId, title, line, connector, sessionOpen, sessions, messages, lastMessage }] }`;
 *   `sessions: [{ id, status, closed, waitAction, openedBy, woken: [{ cause, from, at }], source, crm }]`: who opened each, and who woke
 *   it when it was answered or being closed: client, operator or system (author 0); `crm` says what the CRM did when it began
 * - `GET /portals/:memberId/dialogs/:chatId/messages?after=ID`: `{ items: [{ id, author, authorName, text, files, tick, revisions, … }] }`;
 *   `tick` is `clock` until the connector reports delivery, then `delivered`, null for messages that are not sent to the client
 * - `POST /portals/:memberId/dialogs/:chatId/messages`
 *   `{ text, operator?: { id, name }, whisper?, files?: [{ name, mime, base64, width?, height? }], attach?: [{ ID, BLOCKS, … }], params? }`:
 *   201 with the message; `quote: ID` (`quoteStyle?: { shape, reference }`) answers with a quotation, `voice: { mime, base64 }` records one
 * - `PATCH`, `DELETE /portals/:memberId/messages/:id` `{ text, operator? }`: the operator edits, deletes
 * - `POST /portals/:memberId/dialogs/:chatId/close`: ends the session; `…/finish`: as an operator does it, with the closing text
 * - `GET /portals/:memberId/clients`: profiles with avatars; `crm: { phones, emails }` is what the CRM tracker found
 * - `POST /portals/:memberId/expectations`: `{ code }` of the CRM's tracker, as in the link by which a card invites a client
 * - `GET`, `POST /portals/:memberId/crm/:type` (`lead`, `deal`, `contact`, `company`, or the number of a smart process)
 *   `{ fields, phones?, emails? }`: what an employee makes; `PATCH`, `DELETE …/crm/:type/:id` `{ fields }`: changes, deletes
 * - `GET`, `PATCH /portals/:memberId/files` `{ fault }` for all files, `…/files/:id` for one; `DELETE …/files/:id` removes it from the disk
 * - `GET`, `PATCH /portals/:memberId/downloads` `{ forbidden?, allowedHosts?, delayMs?, timeoutMs?, maxBytes? }`: how the portal
 *   fetches clients' files, and every fetch so far
 * - `GET`, `PATCH /portals/:memberId/format`: which build's events the portal sends
 * - `POST /portals/:memberId/frames` `{ clientId, page: "install" | "app" | "settings" | "placement", connector?, line?, lang?, user? }`:
 *   `{ url }` of a page that shows the application inside the portal; a placement by `{ placement, entity?, chat? }`: its name,
 *   such as `CRM_DEAL_DETAIL_TAB` or `IM_SIDEBAR`, and the number of the entity or chat
 * - `GET /portals/:memberId/placements`: `{ items: [{ clientId, placement, handler, options, words }] }`
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
    if (section === 'placements') return ok({ items: portal.placements.rows.map(placementItem) });
    if (section === 'expectations' && exchange.method === 'POST')
      return json(201, { code: portal.lines.tracker.expectClient() }, CORS);
    if (section === 'clients') return ok({ items: clientItems(portal) });
    if (section === 'crm' && id !== undefined) return crm(portal, exchange, id, action);
    if (section === 'files')
      return id === undefined ? allFiles(portal, exchange) : oneFile(portal, exchange, Number(id));
    if (section === 'downloads') return downloads(portal, exchange);
    if (section === 'format') {
      if (exchange.method === 'PATCH') Object.assign(portal.events.format, bodyOf(exchange));
      return ok(portal.events.format);
    }
    if (section === 'messages' && id !== undefined) return changeMessage(portal, exchange, Number(id));
    if (section !== 'dialogs') return null;
    if (id === undefined) return ok({ items: [...portal.lines.chats.values()].map(dialogItem) });
    const chat = portal.chat(/^\d+$/.test(id) ? Number(id) : id);
    if (action === 'close' && exchange.method === 'POST') {
      portal.lines.closeSession(chat);
      return ok(dialogItem(chat));
    }
    if (action === 'finish' && exchange.method === 'POST') {
      portal.lines.finishSession(chat);
      return ok(dialogItem(chat));
    }
    if (action !== 'messages') return null;
    return exchange.method === 'POST'
      ? write(portal, chat, exchange)
      : ok({ items: messagesAfter(portal, chat, exchange.search) });
  }
}

/** By a person's hand. */
function crm(portal: Portal, exchange: Exchange, type: string, id?: string): Reply | null {
  const typeId = /^\d+$/.test(type) ? Number(type) : CRM_TYPES[type.toUpperCase() as CrmTypeName];
  const { records } = portal.crm;
  if (typeId === undefined) return null;
  const body = bodyOf(exchange);
  const fields = optional(body['fields']) ?? {};
  if (id === undefined && exchange.method === 'POST') {
    const named = (value: unknown): string[] => (Array.isArray(value) ? value.map(text) : []);
    const made = records.add(typeId, { fields, phones: named(body['phones']), emails: named(body['emails']) });
    return json(201, crmItem(portal, made), CORS);
  }
  if (id === undefined) return ok({ items: records.of(typeId).map((record) => crmItem(portal, record)) });
  const record = records.find(typeId, Number(id));
  if (record === undefined) return problem(404, 'No such entity.');
  if (exchange.method === 'PATCH') records.update(record, fields);
  if (exchange.method === 'DELETE') records.remove(record);
  return ok(crmItem(portal, record));
}

function write(portal: Portal, chat: Chat, exchange: Exchange): Reply {
  const body = bodyOf(exchange);
  return json(201, messageItem(portal, written(operatorOf(portal, body), chat, body)), CORS);
}

function written(operator: Operator, chat: Chat, body: Params): LineMessage {
  const words = text(body['text']);
  if (body['whisper'] === true) return operator.whispers(chat.id, words);
  if (body['quote'] !== undefined) return operator.quotes(Number(body['quote']), words, optional(body['quoteStyle']));
  if (isArray(body['voice'])) {
    const { mime, content } = fileOf(body['voice']);
    return operator.recordsVoice(chat.id, content, mime || undefined);
  }
  return operator.sends(chat.id, {
    text: words,
    files: listOf(body['files']).map(fileOf),
    attach: listOf(body['attach']),
    params: optional(body['params']),
  });
}

function fileOf({ name, mime, base64, width, height }: Params): NewFile {
  const size = {
    ...(width === undefined ? {} : { width: Number(width) }),
    ...(height === undefined ? {} : { height: Number(height) }),
  };
  return { name: text(name), mime: text(mime), content: Buffer.from(text(base64), 'base64'), ...size };
}

function allFiles(portal: Portal, exchange: Exchange): Reply {
  const { files } = portal;
  if (exchange.method === 'PATCH') files.fault = faultOf(exchange);
  return ok({ fault: files.fault, items: [...files.all.values()].map(fileItem), requests: files.requests });
}

function oneFile(portal: Portal, exchange: Exchange, id: number): Reply {
  if (exchange.method === 'PATCH') portal.files.breakFile(id, faultOf(exchange));
  if (exchange.method === 'DELETE') portal.files.remove(id);
  return ok(fileItem(portal.files.get(id)));
}

function faultOf(exchange: Exchange): FileFault | null {
  const { fault } = bodyOf(exchange);
  return isArray(fault) ? (fault as FileFault) : null;
}

/** JSON has no infinity: a `maxBytes` of null means no limit. */
function downloads(portal: Portal, exchange: Exchange): Reply {
  const { downloads: own } = portal;
  const body = exchange.method === 'PATCH' ? bodyOf(exchange) : {};
  const changes = DOWNLOAD_SETTINGS.filter((key) => key in body).map((key) => [key, body[key]]);
  Object.assign(own, Object.fromEntries(changes), body['maxBytes'] === null ? { maxBytes: Infinity } : {});
  return ok({ ...Object.fromEntries(DOWNLOAD_SETTINGS.map((key) => [key, own[key]])), items: own.records });
}

function openFrame(portal: Portal, body: Params): Reply {
  const app = portal.apps.find((candidate) => candidate.clientId === body['clientId']);
  if (app === undefined) return problem(404, 'No such application.');
  const options = { lang: text(body['lang']) || 'en', user: Number(body['user']) || 1 };
  const settings = { ...options, connector: text(body['connector']), line: text(body['line']) };
  if (body['page'] === 'settings') return ok({ url: portal.frames.pageUrl(portal.frames.settings(app, settings)) });
  if (body['page'] === 'placement') {
    const where = { placement: text(body['placement']), ...numberOf(body, 'entity'), ...numberOf(body, 'chat') };
    return ok({ url: portal.frames.pageUrl(portal.frames.placement(app, { ...options, ...where })) });
  }
  const frame = body['page'] === 'app' ? portal.frames.main(app, options) : portal.frames.install(app, options);
  return ok({ url: portal.frames.pageUrl(frame) });
}

function numberOf(body: Params, name: 'entity' | 'chat'): Params {
  return body[name] === undefined ? {} : { [name]: Number(body[name]) };
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

function listOf(value: unknown): Params[] {
  return Array.isArray(value) ? value.filter(isArray) : [];
}

function optional(value: unknown): Params | undefined {
  return isArray(value) ? value : undefined;
}

function ok(value: unknown): Reply {
  return json(200, value, CORS);
}

function problem(status: number, error: string): Reply {
  return json(status, { error }, CORS);
}
