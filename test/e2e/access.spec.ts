import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ADMIN_ROUTES,
  adminRoutesOf,
  type AdminRoute,
  type Asked,
  type DescribedRoute,
} from '../support/admin-routes.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { addNeighbour, type Neighbour } from '../support/neighbour.js';
import type { Answer } from '../support/program.js';

const NEXT_TOKEN = '987654321:AAHnextdoornextdoornextdoornextdoor';
const SPARE_TOKEN = '555555555:AAHsparesparesparesparesparesparespare';
const NEXT_LINE = '9';
const NOWHERE = '999999999';

// oxlint-disable-next-line typescript/no-explicit-any
type Item = any;
type Role = 'read_only' | 'operator' | 'owner';

let bridge: Bridge;
let next: Neighbour;
/** The bridge's own portal and bot, as the admin API names them. */
let portalId: string;
let botId: string;
let routes: Map<string, DescribedRoute>;
let root: string;

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  root = bridge.program.adminKey;
  portalId = (await get(root, '/portals')).json.items[0].id;
  botId = (await get(root, '/bots')).json.items[0].id;
  next = await addNeighbour(bridge, { line: NEXT_LINE, token: NEXT_TOKEN, username: 'next_door_bot' });
  routes = adminRoutesOf((await bridge.program.get('/docs-json')).json);
});

afterAll(async () => bridge?.stop());

let addresses = 0;
/** Each call from an address of its own: the limits are not what is asked about here. */
function call(key: string | null, method: string, path: string, body?: unknown): Promise<Answer> {
  addresses += 1;
  const from = `10.${addresses >> 16}.${(addresses >> 8) & 255}.${addresses & 255}`;
  const headers: Record<string, string> = { 'x-forwarded-for': from };
  if (key !== null) headers.authorization = `Bearer ${key}`;
  return bridge.program.request(method, `/admin${path}`, body, headers);
}
const get = (key: string | null, path: string) => call(key, 'GET', path);

async function items(key: string, path: string): Promise<Item[]> {
  const answer = await get(key, path);
  expect(answer.status, `${path}: ${answer.text}`).toBe(200);
  return answer.json.items;
}

async function makeKey(role: Role, limit: string | null = null, more: Record<string, unknown> = {}): Promise<Item> {
  const made = await call(root, 'POST', '/keys', { name: `${role} of ${limit}`, role, portalId: limit, ...more });
  expect(made.status, made.text).toBe(201);
  return made.json;
}

async function inDatabase(statement: string, values: unknown[] = []): Promise<Item[]> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  try {
    return (await client.query(statement, values)).rows;
  } finally {
    await client.end();
  }
}

/** The path with ids and a query in it, and the body that goes with it. */
function aim(route: DescribedRoute, id: string, ...query: string[]): { path: string; body: unknown } {
  const path = route.path
    .replace('/admin', '')
    .replace('{lineId}', NEXT_LINE)
    .replace('{feature}', 'robots')
    .replace(/\{\w+\}/g, id);
  const changes = route.method === 'POST' || route.method === 'PATCH' || route.method === 'PUT';
  const { query: needed } = rowOf(route);
  const asked = [...query, ...(needed === undefined ? [] : [needed])].join('&');
  return { path: asked === '' ? path : `${path}?${asked}`, body: changes ? (rowOf(route).body ?? {}) : undefined };
}

const nameOf = ({ method, path }: DescribedRoute) => `${method} ${path}`;
function rowOf(route: DescribedRoute): AdminRoute {
  const row = ADMIN_ROUTES[nameOf(route)];
  if (!row) throw new Error(`Nobody has said who may call ${nameOf(route)}: add it to test/support/admin-routes.ts.`);
  return row;
}

/** So many wrong keys in a row are too many: they may go on in a moment. */
async function patiently<Answer extends { status: number }>(ask: () => Promise<Answer>): Promise<Answer> {
  for (;;) {
    const answer = await ask();
    if (answer.status !== 429) return answer;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

describe('who may call what', () => {
  const LEVEL: Record<Asked, number> = { read_only: 0, operator: 1, owner: 2, 'owner of every portal': 3 };

  it('is said for every route that there is, and for no other', () => {
    const known = Object.keys(ADMIN_ROUTES);
    expect(
      [...routes.keys()].filter((name) => !known.includes(name)),
      'add them to ADMIN_ROUTES',
    ).toEqual([]);
    expect(
      known.filter((name) => !routes.has(name)),
      'take them out of ADMIN_ROUTES',
    ).toEqual([]);
  });

  it('holds for each kind of key on each route', { timeout: 120_000 }, async () => {
    const of = async (role: Role, limit: string | null = null) => (await makeKey(role, limit)).key as string;
    const revoked = await makeKey('owner');
    expect((await call(root, 'DELETE', `/keys/${revoked.id}`)).status).toBe(204);
    const expired = await makeKey('owner', null, { expiresAt: new Date(Date.now() + 3_600_000).toISOString() });
    await inDatabase(`UPDATE access_keys SET expires_at = now() WHERE id = $1`, [expired.id]);
    const callers: [name: string, key: string | null, level: number, limited: boolean][] = [
      ['ADMIN_API_KEY', root, 3, false],
      ['owner', await of('owner'), 3, false],
      ['operator', await of('operator'), 1, false],
      ['read_only', await of('read_only'), 0, false],
      ['owner of one portal', await of('owner', portalId), 2, true],
      ['operator of one portal', await of('operator', portalId), 1, true],
      ['read_only of one portal', await of('read_only', portalId), 0, true],
      ['no key', null, -1, false],
      ['revoked key', revoked.key, -1, false],
      ['expired key', expired.key, -1, false],
      ['unknown key', `tol_${'A'.repeat(43)}`, -1, false],
    ];
    const wrong: string[] = [];
    for (const route of routes.values()) {
      const asked = LEVEL[rowOf(route).asks];
      const { path } = aim(route, NOWHERE);
      // Nothing happens: the thing in the path does not exist, and a body that says nothing is refused or means nothing.
      const body = route.method === 'GET' || route.method === 'DELETE' ? undefined : {};
      for (const [name, key, level, limited] of callers) {
        const { status, json } = await patiently(() => call(key, route.method, path, body));
        const said = `${nameOf(route)} by ${name}: ${status} ${json?.code ?? ''}`;
        if (level < 0) {
          if (status !== 401) wrong.push(`${said}, not 401`);
        } else if (level < asked) {
          const code = asked === 3 && limited && level === 2 ? 'limited_to_portal' : 'role_too_low';
          if (status !== 403 || json.code !== code) wrong.push(`${said}, not 403 ${code}`);
        } else if (route.path.includes('{')) {
          if (status !== 404 && status !== 400) wrong.push(`${said}, not 404 or 400`);
        } else if (route.method === 'GET' ? status !== 200 : ![200, 201, 202, 400, 422].includes(status)) {
          wrong.push(`${said}, not let in`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('keys', () => {
  it('are shown once, and described ever after', async () => {
    const expiresAt = '2999-01-01T00:00:00.000Z';
    const { key, ...item } = await makeKey('operator', portalId, { name: ' Anna ', expiresAt });
    expect(key).toMatch(/^tol_[A-Za-z0-9_-]{43}$/);
    expect(item).toEqual({
      id: expect.any(String),
      name: 'Anna',
      role: 'operator',
      portalId,
      hint: key.slice(-4),
      createdAt: expect.any(String),
      createdBy: 'admin',
      lastUsedAt: null,
      expiresAt,
      revokedAt: null,
    });
    expect((await items(root, '/keys'))[0]).toEqual(item);
    expect((await get(key, '/me')).json).toEqual({ name: 'Anna', role: 'operator', portalId });
    expect((await get(root, '/me')).json).toEqual({ name: 'admin', role: 'owner', portalId: null });
    const [row] = await inDatabase(
      `SELECT a::text AS all, encode(hash, 'escape') AS raw FROM access_keys a WHERE id = $1`,
      [item.id],
    );
    expect(row.all + row.raw).not.toContain(key.slice(4, 20));

    const used = async () => (await items(root, '/keys')).find(({ id }) => id === item.id).lastUsedAt;
    const first = await eventually(used, (at) => at !== null);
    await get(key, '/me');
    await get(key, '/me');
    expect(await used()).toBe(first);
    await inDatabase(`UPDATE access_keys SET last_used_at = now() - interval '61 s' WHERE id = $1`, [item.id]);
    await get(key, '/me');
    await eventually(used, (at) => at >= first);
  });

  it('come by pages, newest first', async () => {
    const all = (await items(root, '/keys?limit=200')).map(({ id }) => id);
    expect(all.length).toBeGreaterThan(2);
    const first = (await get(root, '/keys?limit=1')).json;
    const second = (await get(root, `/keys?limit=1&cursor=${first.nextCursor}`)).json;
    expect([first.items[0].id, second.items[0].id]).toEqual(all.slice(0, 2));
  });

  it.each([
    [400, {}],
    [400, { name: '', role: 'owner' }],
    [400, { name: 'two\nlines', role: 'owner' }],
    [400, { name: 'x'.repeat(101), role: 'owner' }],
    [400, { name: 'x', role: 'root' }],
    [400, { name: 'x', role: 'owner', portalId: 'all' }],
    [400, { name: 'x', role: 'owner', expiresAt: 'tomorrow' }],
    [400, { name: 'x', role: 'owner', key: 'my own' }],
    [422, { name: 'x', role: 'owner', portalId: NOWHERE }],
    [422, { name: 'x', role: 'owner', expiresAt: '2020-01-01T00:00:00Z' }],
  ])('are refused with %i: %j', async (status, body) => {
    expect((await call(root, 'POST', '/keys', body)).status).toBe(status);
  });

  it('are revoked for every replica at once, also by themselves', async () => {
    const { id, key } = await makeKey('owner');
    const replica = await bridge.replica();
    try {
      const elsewhere = async () =>
        (await replica.request('GET', '/admin/me', undefined, { authorization: `Bearer ${key}` })).status;
      expect([(await get(key, '/me')).status, await elsewhere()]).toEqual([200, 200]);
      expect((await call(key, 'DELETE', `/keys/${id}`)).status).toBe(204);
      expect([(await get(key, '/me')).status, await elsewhere()]).toEqual([401, 401]);
    } finally {
      await replica.stop();
    }
    const listed = (await items(root, '/keys')).find((item) => item.id === id);
    expect(listed.revokedAt).toEqual(expect.any(String));
    expect((await call(root, 'DELETE', `/keys/${id}`)).status).toBe(204);
    expect((await items(root, '/keys')).find((item) => item.id === id)).toEqual(listed);
  });

  it('leave their traces on record, but not themselves', async () => {
    const boss = await makeKey('owner', null, { name: 'admin' });
    const made = await call(boss.key, 'POST', '/keys', { name: 'Bot', role: 'read_only', portalId });
    expect(made.json.createdBy).toBe(`admin#${boss.id}`);
    expect((await call(boss.key, 'DELETE', `/keys/${made.json.id}`)).status).toBe(204);
    const entries = (await items(root, '/audit?limit=200')).filter(({ subject }) => subject === `key:${made.json.id}`);
    const actor = expect.stringMatching(new RegExp(`^admin#${boss.id}@10\\.`));
    expect(entries).toEqual([
      expect.objectContaining({ action: 'key.revoke', actor, portalId, detail: {} }),
      expect.objectContaining({
        action: 'key.create',
        actor,
        portalId,
        detail: { name: 'Bot', role: 'read_only', portalId },
      }),
    ]);
    const before = await items(root, '/audit?limit=1');
    for (const key of [null, 'guess', `tol_${'B'.repeat(43)}`, made.json.key]) {
      expect((await call(key, 'POST', '/keys', { name: 'x', role: 'owner' })).status).toBe(401);
    }
    expect(await items(root, '/audit?limit=1')).toEqual(before);
    const [{ count }] = await inDatabase(`SELECT count(*)::int FROM audit_entries WHERE detail::text LIKE '%tol\\_%'`);
    expect(count).toBe(0);
  });
});

describe('a key that is limited to one portal', () => {
  const keys = {} as Record<'owner' | 'operator' | 'reader' | 'nextReader', string>;
  /** Things of the portal next door, and of none; by what they are called in paths. */
  const theirs: Record<string, string> = {};
  const nobodys: Record<string, string> = {};
  const own: Record<string, string> = {};
  /** What gives the neighbours away. */
  let marks: string[];

  const messagesOf = async (words: string) => items(root, `/messages?q=${encodeURIComponent(words)}`);
  const failed = async () =>
    (await items(root, '/messages?state=failed')).map(({ portalId: of }) => of as string).toSorted();

  beforeAll(async () => {
    keys.owner = (await makeKey('owner', portalId)).key;
    keys.operator = (await makeKey('operator', portalId)).key;
    keys.reader = (await makeKey('read_only', portalId)).key;
    keys.nextReader = (await makeKey('read_only', next.portalId)).key;

    const spare = bridge.telegram.addBot({ token: SPARE_TOKEN, username: 'spare_bot' });
    nobodys.bots = (await call(root, 'POST', '/bots', { token: SPARE_TOKEN })).json.id;
    bridge.bot.client({ id: 901, first_name: 'Olga' }).sends('zebra at home');
    next.bot.client({ id: 902, first_name: 'Nikita' }).sends('zebra nextdoorwords');
    spare.client({ id: 903, first_name: 'Sasha' }).sends('zebra nowherewords');
    await Promise.all([
      bridge.portal.dialog('tg:901').receives(1, 15_000),
      next.portal.dialog('tg:902').receives(1, 15_000),
      eventually(
        () => messagesOf('nowherewords'),
        (found) => found.length === 1,
      ),
    ]);
    const body = { ok: false, error_code: 400, description: 'Bad Request: chat not found' };
    bridge.telegram.faults.next('sendMessage', { status: 400, body }, 2);
    bridge.portal.operator({ id: 27 }).sends('tg:901', 'refused at home');
    next.portal.operator({ id: 28 }).sends('tg:902', 'refused nextdooranswer');
    await eventually(failed, (found) => found.length === 2);

    const [mine, said, lost] = await Promise.all(['home', 'nextdoorwords', 'nowherewords'].map(messagesOf));
    Object.assign(own, { portals: portalId, bots: botId, chats: mine![0].chatId, messages: mine![0].id });
    Object.assign(theirs, { portals: next.portalId, bots: next.botId, chats: said![0].chatId, messages: said![0].id });
    Object.assign(nobodys, { chats: lost![0].chatId, messages: lost![0].id });
    const linkOf = async (of: string) =>
      (await call(root, 'POST', '/links', { portalId: of, name: of === portalId ? 'home' : 'nextdoorlink' })).json.id;
    [own.links, theirs.links] = [await linkOf(portalId), await linkOf(next.portalId)];
    const answerOf = async (of: string) =>
      (await call(root, 'POST', '/answers', { portalId: of, title: of === portalId ? 'home' : 'nextdoorreply' })).json
        .id;
    [own.answers, theirs.answers] = [await answerOf(portalId), await answerOf(next.portalId)];
    const broadcastOf = async (of: string) => {
      const name = of === portalId ? 'home' : 'nextdoorbroadcast';
      return (await call(root, 'POST', '/broadcasts', { portalId: of, name, text: 'News' })).json.id;
    };
    [own.broadcasts, theirs.broadcasts] = [await broadcastOf(portalId), await broadcastOf(next.portalId)];
    marks = [
      'nextdoor',
      'next_door_bot',
      'Nikita',
      'tg:902',
      next.portal.domain,
      next.portal.memberId,
      NEXT_TOKEN.split(':')[0]!,
      'nowherewords',
      'spare_bot',
      'Sasha',
      'tg:903',
      SPARE_TOKEN.split(':')[0]!,
    ];
    await call(root, 'PATCH', `/bots/${next.botId}`, { mode: 'polling' });
  });

  const marksIn = ({ text }: Answer) => marks.filter((mark) => text.includes(mark));
  const forPortals = () => [...routes.values()].filter((route) => rowOf(route).asks !== 'owner of every portal');

  it('lists, searches, counts and diagnoses only what is of it, whatever it asks', async () => {
    const everywhere: string[] = [];
    for (const route of forPortals().filter(({ method, path }) => method === 'GET' && !path.includes('{'))) {
      for (const query of [[], ...queriesOf(route)]) {
        const { path } = aim(route, '', ...query);
        const answer = await get(keys.owner, path);
        expect(answer.status, `${path}: ${answer.text}`).toBe(200);
        expect(marksIn(answer), path).toEqual([]);
        everywhere.push(...marksIn(await get(root, path)));
      }
    }
    // What is looked for is really there.
    expect(new Set(everywhere)).toEqual(new Set(marks));
  });

  function queriesOf({ query }: DescribedRoute): string[][] {
    const values: Record<string, string[]> = {
      q: ['zebra', '"zebra nextdoor"', 'tg:90'],
      bot: [theirs.bots!, nobodys.bots!, botId],
      chat: [theirs.chats!, nobodys.chats!],
      portal: [portalId],
      state: query.includes('direction') ? ['failed'] : [],
    };
    return query.flatMap((name) => (values[name] ?? []).map((value) => [`${name}=${encodeURIComponent(value)}`]));
  }

  it('finds its own there', async () => {
    expect((await items(keys.reader, '/portals')).map(({ id }) => id)).toEqual([portalId]);
    expect((await items(keys.reader, '/bots')).map(({ id }) => id)).toEqual([botId]);
    expect((await items(keys.reader, '/chats')).map(({ externalId }) => externalId)).toEqual(['tg:901']);
    expect((await items(keys.reader, '/messages?q=zebra')).map(({ text }) => text)).toEqual(['zebra at home']);
    expect((await items(keys.reader, `/messages?portal=${portalId}`)).map(({ text }) => text)).toEqual([
      'refused at home',
      'zebra at home',
    ]);
    expect((await items(keys.reader, `/chats/${own.chats}/messages`)).length).toBe(2);
    for (const [kind, id] of Object.entries(own)) expect((await get(keys.reader, `/${kind}/${id}`)).status).toBe(200);
    for (const route of forPortals().filter(({ query }) => query.includes('portal'))) {
      const { path } = aim(route, '', `portal=${portalId}`);
      expect((await get(keys.owner, path)).status, path).toBe(200);
    }
  });

  it('is told 404 where a filter names another portal', async () => {
    const filtered = forPortals().filter(({ query }) => query.includes('portal'));
    expect(filtered.length).toBeGreaterThanOrEqual(3);
    for (const route of filtered) {
      for (const other of [next.portalId, NOWHERE]) {
        const answer = await get(keys.owner, aim(route, '', `portal=${other}`).path);
        expect([answer.status, answer.json?.code], `${nameOf(route)} ${answer.text}`).toEqual([404, 'not_found']);
      }
    }
  });

  it('opens and changes nothing of another portal or of none by its id: 404, as if it were not there', async () => {
    const before = await Promise.all([next.portalId, portalId].map((id) => get(root, `/portals/${id}`)));
    const things = async () =>
      Promise.all(
        [theirs, nobodys].flatMap((some) => Object.entries(some).map(([kind, id]) => get(root, `/${kind}/${id}`))),
      );
    const untouched = (answers: Answer[]) => answers.map(({ json }) => json);
    const was = untouched(await things());
    let tried = 0;
    for (const route of forPortals()) {
      const kind = /^\/admin\/(\w+)\/\{/.exec(route.path)?.[1];
      if (!kind) continue;
      expect(own[kind], `${nameOf(route)}: the test has no ${kind} of another portal to try`).toBeDefined();
      const missing = await ask(route, NOWHERE);
      for (const id of [theirs[kind], nobodys[kind]].filter((some) => some !== undefined)) {
        const answer = await ask(route, id);
        expect(answer.status, `${nameOf(route)} of a neighbour: ${answer.text}; perhaps the row needs a body`).toBe(
          404,
        );
        expect(answer.text.replaceAll(id, NOWHERE)).toBe(missing.text);
        tried += 1;
      }
    }
    expect(tried).toBeGreaterThan(20);
    expect(untouched(await things())).toEqual(was);
    expect(untouched(await Promise.all([next.portalId, portalId].map((id) => get(root, `/portals/${id}`))))).toEqual(
      untouched(before),
    );
  });

  function ask(route: DescribedRoute, id: string): Promise<Answer> {
    const { path, body } = aim(route, id);
    return call(keys.owner, route.method, path, body);
  }

  it('counts as if there were no other portal', async () => {
    const [all, its] = [(await get(root, '/overview')).json, (await get(keys.reader, '/overview')).json];
    expect(all.byPortal).toHaveLength(3);
    const { portalId: _, ...summary } = all.byPortal.find((row: Item) => row.portalId === portalId);
    expect(its).toMatchObject(summary);
    expect(its.messages).toEqual({ inbound: { delivered: 1 }, outbound: { failed: 1 } });
    expect(its.oldestWaiting).toBeNull();
    expect(all.oldestWaiting).not.toBeNull();
    expect(its.byPortal.map((row: Item) => row.portalId)).toEqual([portalId]);
    expect(its.byBot.map((row: Item) => row.botId)).toEqual([botId]);
  });

  it('has its own portal and bots diagnosed, and the program', async () => {
    const ids = async (key: string) =>
      (await get(key, '/doctor')).json.checks.map(({ id }: Item) => id as string) as string[];
    const [all, its, others] = await Promise.all([root, keys.reader, keys.nextReader].map(ids));
    const about = (some: string[], ...things: string[]) =>
      some.filter((id) => /^(?:portal|bot):/.test(id) && !things.some((thing) => id.startsWith(`${thing}:`)));
    expect(about(its!, `portal:${portalId}`, `bot:${botId}`)).toEqual([]);
    expect(about(others!, `portal:${next.portalId}`, `bot:${next.botId}`)).toEqual([]);
    expect(its).toEqual(expect.arrayContaining(['database', 'public_url', 'portals', 'bots', 'queue']));
    expect(its).toEqual(expect.arrayContaining([`portal:${portalId}:rest`, `bot:${botId}:telegram`]));
    expect(new Set([...its!, ...others!])).toEqual(new Set(all!.filter((id) => !id.startsWith(`bot:${nobodys.bots}`))));
    const check = (await get(keys.reader, '/doctor')).json.checks.find(({ id }: Item) => id === 'portals');
    expect(check.what).toBe('1 of 1 portals are connected');
  });

  it('retries and discards in bulk only what is of it', async () => {
    for (const what of ['retry', 'discard']) {
      const answer = await call(keys.operator, 'POST', `/messages/${what}`, { chat: theirs.chats });
      expect(Object.values(answer.json)).toEqual([0]);
    }
    expect(await failed()).toEqual([portalId, next.portalId].toSorted());
    expect((await call(keys.operator, 'POST', '/messages/retry', {})).json).toEqual({ retried: 1 });
    await bridge.bot.client({ id: 901, first_name: 'Olga' }).receives(1, 10_000);
    await eventually(failed, (found) => found.length === 1);
    expect((await call(keys.operator, 'POST', '/messages/discard', {})).json).toEqual({ discarded: 0 });
    expect(await failed()).toEqual([next.portalId]);
  });

  it('makes bots for its portal only, and moves none to or from it', async () => {
    const refused = async (method: string, path: string, body: unknown) => {
      const { status, json } = await call(keys.owner, method, path, body);
      return `${status} ${json.code}`;
    };
    const token = '444444444:AAHownerownerownerownerownerownerowner';
    expect(await refused('POST', '/bots', { token })).toBe('403 limited_to_portal');
    expect(await refused('POST', '/bots', { token, portalId: next.portalId, lineId: '1' })).toBe('404 not_found');
    expect(await refused('POST', '/bots', { token, portalId: NOWHERE, lineId: '1' })).toBe('404 not_found');
    expect(await refused('PATCH', `/bots/${botId}`, { portalId: next.portalId, lineId: '1' })).toBe('404 not_found');
    expect(await refused('PATCH', `/bots/${botId}`, { portalId: null, lineId: null })).toBe('403 limited_to_portal');
    expect(await refused('PATCH', `/bots/${nobodys.bots}`, { portalId, lineId: '8' })).toBe('404 not_found');
    const stays = await call(keys.owner, 'PATCH', `/bots/${botId}`, { portalId, lineId: LINE });
    expect([stays.status, stays.json.lineId]).toEqual([200, LINE]);

    bridge.portal.addLine({ id: '8', name: 'Support' });
    bridge.telegram.addBot({ token, username: 'own_bot' });
    const made = await call(keys.owner, 'POST', '/bots', { token, portalId, lineId: '8' });
    expect(made.status, made.text).toBe(201);
    expect((await items(keys.reader, '/bots')).map(({ id }) => id)).toEqual([made.json.id, botId]);
    expect((await call(keys.owner, 'DELETE', `/bots/${made.json.id}`)).status).toBe(204);
  });

  it('reads the record of its own portal', async () => {
    expect((await call(keys.operator, 'POST', `/chats/${own.chats}/ban`)).status).toBe(200);
    expect((await call(root, 'POST', `/chats/${own.chats}/unban`)).status).toBe(200);
    expect((await call(root, 'POST', `/chats/${theirs.chats}/ban`)).status).toBe(200);
    expect((await call(root, 'POST', `/messages/${own.messages}/retry`)).status).toBe(409);
    const entries = await items(keys.reader, '/audit?limit=200');
    expect(new Set(entries.map((entry) => entry.portalId))).toEqual(new Set([portalId]));
    expect(entries.slice(0, 5).map(({ action, subject }) => `${action} ${subject}`)).toEqual([
      // Tried, and refused for the state of the message.
      `message.retry message:${own.messages}`,
      `chat.unban chat:${own.chats}`,
      `chat.ban chat:${own.chats}`,
      expect.stringMatching(/^bot\.remove bot:/),
      expect.stringMatching(/^bot\.create bot:/),
    ]);
    expect(entries).toContainEqual(expect.objectContaining({ action: 'message.retry', subject: 'messages' }));
    const [ban] = await items(keys.reader, '/audit?action=chat.ban');
    expect(await items(keys.reader, `/audit?action=chat.ban&from=${ban.at}&to=${ban.at}`)).toEqual([ban]);
    expect(await items(keys.reader, `/audit?action=chat.ban&to=2020-01-01`)).toEqual([]);
    expect((await items(keys.nextReader, '/audit?action=chat.ban')).map(({ subject }) => subject)).toEqual([
      `chat:${theirs.chats}`,
    ]);
    expect(
      (await items(root, `/audit?portal=${next.portalId}&action=bot.create`)).map(({ subject }) => subject),
    ).toEqual([`bot:${next.botId}`]);
    expect((await get(root, '/audit?action=Bots!')).status).toBe(400);
  });

  it('keeps its history when a bot moves, and does nothing more where the bot went; the new one sees what comes', async () => {
    const [kept] = await items(root, '/messages?state=failed');
    const nextOperator = (await makeKey('operator', next.portalId)).key;
    const moved = await call(root, 'PATCH', `/bots/${next.botId}`, { portalId, lineId: '8' });
    expect([moved.status, moved.json.portalId]).toEqual([200, portalId]);

    expect((await get(nextOperator, `/messages/${kept.id}`)).status).toBe(200);
    const retried = await call(nextOperator, 'POST', `/messages/${kept.id}/retry`);
    expect([retried.status, retried.json.code]).toEqual([409, 'chat_moved']);
    expect((await call(nextOperator, 'POST', '/messages/retry', {})).json).toEqual({ retried: 0 });
    expect((await get(nextOperator, `/chats/${kept.chatId}`)).status).toBe(404);

    expect((await get(keys.operator, `/chats/${kept.chatId}`)).status).toBe(200);
    expect(await items(keys.operator, `/chats/${kept.chatId}/messages`)).toEqual([]);
    expect((await get(keys.operator, `/messages/${kept.id}`)).status).toBe(404);
    expect((await call(keys.operator, 'POST', '/messages/retry', {})).json).toEqual({ retried: 0 });
    expect((await items(keys.reader, '/audit?action=bot.update'))[0].subject).toBe(`bot:${next.botId}`);
    expect(await items(keys.nextReader, `/audit?action=bot.update&from=${kept.createdAt}`)).toHaveLength(1);
  });
});
