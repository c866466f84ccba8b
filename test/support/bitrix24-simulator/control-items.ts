import { typeNameOf, type CrmRecord } from './crm-records.js';
import type { Chat, LineMessage } from './open-lines.js';
import type { Params } from './php-encoding.js';
import type { PlacementRow } from './placements.js';
import type { MessageFile } from './portal-files.js';
import type { Portal } from './portal.js';

// What the control API shows of the things in a portal.

export function portalItem(portal: Portal): Params {
  const apps = portal.apps.map((app) => ({ clientId: app.clientId, installed: app.installed, deleted: app.deleted }));
  return { memberId: portal.memberId, url: portal.url, lines: [...portal.lines.lines.values()], apps };
}

export function placementItem({ app, placement, handler, options, words }: PlacementRow): Params {
  return { clientId: app.clientId, placement, handler, options, words };
}

export function dialogItem(chat: Chat): Params {
  const session = chat.sessions.at(-1);
  const last = chat.messages.at(-1);
  return {
    chatId: chat.id,
    externalId: chat.externalId,
    title: chat.title,
    line: chat.line,
    connector: chat.connector,
    sessionOpen: session !== undefined && !session.closed,
    sessions: chat.sessions.map(({ id, status, closed, waitAction, openedBy, woken, source, crm }) => ({
      id,
      status,
      closed,
      waitAction,
      openedBy,
      woken,
      source,
      crm,
    })),
    messages: chat.messages.length,
    lastMessage: last === undefined ? null : { id: last.id, text: last.text, at: last.at },
  };
}

export function messageItem(portal: Portal, message: LineMessage): Params {
  const { id, author, authorId, text, externalIds, whisper, edited, deleted, revisions, attach, params, at } = message;
  const user = portal.users.get(authorId);
  const client = author === 'client' ? portal.chat(message.chatId).title.split(' - ', 1)[0] : undefined;
  const authorName = client ?? (user === undefined ? '' : `${user.name} ${user.lastName}`.trim());
  return {
    id,
    author,
    authorId,
    authorName,
    text,
    files: message.files.map(fileItem),
    attach,
    params,
    externalIds,
    tick: tick(message),
    whisper,
    edited,
    deleted,
    revisions,
    at,
  };
}

export function fileItem(file: MessageFile): Params {
  const { id, name, type, mime, size, sha256, link, downloadLink, source, removed } = file;
  return { id, name, type, mime, size, sha256, url: downloadLink, link, source: source ?? null, removed };
}

/** With the chats of its dialogs, those touched last first. */
export function crmItem(portal: Portal, record: CrmRecord): Params {
  const { typeId, id, fields, utm, phones, emails, changes } = record;
  const chats = portal.crm.dialogs.chatsOf({ typeId, id }, portal.lines).map(({ chat }) => chat.id);
  return { type: typeNameOf(typeId), typeId, id, fields, utm, phones, emails, changes, chats: [...new Set(chats)] };
}

export function clientItems(portal: Portal): Params[] {
  return [...portal.lines.clients.values()].map(({ hash: _hash, avatar, ...client }) => ({
    ...client,
    avatar: avatar === null ? null : fileItem(avatar),
  }));
}

function tick(message: LineMessage): 'clock' | 'delivered' | null {
  if (message.sending) return 'clock';
  return message.author !== 'client' && message.readByClient ? 'delivered' : null;
}
