import createClient from 'openapi-fetch';
import { asBody, keptName } from '../shared/files/upload.js';
import type { components, paths } from '../types/api.js';

/**
 * The admin API as the console uses it: ids are decimal strings, times are ISO 8601 in UTC. Everything that is not an
 * answer is thrown as a {@link ProblemError}. Types come from docs/openapi.json.
 */
type Schemas = components['schemas'];
type QueryOf<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Query } } }
  ? NonNullable<Query>
  : never;

export interface Page<Item> {
  items: Item[];
  nextCursor: string | null;
}

export type Me = Schemas['Me'];
export type Role = Me['role'];
export type Overview = Schemas['Overview'];
export type Summary = Pick<Overview, 'messages' | 'oldestWaiting'>;
export type StatisticsItem = Schemas['StatisticsItem'];
export type Check = Schemas['Check'];
export type Diagnosis = Schemas['Diagnosis'];
export type PortalItem = Schemas['PortalItem'];
export type RegistrationReport = Schemas['RegistrationReport'];
export type LineItem = Schemas['LineItem'];
export type LineChange = Schemas['LineChangeBody'];
export type OperatorName = LineItem['operatorName'];
export type BotItem = Schemas['BotItem'];
export type NewBotLink = Schemas['NewBotLink'];
export type BotMode = BotItem['mode'];
export type ApplicationItem = Schemas['ApplicationItem'];
export type ChatItem = Schemas['ChatItem'];
export type MessageItem = Schemas['MessageItem'];
export type MessageDetail = Schemas['MessageDetail'];
export type MessageState = MessageItem['state'];
export type Direction = MessageItem['direction'];
export type AttachmentItem = Schemas['AttachmentItem'];
export type Mark = Schemas['Mark'];
export type TimelineEntry = Schemas['TimelineEntry'];
export type KeyItem = Schemas['KeyItem'];
export type AuditItem = Schemas['AuditItem'];
export type BroadcastItem = Schemas['BroadcastItem'];
export type BroadcastBody = Schemas['BroadcastChangeBody'] & Pick<Schemas['NewBroadcastBody'], 'name' | 'text'>;
export type LinkItem = Schemas['LinkItem'];
export type AnswerItem = Schemas['AnswerItem'];
export type KeptFileItem = Schemas['KeptFileItem'];
export type Receipt = Schemas['Receipt'];
export type UndeliveredFilter = Omit<Schemas['UndeliveredBody'], 'dryRun'>;
export type ChatFilter = Omit<QueryOf<'/admin/chats'>, 'limit' | 'cursor'>;
export type MessageFilter = Omit<QueryOf<'/admin/export/messages'>, 'format'>;
export type FeatureItem = Schemas['FeatureItem'];
export type FeatureBody = Schemas['FeatureBody'];
export type RequestItem = Schemas['RequestItem'];
export type RequestFilter = Omit<QueryOf<'/admin/portals/{id}/requests'>, 'limit' | 'cursor'>;
export type AuditFilter = Omit<QueryOf<'/admin/audit'>, 'limit' | 'cursor'>;

/** Why there is no answer. Status 0: the service could not be reached. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    /** Seconds, with 429 and 503. */
    readonly retryAfter: number | null,
    /** What the refusal says of itself beside its code. */
    readonly params: Readonly<Record<string, unknown>> = {},
  ) {
    super(detail);
  }
}

/** The page stands at <root>/console, the API at <root>/admin, wherever a proxy has put the root. */
const root = () => new URL('.', document.baseURI).href.replace(/\/$/, '');

/** Without what is empty: a filter that was not chosen is not sent. */
export function query(values: Record<string, unknown>): string {
  const given = Object.entries(values).filter(([, value]) => value !== undefined && value !== '');
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}

interface Outcome<Answer> {
  data?: Answer;
  error?: unknown;
  response: Response;
}

/** Calls with one key. `refused` hears of every 401. */
export function createApi(key: string, refused: () => void = () => undefined) {
  const client = createClient<paths>({
    baseUrl: root(),
    credentials: 'omit',
    cache: 'no-store',
    headers: { authorization: `Bearer ${key}` },
    querySerializer: query,
    fetch: fetchOrProblem,
  });
  const answer = async <Answer>(call: Promise<Outcome<Answer>>): Promise<Answer> => {
    const { data, error, response } = await call;
    if (response.ok) return data as Answer;
    if (response.status === 401) refused();
    throw problemOf(response, error);
  };
  const of = (id: string) => ({ params: { path: { id } } });
  const upload = (id: string, file: File) => ({
    params: { path: { id, name: keptName(file.name) } },
    ...asBody(file),
  });

  return {
    me: () => answer(client.GET('/admin/me')),

    overview: () => answer(client.GET('/admin/overview')),
    statistics: (range: QueryOf<'/admin/statistics'>) =>
      answer(client.GET('/admin/statistics', { params: { query: range } })),
    doctor: () => answer(client.GET('/admin/doctor')),

    portals: (cursor?: string) => answer(client.GET('/admin/portals', { params: { query: { limit: 200, cursor } } })),
    portal: (id: string) => answer(client.GET('/admin/portals/{id}', of(id))),
    changePortal: (id: string, body: Schemas['PortalChangeBody']) =>
      answer(client.PATCH('/admin/portals/{id}', { ...of(id), body })),
    removePortal: (id: string) => answer(client.DELETE('/admin/portals/{id}', of(id))),
    register: (id: string) => answer(client.POST('/admin/portals/{id}/connector/register', of(id))),
    activate: (id: string, lineId: string) =>
      answer(client.POST('/admin/portals/{id}/connector/activate', { ...of(id), body: { lineId } })),
    deactivate: (id: string, lineId: string) =>
      answer(client.POST('/admin/portals/{id}/connector/deactivate', { ...of(id), body: { lineId } })),
    lines: (id: string) => answer(client.GET('/admin/portals/{id}/lines', of(id))),
    changeLine: (id: string, lineId: string, body: LineChange) =>
      answer(client.PATCH('/admin/portals/{id}/lines/{lineId}', { params: { path: { id, lineId } }, body })),

    bots: (cursor?: string) => answer(client.GET('/admin/bots', { params: { query: { limit: 200, cursor } } })),
    addBot: (body: Schemas['NewBotBody']) => answer(client.POST('/admin/bots', { body })),
    managerBot: () => answer(client.GET('/admin/bot-requests/manager')),
    requestBot: (body: Schemas['BotRequestBody']) => answer(client.POST('/admin/bot-requests', { body })),
    botRequest: (id: string) => answer(client.GET('/admin/bot-requests/{id}', of(id))),
    changeBot: (id: string, body: Schemas['BotChangeBody']) =>
      answer(client.PATCH('/admin/bots/{id}', { ...of(id), body })),
    removeBot: (id: string) => answer(client.DELETE('/admin/bots/{id}', of(id))),

    /** What the service words itself is in the language of the page, whatever that of the browser. */
    features: (id: string, language: string) =>
      answer(client.GET('/admin/portals/{id}/features', { ...of(id), headers: { 'accept-language': language } })),
    chooseFeature: (id: string, feature: FeatureItem['feature'], body: FeatureBody, language: string) =>
      answer(
        client.PATCH('/admin/portals/{id}/features/{feature}', {
          params: { path: { id, feature } },
          headers: { 'accept-language': language },
          body,
        }),
      ),
    requests: (id: string, filter: RequestFilter, cursor?: string) =>
      answer(
        client.GET('/admin/portals/{id}/requests', {
          params: { path: { id }, query: { ...filter, limit: 50, cursor } },
        }),
      ),
    applications: (cursor?: string) =>
      answer(client.GET('/admin/applications', { params: { query: { limit: 50, cursor } } })),
    addApplication: (body: Schemas['NewApplicationBody']) => answer(client.POST('/admin/applications', { body })),
    changeApplication: (id: string, body: Schemas['ApplicationChangeBody']) =>
      answer(client.PATCH('/admin/applications/{id}', { ...of(id), body })),
    removeApplication: (id: string) => answer(client.DELETE('/admin/applications/{id}', of(id))),

    chats: (filter: ChatFilter, cursor?: string, signal?: AbortSignal) =>
      answer(client.GET('/admin/chats', { params: { query: { ...filter, limit: 50, cursor } }, signal })),
    chat: (id: string) => answer(client.GET('/admin/chats/{id}', of(id))),
    ban: (id: string) => answer(client.POST('/admin/chats/{id}/ban', of(id))),
    write: (id: string, body: Schemas['WriteBody']) =>
      answer(client.POST('/admin/chats/{id}/messages', { ...of(id), body })),
    keepMessageFile: (id: string, file: File) => answer(client.PUT('/admin/chats/{id}/files/{name}', upload(id, file))),
    unban: (id: string) => answer(client.POST('/admin/chats/{id}/unban', of(id))),
    tag: (id: string, tags: string[]) => answer(client.PATCH('/admin/chats/{id}', { ...of(id), body: { tags } })),
    subscribe: (id: string) => answer(client.POST('/admin/chats/{id}/subscribe', of(id))),
    unsubscribe: (id: string) => answer(client.POST('/admin/chats/{id}/unsubscribe', of(id))),
    erase: (id: string, confirm: string) =>
      answer(client.POST('/admin/chats/{id}/erase', { ...of(id), body: { confirm } })),
    erasures: (cursor?: string) => answer(client.GET('/admin/erasures', { params: { query: { limit: 50, cursor } } })),

    messages: (filter: MessageFilter & { around?: string }, cursor?: string, limit = 50, signal?: AbortSignal) =>
      answer(client.GET('/admin/messages', { params: { query: { ...filter, limit, cursor } }, signal })),
    message: (id: string) => answer(client.GET('/admin/messages/{id}', of(id))),
    retry: (id: string) => answer(client.POST('/admin/messages/{id}/retry', of(id))),
    discard: (id: string) => answer(client.POST('/admin/messages/{id}/discard', of(id))),
    resolve: (id: string, outcome: Schemas['ResolveBody']['outcome']) =>
      answer(client.POST('/admin/messages/{id}/resolve', { ...of(id), body: { outcome } })),
    retryAll: (body: Schemas['UndeliveredBody']) => answer(client.POST('/admin/messages/retry', { body })),
    discardAll: (body: Schemas['UndeliveredBody']) => answer(client.POST('/admin/messages/discard', { body })),
    /** The export as it comes. */
    export: async (format: 'ndjson' | 'csv', filter: MessageFilter, signal?: AbortSignal): Promise<Response> => {
      const call = client.GET('/admin/export/messages', {
        params: { query: { ...filter, format } },
        parseAs: 'stream',
        signal,
      });
      await answer(call);
      return (await call).response;
    },

    links: (filter: Omit<QueryOf<'/admin/links'>, 'limit' | 'cursor'>, cursor?: string) =>
      answer(client.GET('/admin/links', { params: { query: { ...filter, limit: 50, cursor } } })),
    addLink: (body: Schemas['NewLinkBody']) => answer(client.POST('/admin/links', { body })),
    removeLink: (id: string) => answer(client.DELETE('/admin/links/{id}', of(id))),
    /** The picture of a link, as a file. */
    qrCode: async (id: string, form: 'svg' | 'png'): Promise<Blob> => {
      const asked = { ...of(id), parseAs: 'blob' as const };
      const call =
        form === 'svg' ? client.GET('/admin/links/{id}/qr.svg', asked) : client.GET('/admin/links/{id}/qr.png', asked);
      return (await answer(call as Promise<Outcome<unknown>>)) as Blob;
    },

    answers: (filter: Omit<QueryOf<'/admin/answers'>, 'limit' | 'cursor'>, cursor?: string) =>
      answer(client.GET('/admin/answers', { params: { query: { ...filter, limit: 200, cursor } } })),
    addAnswer: (body: Schemas['NewAnswerBody']) => answer(client.POST('/admin/answers', { body })),
    changeAnswer: (id: string, body: Schemas['AnswerChangeBody']) =>
      answer(client.PATCH('/admin/answers/{id}', { ...of(id), body })),
    removeAnswer: (id: string) => answer(client.DELETE('/admin/answers/{id}', of(id))),
    previewAnswer: (text: string) => answer(client.POST('/admin/answers/preview', { body: { text } })),
    keepAnswerFile: (id: string, file: File) =>
      answer(client.PUT('/admin/answers/{id}/files/{name}', upload(id, file))),
    removeAnswerFile: (id: string, name: string) =>
      answer(client.DELETE('/admin/answers/{id}/files/{name}', { params: { path: { id, name } } })),
    broadcasts: (filter: Omit<QueryOf<'/admin/broadcasts'>, 'limit' | 'cursor'>, cursor?: string) =>
      answer(client.GET('/admin/broadcasts', { params: { query: { ...filter, limit: 20, cursor } } })),
    broadcast: (id: string) => answer(client.GET('/admin/broadcasts/{id}', of(id))),
    addBroadcast: (body: Schemas['NewBroadcastBody']) => answer(client.POST('/admin/broadcasts', { body })),
    keepBroadcastFile: (id: string, file: File) =>
      answer(client.PUT('/admin/broadcasts/{id}/files/{name}', upload(id, file))),
    removeBroadcastFile: (id: string, name: string) =>
      answer(client.DELETE('/admin/broadcasts/{id}/files/{name}', { params: { path: { id, name } } })),
    changeBroadcast: (id: string, body: Schemas['BroadcastChangeBody']) =>
      answer(client.PATCH('/admin/broadcasts/{id}', { ...of(id), body })),
    removeBroadcast: (id: string) => answer(client.DELETE('/admin/broadcasts/{id}', of(id))),
    previewBroadcast: (body: Schemas['PreviewBody']) => answer(client.POST('/admin/broadcasts/preview', { body })),
    testBroadcast: (id: string, chatId: string) =>
      answer(client.POST('/admin/broadcasts/{id}/test', { ...of(id), body: { chatId } })),
    startBroadcast: (id: string) => answer(client.POST('/admin/broadcasts/{id}/start', of(id))),
    pauseBroadcast: (id: string) => answer(client.POST('/admin/broadcasts/{id}/pause', of(id))),
    resumeBroadcast: (id: string) => answer(client.POST('/admin/broadcasts/{id}/resume', of(id))),
    stopBroadcast: (id: string) => answer(client.POST('/admin/broadcasts/{id}/stop', of(id))),

    keys: (cursor?: string) => answer(client.GET('/admin/keys', { params: { query: { limit: 50, cursor } } })),
    addKey: (body: Schemas['NewKeyBody']) => answer(client.POST('/admin/keys', { body })),
    revokeKey: (id: string) => answer(client.DELETE('/admin/keys/{id}', of(id))),

    audit: (filter: AuditFilter, cursor?: string) =>
      answer(client.GET('/admin/audit', { params: { query: { ...filter, limit: 50, cursor } } })),
  };
}

export type Api = ReturnType<typeof createApi>;

async function fetchOrProblem(request: Request): Promise<Response> {
  try {
    return await fetch(request);
  } catch (error) {
    if (request.signal.aborted) throw error;
    throw new ProblemError(0, 'unreachable', '', null);
  }
}

function problemOf({ status, headers }: Response, body: unknown): ProblemError {
  const { code, detail, ...params } = (typeof body === 'object' && body !== null ? body : {}) as Partial<
    Schemas['Problem']
  >;
  const retryAfter = Number(headers.get('retry-after'));
  return new ProblemError(status, code ?? 'unknown', detail ?? '', retryAfter > 0 ? retryAfter : null, params);
}
