import type { Chat, LineMessage } from './open-lines.js';
import { portalDate, text, type Params } from './php-encoding.js';
import type { Portal } from './portal.js';
import { RestError } from './rest-error.js';
import type { RestContext, RestMethods } from './rest-method.js';

/** EventService::EXPIRY_HOURS */
const KEPT_MS = 24 * 3_600_000;
const DEFAULT_LIMIT = 100;
const MAX_LIMIT = 1_000;

interface EventRow {
  id: number;
  userId: number;
  type: string;
  /** Unix ms. */
  at: number;
  data: Params;
}

/**
 * What happens in the chats of those who subscribed, to be fetched by polling (yuliai/bitrix-modules, im/lib/V2/EventLog:
 * EventLogger.php, EventService.php; bitrix24/b24restdocs, chat-bots-v2/im.v2/events). One queue for each person, of the
 * chats that they are a member of, whatever applications ask for it; rows of all people are numbered together.
 */
export class MessengerEvents {
  /** The build has these methods (since 2026). */
  enabled = false;
  readonly subscribers = new Set<number>();
  /**
   * Whether an event of a reaction says "add" or "delete". The documentation says that it does; the sources of May 2026
   * leave `action` empty for people (im/lib/V2/Message/Reaction/ReactionService.php, logUserReactionEvent: no REACTION_TYPE).
   */
  tellsReactionAction = false;
  /** The application may read who reacted (im.v2.Chat.Message.Reaction.tail). Not documented for applications. */
  showsReactions = true;
  /** Newest last. */
  private reactions: { id: number; messageId: number; userId: number; reaction: string; at: number }[] = [];
  rows: EventRow[] = [];
  private lastId = 2_000;

  constructor(private readonly portal: Portal) {
    portal.lines.changes.on('message', (message: LineMessage, chat: Chat) =>
      this.write('ONIMV2MESSAGEADD', chat, message.authorId, { message: this.messageOf(message) }),
    );
    portal.lines.changes.on('correction', (message: LineMessage) => {
      const by = message.revisions.at(-1)?.by;
      const userId = typeof by === 'number' ? by : message.authorId;
      const chat = portal.lines.chatOf(message);
      if (message.deleted) this.write('ONIMV2MESSAGEDELETE', chat, userId, { messageId: message.id });
      else this.write('ONIMV2MESSAGEUPDATE', chat, userId, { message: this.messageOf(message) });
    });
  }

  /** An employee reacts to a message, or takes that back; each may give several (ReactionService::addReaction). */
  react(message: LineMessage, userId: number, reaction: string, action: 'add' | 'delete'): void {
    const messageId = message.id;
    const isIt = (one: { messageId: number; userId: number; reaction: string }) =>
      one.messageId === messageId && one.userId === userId && one.reaction === reaction;
    const known = this.reactions.some(isIt);
    if (known === (action === 'add')) throw new Error(action === 'add' ? 'REACTION_ALREADY_SET' : 'REACTION_NOT_FOUND');
    if (action === 'delete') this.reactions = this.reactions.filter((one) => !isIt(one));
    else this.reactions.push({ id: (this.lastId += 1), messageId, userId, reaction, at: this.portal.clock.now() });
    const told = { reaction, action: this.tellsReactionAction ? action : '', message: this.messageOf(message) };
    this.write('ONIMV2REACTIONCHANGE', this.portal.lines.chatOf(message), userId, told);
  }

  /** Controller/Chat/Message/Reaction.php, tailAction: newest first. */
  tail(messageId: number, limit: number): Params {
    const found = this.reactions.filter((one) => one.messageId === messageId).toReversed();
    const shown = found.slice(0, limit).map(({ at, ...one }) => ({ ...one, dateCreate: portalDate(at) }));
    const users = [...new Set(shown.map(({ userId }) => userId))].map((id) => this.userOf(id));
    return { reactions: shown, users, hasNextPage: found.length >= limit };
  }

  /** Gives back what is before the offset, for all who read this queue; 0 gives back nothing and shows it all again. */
  fetch(userId: number, offset: number, limit: number): Params {
    const { clock } = this.portal;
    this.rows = this.rows.filter(
      (row) => clock.now() - row.at < KEPT_MS && (row.userId !== userId || offset <= 0 || row.id >= offset),
    );
    const found = this.rows.filter((row) => row.userId === userId).slice(0, limit);
    return {
      events: found.map(({ id, type, at, data }) => ({ eventId: id, type, date: portalDate(at), data })),
      nextOffset: (found.at(-1)?.id ?? offset - 1) + 1,
      hasMore: found.length >= limit,
    };
  }

  /** EventLogger::logUserMessageEvent; no payload of polling carries an `auth` block. */
  private write(type: string, chat: Chat, authorId: number, what: Params): void {
    if (!this.enabled) return;
    for (const userId of this.subscribers) {
      if (!chat.members.has(userId)) continue;
      this.lastId += 1;
      const data = { ...what, chat: chatOf(chat), user: this.userOf(authorId), language: this.portal.language };
      this.rows.push({ id: this.lastId, userId, type, at: this.portal.clock.now(), data });
    }
  }

  private messageOf({ id, chatId, authorId, at, text: words, author, externalIds }: LineMessage): Params {
    return {
      id,
      chatId,
      authorId,
      date: portalDate(at),
      text: words,
      isSystem: author === 'system',
      uuid: '',
      forward: null,
      // Without parameters it is an empty list, as PHP writes it (im/lib/V2/Message/Params.php, toRestFormat).
      params: externalIds.length > 0 ? { CONNECTOR_MID: externalIds } : [],
      viewedByOthers: false,
    };
  }

  /** EventPayload::loadUserRest: nobody, author 0, is an empty list. */
  private userOf(id: number): Params | unknown[] {
    if (id === 0) return [];
    const user = this.portal.users.get(id);
    const name = `${user?.name ?? ''} ${user?.lastName ?? ''}`.trim();
    return { id, active: true, name, bot: false, connector: user === undefined, type: 'user' };
  }
}

function chatOf({ id, title, userCode }: Chat): Params {
  return {
    id,
    dialogId: `chat${id}`,
    name: title,
    type: 'lines',
    messageType: 'L',
    entityType: 'LINES',
    entityId: userCode,
    isNew: false,
  };
}

/** Scope `im`; there is no error of their own: whoever did not subscribe reads an empty list (Controller/Event.php). */
export const MESSENGER_EVENT_METHODS: RestMethods = {
  'im.v2.event.subscribe': { scopes: ['im'], run: subscribe },
  'im.v2.event.get': { scopes: ['im'], run: get },
  'im.v2.chat.message.reaction.tail': { scopes: ['im'], run: tail },
};

function subscribe(_params: Params, { portal, user }: RestContext): true {
  assertPresent(portal);
  portal.messengerEvents.subscribers.add(user.id);
  return true;
}

function get(params: Params, { portal, user }: RestContext): Params {
  assertPresent(portal);
  const limit = Math.min(MAX_LIMIT, Math.max(1, Number(text(params['LIMIT'])) || DEFAULT_LIMIT));
  return portal.messengerEvents.fetch(user.id, Math.max(0, Number(text(params['OFFSET'])) || 0), limit);
}

function tail(params: Params, { portal }: RestContext): Params {
  assertPresent(portal);
  if (!portal.messengerEvents.showsReactions) throw new RestError(404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!');
  const limit = Math.min(MAX_LIMIT, Math.max(1, Number(text(params['LIMIT'])) || 50));
  return portal.messengerEvents.tail(Number(text(params['MESSAGEID'])), limit);
}

function assertPresent({ messengerEvents }: Portal): void {
  if (!messengerEvents.enabled) throw new RestError(404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!');
}
