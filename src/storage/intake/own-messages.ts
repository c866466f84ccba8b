import { beginRequests, findRequest, nameMessages, type KnownRequest, type RequestKey } from '../crm/send-requests.js';
import type { Queryable } from '../postgres/database.service.js';
import { IS_UNSUBSCRIBED, noteAdvertised } from '../work/advertising.js';
import { endpointOf } from '../work/endpoint-id.js';
import { lockBots, lockChats } from '../work/lock-order.js';
import { isOfPeople } from '../work/own-words.js';
import { appendDeliveries, type NewDelivery } from '../work/outbox.js';
import { intakeOf, type Intake } from './intake.js';
import type { StoredWords } from './intake.rows.js';
import { insertMessages } from './message-rows.js';

/** Something to be said to a client on the program's own account; its kind is its source. */
export interface SendRequest extends RequestKey {
  /** It was received before; absent: it is new, unless its key is known. */
  id?: bigint;
  chatId: bigint;
  words: Pick<StoredWords, 'text' | 'marks' | 'attachments' | 'keyboard'>;
  /** The employee who wrote it; absent: nobody. Nobody wrote what is {@link bulk}. */
  author?: { id: string; name?: string };
  /** Everybody's conversation goes first: broadcasts, advertising. No operator is told where it does not arrive. */
  bulk?: boolean;
  /** Handed to the reporter of the source with the outcome, and kept until then; absent: nobody is told. */
  report?: unknown;
}

/**
 * Why nothing was kept. `unsubscribed`: the client wants nothing that is {@link SendRequest} `bulk`; `banned`: the client
 * is on the ban list, and no person wrote it.
 */
type Refusal = 'unsubscribed' | 'banned';

/** `no_chat`: the portal has no such chat (any more). */
export type SendAnswer =
  { status: 'new' | 'known'; request: KnownRequest } | { status: 'no_chat' } | { status: Refusal };

/**
 * Keeps what is to be said, with its work, in the order given; what is known by its key is answered as it was kept. To be
 * called in a transaction.
 */
export async function acceptSendRequests(
  connection: Queryable,
  requests: SendRequest[],
): Promise<{ answers: SendAnswer[]; intake: Intake }> {
  const chats = await chatsOf(connection, requests);
  const there = requests.filter(({ chatId, portalId }) => chats.get(chatId)?.portal_id === portalId);
  const refused = new Map(
    there.flatMap((request) => {
      const why = refusalOf(request, chats.get(request.chatId)!);
      return why ? [[request, why] as const] : [];
    }),
  );
  const reachable = there.filter((request) => !refused.has(request));
  const begun = await beginRequests(
    connection,
    reachable.map((request) => ({ ...request, report: request.report ?? null })),
  );
  const fresh = reachable.flatMap((request, ord) => {
    const id = begun.get(ord);
    return id === undefined ? [] : [{ request, id, chat: chats.get(request.chatId)! }];
  });
  const deliveries = await sayTo(
    connection,
    fresh.map(({ request, chat }) => ({ ...request, chat })),
  );
  await nameMessages(
    connection,
    fresh.map(({ id }, index) => ({ id, messageId: deliveries[index]!.messageId })),
  );
  const made = new Map(
    fresh.map(({ request, id }, index): [SendRequest, KnownRequest] => [
      request,
      {
        id,
        chatId: request.chatId,
        messageId: deliveries[index]!.messageId,
        text: request.words.text,
        files: (request.words.attachments ?? []).map(({ url }) => url ?? ''),
      },
    ]),
  );
  const answers: SendAnswer[] = [];
  for (const request of requests) {
    const own = made.get(request);
    const known = own ? null : await findRequest(connection, request);
    if (own) answers.push({ status: 'new', request: own });
    else if (known?.messageId != null) answers.push({ status: 'known', request: known });
    else if (refused.has(request)) answers.push({ status: refused.get(request)! });
    else answers.push(known ? { status: 'known', request: known } : { status: 'no_chat' });
  }
  return { answers, intake: intakeOf(deliveries, deliveries.length, requests.length - deliveries.length) };
}

/** Something to be said in a chat that is locked. */
export interface OwnSaying extends Pick<SendRequest, 'portalId' | 'source' | 'words' | 'author' | 'bulk'> {
  chat: Pick<Addressee, 'id' | 'bot_id' | 'external_id' | 'portal_id'>;
}

/** Keeps it with its work, and returns that in the order given. To be called with the bots and the chats locked. */
export async function sayTo(connection: Queryable, sayings: OwnSaying[]): Promise<NewDelivery[]> {
  const kept = await insertMessages(
    connection,
    sayings.map(({ portalId, source, words, author, bulk, chat }) => ({
      portalId,
      botId: chat.bot_id,
      chatId: chat.id,
      direction: 'outbound' as const,
      said: { ...words, kind: source, authorId: bulk ? '0' : author?.id, authorName: author?.name, raw: {} },
      externalChatId: chat.external_id,
      endpoint: endpointOf('outbound', chat),
    })),
  );
  const deliveries = kept.map((delivery) => delivery!);
  await appendDeliveries(connection, deliveries);
  await noteAdvertised(
    connection,
    sayings.flatMap(({ bulk, chat }) => (bulk ? chat.id : [])),
  );
  return deliveries;
}

interface Addressee {
  id: bigint;
  bot_id: bigint;
  external_id: string;
  portal_id: bigint | null;
  unsubscribed: boolean;
  banned: boolean;
}

function refusalOf({ source, bulk }: SendRequest, { unsubscribed, banned }: Addressee): Refusal | null {
  // What people write goes to whom they write it.
  if (banned && !isOfPeople(source)) return 'banned';
  return bulk && unsubscribed ? 'unsubscribed' : null;
}

/** Locked until the commit, and their bots stay where they are. */
async function chatsOf(connection: Queryable, requests: SendRequest[]): Promise<Map<bigint, Addressee>> {
  const ids = [...new Set(requests.map(({ chatId }) => chatId))];
  const { rows: bots } = await connection.query<{ bot_id: bigint }>(
    `SELECT DISTINCT bot_id FROM chat_links WHERE id = ANY($1::bigint[])`,
    [ids],
  );
  await lockBots(
    connection,
    bots.map(({ bot_id }) => bot_id),
  );
  await lockChats(connection, ids);
  const { rows } = await connection.query<Addressee>(
    `SELECT id, bot_id, external_id, portal_id, ${IS_UNSUBSCRIBED} AS unsubscribed, banned_at IS NOT NULL AS banned
       FROM chat_links c WHERE id = ANY($1::bigint[])`,
    [ids],
  );
  return new Map(rows.map((row) => [row.id, row]));
}
