import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BOT_TOKEN, Bridge, eventually, LINE } from '../support/bridge.js';
import { Program } from '../support/program.js';

const SECOND_TOKEN = '987654321:AAHsecondbotsecondbotsecondbotsecond';
const CLIENTS = [901, 902, 903];
const EACH = 4;

// oxlint-disable-next-line typescript/no-explicit-any
type Item = any;

let bridge: Bridge;
beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  for (const id of CLIENTS) {
    const client = bridge.bot.client({ id, first_name: `Client ${id}` });
    for (let n = 1; n <= EACH; n++) client.sends(`message ${n} of ${id}`);
  }
  for (const id of CLIENTS) await bridge.portal.dialog(`tg:${id}`).receives(EACH, 20_000);
  const answer = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends('tg:901', 'An ANSWER');
  await bridge.portal.dialog('tg:901').delivered(answer, 10_000);
  bridge.telegram.faults.next('sendMessage', {
    status: 400,
    body: { ok: false, error_code: 400, description: 'Bad Request: chat not found' },
  });
  bridge.portal.operator({ id: 27 }).sends('tg:902', 'will fail');
  await eventually(
    () => bridge.messages('&state=failed'),
    (items) => items.length === 1,
  );
  await eventually(
    () => bridge.messages('&state=delivered'),
    (items) => items.length === CLIENTS.length * EACH + 1,
  );
});

afterAll(async () => bridge?.stop());

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);

async function list(path: string): Promise<Item[]> {
  const answer = await admin('GET', path);
  expect(answer.status, answer.text).toBe(200);
  expect(Object.keys(answer.json).toSorted()).toEqual(['items', 'nextCursor']);
  return answer.json.items;
}

/** Every item of a list, page by page. */
async function pages(path: string, limit: number): Promise<Item[]> {
  const items: Item[] = [];
  let cursor: string | null = null;
  do {
    const query: string = `${path.includes('?') ? '&' : '?'}limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`;
    const answer = await admin('GET', path + query);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json.items.length).toBeLessThanOrEqual(limit);
    items.push(...answer.json.items);
    cursor = answer.json.nextCursor;
  } while (cursor !== null);
  return items;
}

async function expectProblem(method: string, path: string, status: number, body?: unknown): Promise<Item> {
  const answer = await admin(method, path, body);
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(status);
  expect(answer.headers.get('content-type')).toContain('application/problem+json');
  expect(answer.json).toMatchObject({
    status,
    code: expect.stringMatching(/^[a-z0-9_]+$/),
    detail: expect.any(String),
  });
  return answer.json;
}

describe('messages', () => {
  it('have the fields that were promised', async () => {
    const items = await list('/messages?direction=inbound&q=message%201%20of%20901');
    expect(items).toHaveLength(1);
    expect(items[0]).toMatchObject({
      id: expect.stringMatching(/^\d+$/),
      direction: 'inbound',
      state: 'delivered',
      kind: 'text',
      text: 'message 1 of 901',
      chatId: expect.stringMatching(/^\d+$/),
      externalChatId: 'tg:901',
      telegramChatId: '901',
      telegramMessageIds: [expect.stringMatching(/^\d+$/)],
      attempts: 1,
      error: null,
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      deliveredAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    });
    expect(items[0]).toHaveProperty('bitrixMessageId');
    const [answer] = await list('/messages?direction=outbound&q=an%20answer');
    expect(answer).toMatchObject({ direction: 'outbound', bitrixMessageId: expect.stringMatching(/^\d+$/) });
    const [failed] = await list('/messages?state=failed');
    expect(failed).toMatchObject({
      text: 'will fail',
      deliveredAt: null,
      attempts: 1,
      error: { code: 'chat_not_found', detail: expect.stringContaining('chat not found') },
    });
  });

  it('have a timeline: received, stored, every attempt, its end', async () => {
    const [delivered] = await list('/messages?q=message%201%20of%20901');
    const [failed] = await list('/messages?state=failed');
    const story = async (id: string) => (await admin('GET', `/messages/${id}`)).json.timeline as Item[];
    const good = await story(delivered.id);
    expect(good.slice(0, 4).map(({ what }) => what)).toEqual(['received', 'stored', 'attempt', 'delivered']);
    expect(good[2]).toMatchObject({ kind: 'message', number: 1, outcome: 'delivered', instance: expect.any(String) });
    const bad = await story(failed.id);
    expect(bad.map(({ what }) => what).slice(0, 2)).toEqual(['received', 'stored']);
    expect(bad).toContainEqual(expect.objectContaining({ what: 'attempt', outcome: 'failed', code: 'chat_not_found' }));
    expect(bad).toContainEqual(expect.objectContaining({ what: 'failed' }));
    await expectProblem('GET', '/messages/999999999', 404);
    await expectProblem('GET', '/messages/abc', 404);
  });

  it('are paged without gaps or repeats, newest first', async () => {
    const all = await list('/messages?limit=200');
    const ids = all.map(({ id }) => id);
    expect(ids).toEqual(ids.toSorted((a, b) => Number(BigInt(b) - BigInt(a))));
    for (const limit of [1, 4, 200]) expect((await pages('/messages', limit)).map(({ id }) => id)).toEqual(ids);

    // What arrives meanwhile stands before the first page and moves nothing.
    const first = (await admin('GET', '/messages?limit=5')).json;
    bridge.bot.client({ id: 901, first_name: 'Client 901' }).sends('in between');
    await eventually(
      () => bridge.messages('&q=in%20between'),
      (items) => items.length === 1,
    );
    const rest = (await admin('GET', `/messages?limit=200&cursor=${first.nextCursor}`)).json;
    expect([...first.items, ...rest.items].map(({ id }: Item) => id)).toEqual(ids);
    expect(rest.nextCursor).toBeNull();
  });

  it('are filtered by state, direction, words, chat and time', async () => {
    const { chatId, createdAt } = (await list('/messages?q=message%202%20of%20902'))[0];
    const inChat = await list(`/messages?chat=${chatId}&limit=200`);
    expect(inChat.map(({ text }) => text).toSorted()).toEqual([
      ...Array.from({ length: EACH }, (_, i) => `message ${i + 1} of 902`),
      'will fail',
    ]);
    expect((await list(`/chats/${chatId}/messages?limit=200`)).map(({ id }) => id)).toEqual(inChat.map(({ id }) => id));
    expect(await list(`/messages?chat=${chatId}&direction=outbound`)).toHaveLength(1);
    expect(await list(`/messages?chat=${chatId}&state=delivered`)).toHaveLength(EACH);
    expect(await list('/messages?q=WILL%20FAIL')).toHaveLength(1);
    expect(await list('/messages?q=100%25')).toEqual([]);
    expect(await list(`/messages?to=2020-01-01T00:00:00Z`)).toEqual([]);
    expect(await list(`/messages?from=2999-01-01T00:00:00Z`)).toEqual([]);
    const since = await list(`/messages?chat=${chatId}&from=${createdAt}&to=${createdAt}`);
    expect(since.every((item) => item.createdAt === createdAt)).toBe(true);
    expect(since.map(({ text }) => text)).toContain('message 2 of 902');
    expect(await list('/messages?state=')).not.toEqual([]);
  });

  it('refuse what they do not know', async () => {
    for (const query of [
      'state=nonsense',
      'direction=up',
      'limit=0',
      'limit=201',
      'limit=many',
      'cursor=nonsense',
      'from=yesterday',
      'chat=abc',
      'unknown=1',
      'state=failed&state=queued',
      'q=%00',
    ]) {
      await expectProblem('GET', `/messages?${query}`, 400);
    }
    await expectProblem('POST', '/messages/retry', 400, { state: 'delivered' });
    await expectProblem('POST', '/messages/retry', 400, { sate: 'failed' });
  });

  it('that failed are sent again, one by one or by filter', async () => {
    const [failed] = await list('/messages?state=failed');
    bridge.telegram.faults.next('sendMessage', {
      status: 400,
      body: { ok: false, error_code: 400, description: 'Bad Request: chat not found' },
    });
    const one = await admin('POST', `/messages/${failed.id}/retry`);
    expect([one.status, one.json]).toEqual([200, { retried: 1 }]);
    await eventually(
      async () => (await admin('GET', `/messages/${failed.id}`)).json,
      (item) => item.state === 'failed' && item.attempts === 2,
    );
    const many = await admin('POST', '/messages/retry', {
      state: 'failed',
      direction: 'outbound',
      chat: failed.chatId,
    });
    expect([many.status, many.json]).toEqual([200, { retried: 1 }]);
    expect((await bridge.bot.client({ id: 902, first_name: 'x' }).receives(1, 10_000))[0]!.text).toBe('will fail');
    await eventually(
      async () => (await admin('GET', `/messages/${failed.id}`)).json.state,
      (state) => state === 'delivered',
    );
    await expectProblem('POST', `/messages/${failed.id}/retry`, 409);
    expect((await admin('POST', '/messages/retry', {})).json).toEqual({ retried: 0 });
  });
});

describe('chats and portals', () => {
  it('show what the messages belong to', async () => {
    const chats = await pages('/chats', 2);
    expect(chats.map(({ externalId }) => externalId).toSorted()).toEqual(CLIENTS.map((id) => `tg:${id}`));
    expect((await admin('GET', `/chats/${chats[0].id}`)).json.id).toBe(chats[0].id);
    await expectProblem('GET', '/chats/999999999', 404);
    await expectProblem('GET', '/chats/999999999/messages', 404);
    const [portal] = await list('/portals');
    expect(portal).toMatchObject({ memberId: bridge.portal.memberId, domain: bridge.portal.domain, state: 'active' });
    expect((await admin('GET', `/portals/${portal.id}`)).json).toEqual(portal);
    await expectProblem('GET', '/portals/999999999', 404);
    await expectProblem('POST', '/portals/999999999/connector/register', 404);
  });

  it('switch the connector on and off in a line', async () => {
    const [{ id }] = await list('/portals');
    const status = async () => (await admin('GET', `/portals/${id}/connector/status?lineId=${LINE}`)).json.items;
    expect(await status()).toEqual([
      { connector: bridge.connectorId, lineId: LINE, configured: true, active: true, error: false },
    ]);
    const off = await admin('POST', `/portals/${id}/connector/deactivate`, { lineId: LINE });
    expect(off.json).toMatchObject({ ok: true, steps: [{ step: 'imconnector.activate', ok: true }] });
    expect(bridge.portal.lines.isReady(bridge.connectorId, LINE)).toBe(false);
    expect((await status())[0]).toMatchObject({ active: false });
    const on = await admin('POST', `/portals/${id}/connector/activate`, { lineId: Number(LINE) });
    expect(on.json.ok, on.text).toBe(true);
    expect(bridge.portal.lines.isReady(bridge.connectorId, LINE)).toBe(true);
    await expectProblem('POST', `/portals/${id}/connector/activate`, 400, {});
    await expectProblem('POST', `/portals/${id}/connector/activate`, 400, { lineId: 'x' });
  });
});

describe('bots', () => {
  it('are made, moved, switched off and removed', async () => {
    bridge.portal.addLine({ id: '8', name: 'Support' });
    const second = bridge.telegram.addBot({ token: SECOND_TOKEN, username: 'second_bot', firstName: 'Second' });
    const [{ id: portalId }] = await list('/portals');
    const taken = await expectProblem('POST', '/bots', 409, {
      token: SECOND_TOKEN,
      portalId,
      lineId: LINE,
      mode: 'polling',
    });
    expect(taken.code).toBe('line_taken');
    expect(await list('/bots')).toHaveLength(1);

    const made = await admin('POST', '/bots', { token: SECOND_TOKEN, portalId, lineId: '8', mode: 'polling' });
    expect(made.status, made.text).toBe(201);
    expect(made.json).toMatchObject({
      telegramId: '987654321',
      username: 'second_bot',
      portalId,
      lineId: '8',
      mode: 'polling',
      state: 'active',
      isDefault: false,
    });
    expect(made.text).not.toContain(SECOND_TOKEN.split(':')[1]);
    const { id } = made.json;
    expect((await admin('GET', `/bots/${id}`)).json).toEqual(made.json);
    expect((await pages('/bots', 1)).map((bot) => bot.id)).toEqual([id, expect.any(String)]);
    await expectProblem('POST', '/bots', 409, { token: SECOND_TOKEN, portalId, lineId: '8', mode: 'polling' });
    await expectProblem('PATCH', `/bots/${id}`, 409, { lineId: LINE });

    await admin('POST', `/portals/${portalId}/connector/activate`, { lineId: '8' });
    second.client({ id: 950, first_name: 'Zoe' }).sends('to the second bot');
    await bridge.portal.dialog('tg:950').receives(1, 15_000);
    expect(bridge.portal.chat('tg:950').line).toBe('8');
    bridge.portal.operator({ id: 27 }).sends('tg:950', 'from support');
    expect((await second.client({ id: 950, first_name: 'Zoe' }).receives(1, 10_000))[0]!.text).toBe('from support');

    const webhook = await admin('PATCH', `/bots/${id}`, { mode: 'webhook' });
    expect(webhook.json).toMatchObject({ id, mode: 'webhook' });
    await eventually(
      () => second.webhookInfo.url,
      (url) => url === `${bridge.program.url}/tg/webhook/${made.json.key}`,
    );
    second.client({ id: 950, first_name: 'Zoe' }).sends('by webhook');
    await bridge.portal.dialog('tg:950').receives(2, 15_000);

    expect((await admin('PATCH', `/bots/${id}`, { enabled: false })).json.state).toBe('disabled');
    expect((await admin('PATCH', `/bots/${id}`, { enabled: true })).json.state).toBe('active');
    expect((await admin('PATCH', `/bots/${id}`, { portalId: null, lineId: null })).json).toMatchObject({
      portalId: null,
      lineId: null,
    });
    await admin('POST', `/portals/${portalId}/connector/deactivate`, { lineId: '8' });
    expect((await admin('DELETE', `/bots/${id}`)).status).toBe(204);
    expect((await bridge.program.get('/health/ready')).status).toBe(200);
    await expectProblem('GET', `/bots/${id}`, 404);
    await expectProblem('DELETE', `/bots/${id}`, 404);
    await expectProblem('PATCH', `/bots/${id}`, 404, { enabled: false });
    expect(await list('/bots')).toHaveLength(1);
  });

  it('are refused with a reason when they cannot be used', async () => {
    await expectProblem('POST', '/bots', 400, {});
    await expectProblem('POST', '/bots', 400, { token: 'nonsense' });
    await expectProblem('POST', '/bots', 400, { token: BOT_TOKEN, mode: 'pigeon' });
    await expectProblem('POST', '/bots', 400, { token: BOT_TOKEN, colour: 'red' });
    await expectProblem('POST', '/bots', 422, { token: '5:AAunknownunknownunknownunknownunknown' });
    await expectProblem('POST', '/bots', 409, { token: BOT_TOKEN });
    const [{ id }] = await list('/bots');
    await expectProblem('PATCH', `/bots/${id}`, 422, { portalId: '999999', lineId: '9' });
  });
});

describe('how things are', () => {
  it('the overview counts by direction and state, per portal and bot', async () => {
    const wanted = { inbound: { delivered: CLIENTS.length * EACH + 1 }, outbound: { delivered: 2 } };
    const overview = await eventually(
      async () => (await admin('GET', '/overview')).json,
      (json) => JSON.stringify(json.messages) === JSON.stringify(wanted),
    );
    expect(overview).toMatchObject({ oldestWaiting: null, at: expect.any(String) });
    expect(overview.byPortal).toEqual([{ portalId: expect.any(String), messages: wanted, oldestWaiting: null }]);
    expect(overview.byBot).toEqual([{ botId: expect.any(String), messages: wanted, oldestWaiting: null }]);
  });

  it('the doctor names every check, says what to do, and is at most 15 s old', { timeout: 40_000 }, async () => {
    const well = (await admin('GET', '/doctor')).json;
    expect(Object.keys(well).toSorted()).toEqual(['checks', 'ok']);
    expect(well.checks.length).toBeGreaterThan(5);
    for (const check of well.checks) {
      expect(Object.keys(check).toSorted()).toEqual(['advice', 'code', 'id', 'ok', 'params', 'what']);
      expect(check.what).toEqual(expect.any(String));
    }
    expect(well.checks.filter(({ ok }: Item) => !ok).map(({ id }: Item) => id)).toEqual([]);
    expect(well.ok).toBe(true);

    bridge.portal.disableConnector(bridge.connectorId, LINE);
    const ill = await eventually(
      async () => (await admin('GET', '/doctor')).json,
      ({ ok }) => !ok,
      16_000,
    );
    for (const { ok, what, advice } of ill.checks) if (!ok) expect([what, advice].every(Boolean)).toBe(true);
    const [{ id }] = await list('/portals');
    await admin('POST', `/portals/${id}/connector/activate`, { lineId: LINE });
  });

  it('metrics are Prometheus text', async () => {
    const { status, headers } = await bridge.program.get('/metrics');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('text/plain');
    // Each replica counts for itself.
    const counts = await Promise.all([1, 2, 3].map(() => bridge.program.get('/metrics')));
    const text = counts.map((count) => count.text).join('\n');
    expect(text).toMatch(/^openlines_messages_accepted_total\{direction="inbound"\} \d+$/m);
    expect(text).toMatch(/^openlines_database_up 1$/m);
    expect(text).toMatch(/^openlines_queue_deliveries\{channel="outbound"\} 0$/m);
    expect(text).toMatch(
      /^http_request_duration_seconds_count\{method="GET",route="\/admin\/messages",status="200"\} \d+$/m,
    );
  });

  it('health says ready and live in terminus’ words', async () => {
    const [live, ready] = await Promise.all([bridge.program.get('/health/live'), bridge.program.get('/health/ready')]);
    expect([live.status, live.json.status]).toEqual([200, 'ok']);
    expect([ready.status, ready.json.status]).toEqual([200, 'ok']);
    expect(ready.json.info.database.status).toBe('up');
  });

  it('changes are on record', async () => {
    const entries = await list('/audit?limit=200');
    const actions = new Set(entries.map(({ action }) => action));
    for (const action of ['bot.create', 'bot.update', 'bot.remove', 'message.retry', 'portal.activate']) {
      expect(actions).toContain(action);
    }
    expect(JSON.stringify(entries)).not.toContain(SECOND_TOKEN.split(':')[1]);
  });

  it('changes that nobody made through the API are on record, too, with how they ended', async () => {
    const entries = await list('/audit?limit=200');
    const [installed] = entries.filter(({ action }) => action === 'portal.install');
    expect(installed).toMatchObject({ actor: expect.stringMatching(/^portal:\d+\/user:\d+$/), outcome: 'done' });
    expect(entries.filter(({ action }) => action === 'bot.adopt')).toMatchObject([{ actor: 'program' }]);
    const [{ id }] = await list('/bots');
    const before = entries.length;
    // A change in steps may fail at any of them.
    const half = await admin('PATCH', `/bots/${id}`, { portalId: '999999', lineId: '1' });
    expect(half.status).toBe(422);
    expect((await admin('PATCH', '/bots/999999', { mode: 'polling' })).status).toBe(404);
    const after = await list('/audit?limit=200');
    expect(after.length).toBe(before + 1);
    expect(after[0]).toMatchObject({
      action: 'bot.update',
      subject: `bot:${id}`,
      detail: { error: half.json.code },
      outcome: 'failed',
    });
  });
});

describe('documentation', () => {
  it('describes every route that people and scripts use', async () => {
    const page = await bridge.program.get('/docs');
    expect([200, 301, 302]).toContain(page.status);
    const { status, json } = await bridge.program.get('/docs-json');
    expect(status).toBe(200);
    expect(json.openapi).toMatch(/^3\./);
    for (const path of [
      '/b24/install',
      '/b24/oauth/callback',
      '/b24/handler',
      '/b24/settings',
      '/tg/webhook',
      '/tg/webhook/{botKey}',
      '/admin/portals',
      '/admin/portals/{id}/connector/register',
      '/admin/bots',
      '/admin/portals/{id}/lines/{lineId}',
      '/admin/chats/{id}/messages',
      '/admin/chats/{id}/ban',
      '/admin/chats/{id}/unban',
      '/admin/messages',
      '/admin/messages/{id}',
      '/admin/messages/{id}/retry',
      '/admin/messages/retry',
      '/admin/doctor',
      '/admin/overview',
    ]) {
      expect(Object.keys(json.paths)).toContain(path);
    }
    for (const path of ['/b24/handler', '/tg/webhook', '/tg/webhook/{botKey}']) {
      expect(JSON.stringify(json.paths[path].post.requestBody)).toMatch(/example/);
    }
  });

  it('keeps no key in the browser, and removes one that was kept before', async () => {
    const { text } = await bridge.program.get('/docs/swagger-ui-init.js');
    expect(text).toContain('"persistAuthorization": false');
    expect(text).toContain("localStorage.removeItem('authorized')");
  });

  it('can be hidden', async () => {
    const hidden: Program = await bridge.replica({ DOCS_ENABLED: '0' });
    try {
      for (const path of ['/docs', '/docs-json']) {
        const answer = await hidden.get(path);
        expect(answer.status).toBe(404);
        expect(answer.json).toMatchObject({ status: 404, code: 'not_found' });
      }
    } finally {
      await hidden.stop();
    }
  });
});
