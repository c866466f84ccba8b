/**
 * The admin API as the console uses it: ids are decimal strings, times are ISO 8601 in UTC. Everything that is not an
 * answer is thrown as a {@link ProblemError}.
 */

export type Direction = 'inbound' | 'outbound';
export type MessageState = 'queued' | 'sending' | 'delivered' | 'failed' | 'uncertain' | 'ignored';
export type Role = 'read_only' | 'operator' | 'owner';
export type BotMode = 'polling' | 'webhook';
export type OperatorName = 'hidden' | 'name' | 'template';
export type LineState = 'active' | 'inactive' | 'deleted';

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

/** Whose key it is; `portalId` null: every portal. */
export interface Me {
  name: string;
  role: Role;
  portalId: string | null;
}

type Counts = Partial<Record<Direction, Partial<Record<MessageState, number>>>>;

export interface Summary {
  messages: Counts;
  oldestWaiting: string | null;
}

export interface Overview extends Summary {
  at: string;
  byPortal: ({ portalId: string | null } & Summary)[];
  byBot: ({ botId: string | null } & Summary)[];
}

export interface Latency {
  p50: number;
  p95: number;
}

export interface StatisticsItem {
  at: string;
  inbound: number;
  outbound: number;
  failed: number;
  uncertain: number;
  inboundLatencyMs: Latency | null;
  outboundLatencyMs: Latency | null;
}

export interface Statistics {
  from: string;
  to: string;
  stepSeconds: number;
  items: StatisticsItem[];
}

/** `advice` is '' where there is nothing to do. The id begins with `portal:<id>:` or `bot:<id>:` where it is about one. */
export interface Check {
  id: string;
  ok: boolean;
  what: string;
  advice: string;
}

export interface Diagnosis {
  ok: boolean;
  checks: Check[];
}

export interface PortalItem {
  id: string;
  memberId: string;
  domain: string;
  connectorId: string;
  scope: string;
  language: string;
  state: 'active' | 'reauthorise' | 'uninstalled';
  stateReason: string | null;
  eventsVerified: boolean;
  installedAt: string;
  retentionDays?: number | null;
  lines: {
    lineId: string;
    state: LineState;
    operatorName: OperatorName;
    operatorNameTemplate: string | null;
  }[];
  tokens: {
    userId: string;
    isAdmin: boolean;
    isInstaller: boolean;
    state: 'valid' | 'dead';
    stateReason: string | null;
    refreshedAt: string;
    expiresAt: string;
  }[];
  bots: { id: string; username: string | null; lineId: string | null }[];
}

/** An open line of a portal; `name` and `enabled` are null where the portal did not say. */
export interface LineItem {
  lineId: string;
  name: string | null;
  enabled: boolean | null;
  state: LineState | null;
  bot: { id: string; username: string | null; name: string | null } | null;
  operatorName: OperatorName;
  operatorNameTemplate: string | null;
  welcomeText: string | null;
  startOpensSession: boolean;
}

export interface Lines {
  items: LineItem[];
  asked: boolean;
  error: string | null;
}

export interface LineChange {
  operatorName?: OperatorName;
  operatorNameTemplate?: string | null;
  welcomeText?: string | null;
  startOpensSession?: boolean;
}

export interface RegistrationReport {
  ok: boolean;
  steps: { step: string; ok: boolean; detail: string }[];
}

export interface BotItem {
  id: string;
  telegramId: string;
  username: string | null;
  name: string | null;
  mode: BotMode;
  portalId: string | null;
  lineId: string | null;
  state: 'active' | 'conflict' | 'unauthorised' | 'disabled';
  stateReason: string | null;
  isDefault: boolean;
  createdAt: string;
}

export interface NewBot {
  token: string;
  mode: BotMode;
  portalId?: string;
  lineId?: string;
}

export interface BotChange {
  token?: string;
  mode?: BotMode;
  enabled?: boolean;
  portalId?: string | null;
  lineId?: string | null;
}

/** `id` null: the one of the environment, which cannot be changed here. */
export interface ApplicationItem {
  id: string | null;
  clientId: string;
  name: string;
  domain: string | null;
  connectorId: string;
  lineId: string | null;
  source: 'environment' | 'stored';
  portals: number;
  installUrl: string | null;
  handlerPath: string | null;
  installPath: string | null;
  createdAt: string | null;
}

export interface ApplicationChange {
  clientSecret?: string;
  name?: string;
  domain?: string | null;
  lineId?: string | null;
}

export interface ChatItem {
  id: string;
  botId: string;
  portalId: string | null;
  externalId: string;
  telegramChatId: string;
  threadId: string | null;
  type: string;
  title: string;
  username: string | null;
  language: string | null;
  phone: string | null;
  /** Payload of the link by which the client came first, and last. */
  source: string | null;
  lastSource: string | null;
  avatar: string | null;
  bannedAt: string | null;
  state: 'active' | 'blocked';
  stateReason: string | null;
  lastInboundAt: string | null;
  lastOutboundAt: string | null;
  /** When somebody last wrote, or when it began. */
  activeAt: string;
  createdAt: string;
}

export interface AttachmentItem {
  kind: string;
  name: string;
  mime: string | null;
  size: number | null;
  label: string;
  url: string | null;
}

/** A stretch of formatted text, in UTF-16 units. */
export interface Mark {
  type: 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler' | 'code' | 'pre' | 'quote' | 'link';
  offset: number;
  length: number;
  url?: string;
}

export interface MessageItem {
  id: string;
  direction: Direction;
  state: MessageState;
  kind: string;
  text: string;
  marks?: Mark[];
  attachments: AttachmentItem[];
  systemLine: boolean;
  source: string | null;
  albumId: string | null;
  replyToId: string | null;
  replyQuote: string | null;
  chatId: string | null;
  externalChatId: string | null;
  telegramMessageIds: string[];
  bitrixMessageId: string | null;
  botId: string | null;
  portalId: string | null;
  authorId: string | null;
  authorName: string | null;
  unsigned: boolean;
  attempts: number;
  error: { code: string; detail: string } | null;
  createdAt: string;
  deliveredAt: string | null;
  seenAt: string | null;
  editedAt: string | null;
  deletedAt: string | null;
}

export interface TimelineEntry {
  at: string;
  what: string;
  kind?: string;
  number?: number;
  outcome?: string;
  code?: string;
  detail?: string;
  finishedAt?: string;
  instance?: string;
}

export interface MessageDetail extends MessageItem {
  marks: Mark[];
  raw: unknown;
  revisions: { number: number; text: string; marks: Mark[]; deleted: boolean; createdAt: string }[];
  timeline: TimelineEntry[];
}

export interface MessageFilter {
  q?: string;
  state?: MessageState;
  direction?: Direction;
  portal?: string;
  bot?: string;
  chat?: string;
  from?: string;
  to?: string;
}

export interface UndeliveredFilter {
  state?: 'failed' | 'uncertain';
  direction?: Direction;
  chat?: string;
  from?: string;
  to?: string;
}

export interface ChatFilter {
  q?: string;
  /** Of the first or the last link by which the client came. */
  source?: string;
  state?: 'active' | 'blocked';
  portal?: string;
  bot?: string;
  sort?: 'created' | 'activity';
}

export interface KeyItem {
  id: string;
  name: string;
  role: Role;
  portalId: string | null;
  hint: string;
  createdAt: string;
  createdBy: string;
  lastUsedAt: string | null;
  expiresAt: string | null;
  revokedAt: string | null;
}

export interface NewKey {
  name: string;
  role: Role;
  portalId?: string;
  expiresAt?: string;
}

export interface AuditItem {
  id: string;
  at: string;
  actor: string;
  action: string;
  subject: string;
  portalId?: string | null;
  detail: unknown;
}

export interface AuditFilter {
  portal?: string;
  action?: string;
  from?: string;
  to?: string;
}

/** What remains of an erased client. */
export interface Receipt {
  id: string;
  at: string;
  actor: string;
  subject: string;
  chats: number;
  messages: number;
  attachments: number;
}

/** Why there is no answer. Status 0: the service could not be reached. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** Seconds, with 429 and 503. */
    readonly retryAfter: number | null,
  ) {
    super(detail);
  }
}

/** The page stands at <root>/console, the API at <root>/admin, wherever a proxy has put the root. */
const ADMIN = new URL('admin', document.baseURI);

type Query = Record<string, string | number | undefined>;

export function query(values: Query): string {
  const given = Object.entries(values).filter((entry): entry is [string, string | number] => {
    const [, value] = entry;
    return value !== undefined && value !== '';
  });
  const text = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
  return text === '' ? '' : `?${text}`;
}

/** Calls with one key. `refused` hears of every 401. */
export function createApi(key: string, refused: () => void = () => undefined) {
  const send = async (method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> => {
    let response: Response;
    try {
      response = await fetch(ADMIN.href + path, {
        method,
        credentials: 'omit',
        cache: 'no-store',
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        ...(signal ? { signal } : {}),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new ProblemError(0, 'unreachable', '', null);
    }
    if (response.ok) return response;
    if (response.status === 401) refused();
    throw await problemOf(response);
  };
  const call = async <Answer>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Answer> => {
    const response = await send(method, path, body, signal);
    const text = await response.text();
    return (text === '' ? undefined : JSON.parse(text)) as Answer;
  };
  const get = <Answer>(path: string, signal?: AbortSignal) => call<Answer>('GET', path, undefined, signal);

  return {
    me: () => get<Me>('/me'),

    overview: () => get<Overview>('/overview'),
    statistics: (range: { from: string; to: string; step: number; portal?: string; bot?: string }) =>
      get<Statistics>(`/statistics${query(range)}`),
    doctor: () => get<Diagnosis>('/doctor'),

    portals: (cursor?: string) => get<Page<PortalItem>>(`/portals${query({ limit: 200, cursor })}`),
    portal: (id: string) => get<PortalItem>(`/portals/${id}`),
    changePortal: (id: string, change: { retentionDays: number | null }) =>
      call<PortalItem>('PATCH', `/portals/${id}`, change),
    removePortal: (id: string) => call<Partial<PortalItem> | undefined>('DELETE', `/portals/${id}`),
    register: (id: string) => call<RegistrationReport>('POST', `/portals/${id}/connector/register`, {}),
    activate: (id: string, lineId: string) =>
      call<RegistrationReport>('POST', `/portals/${id}/connector/activate`, { lineId }),
    deactivate: (id: string, lineId: string) =>
      call<RegistrationReport>('POST', `/portals/${id}/connector/deactivate`, { lineId }),
    lines: (id: string) => get<Lines>(`/portals/${id}/lines`),
    changeLine: (id: string, lineId: string, change: LineChange) =>
      call<PortalItem>('PATCH', `/portals/${id}/lines/${lineId}`, change),

    bots: () => get<Page<BotItem>>('/bots?limit=200'),
    addBot: (bot: NewBot) => call<BotItem>('POST', '/bots', bot),
    changeBot: (id: string, change: BotChange) => call<BotItem>('PATCH', `/bots/${id}`, change),
    removeBot: (id: string) => call<undefined>('DELETE', `/bots/${id}`),

    applications: () => get<Page<ApplicationItem>>('/applications'),
    addApplication: (application: ApplicationChange & { clientId: string; clientSecret: string }) =>
      call<ApplicationItem>('POST', '/applications', application),
    changeApplication: (id: string, change: ApplicationChange) =>
      call<ApplicationItem>('PATCH', `/applications/${id}`, change),
    removeApplication: (id: string) => call<undefined>('DELETE', `/applications/${id}`),

    chats: (filter: ChatFilter, cursor?: string, signal?: AbortSignal) =>
      get<Page<ChatItem>>(`/chats${query({ ...filter, limit: 50, cursor })}`, signal),
    chat: (id: string) => get<ChatItem>(`/chats/${id}`),
    ban: (id: string) => call<ChatItem>('POST', `/chats/${id}/ban`),
    unban: (id: string) => call<ChatItem>('POST', `/chats/${id}/unban`),
    erase: (id: string, confirm: string) => call<Receipt>('POST', `/chats/${id}/erase`, { confirm }),
    erasures: (cursor?: string) => get<Page<Receipt>>(`/erasures${query({ limit: 50, cursor })}`),

    messages: (filter: MessageFilter, cursor?: string, limit = 50, signal?: AbortSignal) =>
      get<Page<MessageItem>>(`/messages${query({ ...filter, limit, cursor })}`, signal),
    message: (id: string) => get<MessageDetail>(`/messages/${id}`),
    retry: (id: string) => call<{ retried: number }>('POST', `/messages/${id}/retry`),
    discard: (id: string) => call<{ discarded: number }>('POST', `/messages/${id}/discard`),
    resolve: (id: string, outcome: 'delivered' | 'failed') =>
      call<MessageDetail>('POST', `/messages/${id}/resolve`, { outcome }),
    retryAll: (filter: UndeliveredFilter) => call<{ retried: number }>('POST', '/messages/retry', filter),
    discardAll: (filter: UndeliveredFilter) => call<{ discarded: number }>('POST', '/messages/discard', filter),
    /** The stream of an export; the caller reads its body. */
    export: (format: 'ndjson' | 'csv', filter: MessageFilter, signal?: AbortSignal) =>
      send('GET', `/export/messages${query({ ...filter, format })}`, undefined, signal),

    keys: () => get<Page<KeyItem>>('/keys'),
    addKey: (key: NewKey) => call<KeyItem & { key: string }>('POST', '/keys', key),
    revokeKey: (id: string) => call<KeyItem | undefined>('DELETE', `/keys/${id}`),

    audit: (filter: AuditFilter, cursor?: string) =>
      get<Page<AuditItem>>(`/audit${query({ ...filter, limit: 50, cursor })}`),
  };
}

export type Api = ReturnType<typeof createApi>;

async function problemOf(response: Response): Promise<ProblemError> {
  const { code, detail } = (await response.json().catch(() => ({}))) as { code?: unknown; detail?: unknown };
  const retryAfter = Number(response.headers.get('retry-after'));
  return new ProblemError(
    response.status,
    typeof code === 'string' ? code : 'unknown',
    typeof detail === 'string' ? detail : '',
    retryAfter > 0 ? retryAfter : null,
  );
}
