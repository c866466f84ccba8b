/** The least key that a route of the admin API lets in. */
export type Asked = 'read_only' | 'operator' | 'owner' | 'owner of every portal';

export interface AdminRoute {
  asks: Asked;
  /** What its query must have, e.g. `format=csv`. */
  query?: string;
  /** A body that would do something, if the thing in the path were the caller's to change. */
  body?: Record<string, unknown>;
}

/**
 * Every route under /admin as its document (/docs-json) spells it, and whom it is for. access.spec.ts calls each with
 * every kind of key, and with ids of another portal; it fails for a route that is not here, and for one that is gone.
 */
export const ADMIN_ROUTES: Record<string, AdminRoute> = {
  'GET /admin/me': { asks: 'read_only' },
  'GET /admin/overview': { asks: 'read_only' },
  'GET /admin/doctor': { asks: 'read_only' },
  'GET /admin/audit': { asks: 'read_only' },

  'GET /admin/keys': { asks: 'owner of every portal' },
  'POST /admin/keys': { asks: 'owner of every portal' },
  'DELETE /admin/keys/{id}': { asks: 'owner of every portal' },

  'GET /admin/applications': { asks: 'owner of every portal' },
  'POST /admin/applications': { asks: 'owner of every portal' },
  'PATCH /admin/applications/{id}': { asks: 'owner of every portal' },
  'DELETE /admin/applications/{id}': { asks: 'owner of every portal' },

  'GET /admin/portals': { asks: 'read_only' },
  'GET /admin/portals/{id}': { asks: 'read_only' },
  'PATCH /admin/portals/{id}': { asks: 'owner', body: { retentionDays: 30 } },
  'DELETE /admin/portals/{id}': { asks: 'owner' },
  'GET /admin/portals/{id}/lines': { asks: 'read_only' },
  'GET /admin/portals/{id}/requests': { asks: 'read_only' },
  'GET /admin/portals/{id}/features': { asks: 'read_only' },
  'PATCH /admin/portals/{id}/features/{feature}': { asks: 'operator', body: { wanted: true } },
  'GET /admin/portals/{id}/connector/status': { asks: 'read_only' },
  'POST /admin/portals/{id}/connector/register': { asks: 'operator' },
  'POST /admin/portals/{id}/connector/activate': { asks: 'operator', body: { lineId: '9' } },
  'POST /admin/portals/{id}/connector/deactivate': { asks: 'operator', body: { lineId: '9' } },
  'PATCH /admin/portals/{id}/lines/{lineId}': { asks: 'operator', body: { operatorName: 'name' } },

  'GET /admin/bots': { asks: 'read_only' },
  'GET /admin/bots/{id}': { asks: 'read_only' },
  'POST /admin/bots': { asks: 'owner' },
  'PATCH /admin/bots/{id}': { asks: 'owner', body: { enabled: false } },
  'DELETE /admin/bots/{id}': { asks: 'owner' },

  'GET /admin/bot-requests/manager': { asks: 'read_only' },
  'POST /admin/bot-requests': { asks: 'owner' },
  'GET /admin/bot-requests/{id}': { asks: 'read_only' },

  'GET /admin/links': { asks: 'read_only' },
  'POST /admin/links': { asks: 'operator' },
  'GET /admin/links/{id}': { asks: 'read_only' },
  'PATCH /admin/links/{id}': { asks: 'operator', body: { name: 'Another' } },
  'DELETE /admin/links/{id}': { asks: 'operator' },
  'GET /admin/links/{id}/arrivals': { asks: 'read_only' },
  'GET /admin/links/{id}/qr.svg': { asks: 'read_only' },
  'GET /admin/links/{id}/qr.png': { asks: 'read_only' },

  'GET /admin/answers': { asks: 'read_only' },
  'POST /admin/answers': { asks: 'operator' },
  'POST /admin/answers/preview': { asks: 'read_only', body: { text: 'Hello' } },
  'GET /admin/answers/{id}': { asks: 'read_only' },
  'PATCH /admin/answers/{id}': { asks: 'operator', body: { title: 'Another' } },
  'DELETE /admin/answers/{id}': { asks: 'operator' },
  'PUT /admin/answers/{id}/files/{name}': { asks: 'operator' },
  'GET /admin/answers/{id}/files/{name}': { asks: 'read_only' },
  'DELETE /admin/answers/{id}/files/{name}': { asks: 'operator' },
  'GET /admin/broadcasts': { asks: 'read_only' },
  'POST /admin/broadcasts': { asks: 'operator' },
  'POST /admin/broadcasts/preview': { asks: 'operator' },
  'GET /admin/broadcasts/{id}': { asks: 'read_only' },
  'PATCH /admin/broadcasts/{id}': { asks: 'operator', body: { name: 'Another' } },
  'DELETE /admin/broadcasts/{id}': { asks: 'operator' },
  'PUT /admin/broadcasts/{id}/files/{name}': { asks: 'operator' },
  'GET /admin/broadcasts/{id}/files/{name}': { asks: 'read_only' },
  'DELETE /admin/broadcasts/{id}/files/{name}': { asks: 'operator' },
  'POST /admin/broadcasts/{id}/test': { asks: 'operator', body: { chatId: '1' } },
  'POST /admin/broadcasts/{id}/start': { asks: 'operator' },
  'POST /admin/broadcasts/{id}/pause': { asks: 'operator' },
  'POST /admin/broadcasts/{id}/resume': { asks: 'operator' },
  'POST /admin/broadcasts/{id}/stop': { asks: 'operator' },

  'GET /admin/chats': { asks: 'read_only' },
  'GET /admin/chats/{id}': { asks: 'read_only' },
  'GET /admin/chats/{id}/messages': { asks: 'read_only' },
  'PUT /admin/chats/{id}/files/{name}': { asks: 'operator' },
  'POST /admin/chats/{id}/messages': { asks: 'operator', body: { text: 'Hello' } },
  'PATCH /admin/chats/{id}': { asks: 'operator', body: { tags: ['vip'] } },
  'POST /admin/chats/{id}/unsubscribe': { asks: 'operator' },
  'POST /admin/chats/{id}/subscribe': { asks: 'operator' },
  'POST /admin/chats/{id}/ban': { asks: 'operator' },
  'POST /admin/chats/{id}/unban': { asks: 'operator' },

  'POST /admin/chats/{id}/erase': { asks: 'owner', body: { confirm: 'x' } },
  'GET /admin/erasures': { asks: 'owner' },

  'GET /admin/statistics': { asks: 'read_only' },
  'GET /admin/export/messages': { asks: 'read_only', query: 'format=ndjson' },
  'GET /admin/messages': { asks: 'read_only' },
  'GET /admin/messages/{id}': { asks: 'read_only' },
  'POST /admin/messages/retry': { asks: 'operator' },
  'POST /admin/messages/discard': { asks: 'operator' },
  'POST /admin/messages/{id}/retry': { asks: 'operator' },
  'POST /admin/messages/{id}/discard': { asks: 'operator' },
  'POST /admin/messages/{id}/resolve': { asks: 'operator', body: { outcome: 'failed' } },
};

/** An operation of an OpenAPI document, as far as it matters here. */
interface Operation {
  parameters?: { name: string; in: string }[];
}

export interface DescribedRoute {
  method: string;
  /** With `{id}` where an id goes. */
  path: string;
  /** Names of its query parameters. */
  query: string[];
}

/** The routes under /admin that the document describes, by `METHOD path`. */
export function adminRoutesOf(document: {
  paths: Record<string, Record<string, Operation>>;
}): Map<string, DescribedRoute> {
  const routes = new Map<string, DescribedRoute>();
  for (const [path, operations] of Object.entries(document.paths)) {
    if (!path.startsWith('/admin')) continue;
    for (const [verb, { parameters = [] }] of Object.entries(operations)) {
      const method = verb.toUpperCase();
      const query = parameters.flatMap((parameter) => (parameter.in === 'query' ? parameter.name : []));
      routes.set(`${method} ${path}`, { method, path, query });
    }
  }
  return routes;
}
