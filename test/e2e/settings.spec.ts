import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SettingsSessions } from '../../src/connector/settings/settings-sessions.js';
import { EncryptionService, parseEncryptionKeys } from '../../src/storage/secrets/encryption.service.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { BOT_TOKEN, Bridge, eventually, LINE } from '../support/bridge.js';

const OTHER_LINE = '8';
const OTHER_TOKEN = '987654321:BBEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';

let bridge: Bridge;
let stranger: Portal;
let strangersApp: ReturnType<Portal['addApp']>;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { TG_BOT_TOKEN: undefined } });
  bridge.portal.addLine({ id: OTHER_LINE, name: 'Support' });
  bridge.telegram.addBot({ token: OTHER_TOKEN, username: 'other_bot', firstName: 'Other' });
  stranger = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Theirs' }] });
  const { clientId, clientSecret, handlerUrl, installUrl } = bridge.app;
  strangersApp = stranger.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl });
  await (await stranger.openInstallFrame(strangersApp)).runInstallFinish();
});
afterAll(async () => bridge?.stop());

/** The session that the page of a line gets. */
async function open(line = LINE, portal = bridge.portal, app = bridge.app): Promise<string> {
  const page = await portal.openSettingsFrame(app, { connector: bridge.connectorId, line });
  expect(page.status, page.html).toBe(200);
  return JSON.parse(/id="bootstrap">(.*?)<\/script>/.exec(page.html)![1]!).session;
}

const ask = (session: string, method: string, path: string, body?: unknown) =>
  bridge.program.request(method, `/b24/settings/api/${path}`, body, { authorization: `Bearer ${session}` });
const connect = (session: string, token: string, more = {}) => ask(session, 'POST', 'bot', { token, ...more });
const refusal = ({ status, json }: { status: number; json: { code: string } }) => [status, json.code];
/** Rows of the program's own tables, for what no route shows. */
async function rowsOf<Row extends Record<string, unknown>>(sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  return client
    .query<Row>(sql)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}
const audit = () =>
  rowsOf<{ actor: string; action: string; subject: string; detail: unknown }>(
    `SELECT actor, action, subject, detail FROM audit_entries
      WHERE action NOT IN ('portal.install', 'portal.reinstall') ORDER BY id`,
  );

describe('the page', () => {
  it('may be framed by its portal alone, runs our own scripts alone, and travels compressed', async () => {
    const page = await bridge.portal.openSettingsFrame(bridge.app, { connector: bridge.connectorId, line: LINE });
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain(`frame-ancestors ${bridge.portal.url}`);
    expect(policy).toContain(`script-src 'self';`);
    expect(page.headers['x-frame-options']).toBeUndefined();
    expect(page.headers['set-cookie']).toBeUndefined();
    const [, script] = /src="\.\.(\/web\/assets\/[^"]+\.js)"/.exec(page.html)!;
    const plain = await bridge.program.get(script!, { 'accept-encoding': 'identity' });
    for (const encoding of ['br', 'gzip']) {
      const answer = await bridge.program.get(script!, { 'accept-encoding': encoding });
      expect(answer.headers.get('content-encoding')).toBe(encoding);
      expect(answer.text).toBe(plain.text);
    }
    // Nobody named a bot for this portal, and one who serves nobody is not given away by opening a page.
    expect(page.html).toContain('"bot":null');
  });
});

describe('a session', () => {
  it('is asked for by every route', async () => {
    const keys = parseEncryptionKeys(bridge.environment.ENCRYPTION_KEY!);
    const sessions = new SettingsSessions(new EncryptionService(keys));
    const hourAgo = new Date(Date.now() - 3_601_000);
    const old = sessions.begin({ portalId: 1n, lineId: LINE, userId: '1' }, hourAgo);
    for (const [method, path, body] of [
      ['GET', 'state'],
      ['POST', 'check'],
      ['POST', 'repair'],
      ['POST', 'bot', { token: BOT_TOKEN }],
      ['PATCH', 'bot', { mode: 'webhook' }],
      ['PATCH', 'options', { welcomeText: 'Hello' }],
      ['POST', 'disconnect'],
      ['GET', 'picture'],
    ] as const) {
      expect(refusal(await ask('nobody.signed', method, path, body))).toEqual([401, 'session_invalid']);
      expect(refusal(await ask(old, method, path, body))).toEqual([401, 'session_expired']);
    }
    const bare = await bridge.program.post('/b24/settings/api/check', {}, { origin: 'https://evil.example.com' });
    expect(refusal(bare)).toEqual([401, 'session_invalid']);
    expect(bare.headers.get('access-control-allow-origin')).toBeNull();
    expect(bare.headers.get('content-type')).toContain('application/problem+json');
    expect(await audit()).toEqual([]);
  });
});

describe('the bot of a line', () => {
  it('is connected by a token that Telegram accepts', async () => {
    const session = await open();
    expect(refusal(await connect(session, 'no token'))).toEqual([400, 'invalid_request']);
    expect(refusal(await connect(session, '1:unknown'))).toEqual([422, 'token_refused']);
    bridge.telegram.faults.next('getMe', { gateway: 502, performed: false });
    expect(refusal(await connect(session, BOT_TOKEN))).toEqual([503, 'telegram_unreachable']);
    expect(refusal(await connect(session, BOT_TOKEN, { portalId: '2' }))).toEqual([400, 'invalid_request']);
    const large = await ask(session, 'POST', 'bot', { token: 'x'.repeat(20_000) });
    expect(refusal(large)).toEqual([413, 'body_too_large']);

    const answer = await connect(session, BOT_TOKEN);
    expect(answer.status, answer.text).toBe(200);
    expect(answer.json).toMatchObject({ lineId: LINE, on: true, bot: { username: 'shop_bot', mode: 'polling' } });
    expect(answer.text).not.toContain(BOT_TOKEN);
    expect(bridge.portal.lines.isReady(bridge.connectorId, LINE)).toBe(true);
    const client = bridge.bot.client({ id: 777, first_name: 'Ivan' });
    client.sends('hello');
    await bridge.portal.dialog('tg:777').receives(1, 15_000);
    const { json } = await ask(session, 'GET', 'state');
    expect(json.traffic.lastInboundAt).not.toBeNull();
    expect((await ask(session, 'GET', 'picture')).status).toBe(204);
  });

  it('is known to no other line and no other portal; there it can be moved, or is refused', async () => {
    const other = await open(OTHER_LINE);
    expect((await ask(other, 'GET', 'state')).json.bot).toBeNull();
    expect(refusal(await ask(other, 'PATCH', 'bot', { mode: 'webhook' }))).toEqual([409, 'no_bot']);
    const busy = await connect(other, BOT_TOKEN);
    expect(refusal(busy)).toEqual([409, 'bot_on_other_line']);
    expect(busy.json.lineId).toBe(LINE);

    const theirs = await open(LINE, stranger, strangersApp);
    expect((await ask(theirs, 'GET', 'state')).json).toMatchObject({ portal: stranger.domain, bot: null });
    const foreign = await connect(theirs, BOT_TOKEN, { move: true });
    expect(refusal(foreign)).toEqual([409, 'bot_elsewhere']);
    expect(foreign.text).not.toContain(bridge.portal.domain);
    expect((await ask(theirs, 'POST', 'disconnect')).status).toBe(200);

    const moved = await connect(other, BOT_TOKEN, { move: true });
    expect(moved.json).toMatchObject({ lineId: OTHER_LINE, bot: { username: 'shop_bot' } });
    expect(bridge.portal.lines.isReady(bridge.connectorId, OTHER_LINE)).toBe(true);
    expect(bridge.portal.lines.isReady(bridge.connectorId, LINE)).toBe(false);
    expect((await connect(other, OTHER_TOKEN)).json.code).toBe('line_taken');
    const back = await open();
    expect((await connect(back, BOT_TOKEN, { move: true })).json.bot.username).toBe('shop_bot');
  });

  it('is received by polling or by webhook', async () => {
    const session = await open();
    expect((await ask(session, 'PATCH', 'bot', { mode: 'webhook' })).json.bot.mode).toBe('webhook');
    const updates = async () =>
      (await ask(session, 'POST', 'check')).json.links.find(({ id }: { id: string }) => id === 'updates');
    await eventually(updates, ({ ok }) => ok);
    expect((await ask(session, 'PATCH', 'bot', { mode: 'polling' })).json.bot.mode).toBe('polling');
    await eventually(updates, ({ ok }) => ok);
    expect(refusal(await ask(session, 'PATCH', 'bot', { mode: 'magic' }))).toEqual([400, 'invalid_request']);
  });
});

describe('what clients read', () => {
  it('is changed field by field, and checked', async () => {
    const session = await open();
    const change = (body: unknown) => ask(session, 'PATCH', 'options', body);
    const named = {
      operatorName: 'template',
      operatorNameTemplate: '{first_name}:',
      welcomeText: null,
      startOpensSession: false,
      welcomeAsksPhone: false,
    };
    expect((await change({ operatorName: 'template', operatorNameTemplate: '{first_name}:' })).json.options).toEqual(
      named,
    );
    expect((await change({ welcomeText: ' Hi {name} ' })).json.options).toEqual({ ...named, welcomeText: 'Hi {name}' });
    expect((await change({ startOpensSession: true })).json.options).toMatchObject({ startOpensSession: true });
    expect((await change({ welcomeAsksPhone: true })).json.options).toMatchObject({ welcomeAsksPhone: true });
    expect((await change({ operatorName: 'hidden', welcomeText: '' })).json.options).toEqual({
      operatorName: 'hidden',
      operatorNameTemplate: null,
      welcomeText: null,
      startOpensSession: true,
      welcomeAsksPhone: true,
    });
    for (const body of [
      { operatorName: 'loud' },
      { welcomeText: 7 },
      { startOpensSession: 'no' },
      { welcomeAsksPhone: 'no' },
      { lineId: '1' },
      { welcomeText: 'x'.repeat(2_001) },
    ]) {
      expect(refusal(await change(body))).toEqual([400, 'invalid_request']);
    }
    // The admin API changes the same line, and every field is optional there, too.
    const { json: portals } = await bridge.program.admin('GET', '/portals');
    const { id } = portals.items.find(({ domain }: { domain: string }) => domain === bridge.portal.domain);
    const admin = await bridge.program.admin('PATCH', `/portals/${id}/lines/${LINE}`, { welcomeText: 'Welcome' });
    expect(admin.json.lines.find(({ lineId }: { lineId: string }) => lineId === LINE)).toMatchObject({
      operatorName: 'hidden',
      welcomeText: 'Welcome',
      startOpensSession: true,
    });
  });
});

describe('the chain', () => {
  const links = async (session: string) => {
    const { json } = await ask(session, 'POST', 'check');
    return Object.fromEntries(json.links.map(({ id, code }: { id: string; code: string }) => [id, code]));
  };
  const ok = { token: 'ok', updates: 'ok', portal: 'ok', installed: 'ok', events: 'ok', line: 'ok' };

  it('says which link is broken, and can be repaired', async () => {
    const session = await open();
    expect(
      await eventually(
        () => links(session),
        ({ updates }) => updates === 'ok',
      ),
    ).toEqual(ok);
    bridge.portal.handlers.length = 0;
    bridge.portal.disableConnector(bridge.connectorId, LINE);
    expect(await links(session)).toEqual({ ...ok, events: 'events_missing', line: 'line_off' });
    const repaired = await ask(session, 'POST', 'repair');
    expect(repaired.json.lineName).toBe('Sales');
    expect(await links(session)).toEqual(ok);
  });

  it('names a revoked token, and takes a new one', async () => {
    const session = await open();
    bridge.telegram.revoke(bridge.bot);
    expect(await links(session)).toMatchObject({ token: 'token_refused', updates: 'token_refused', line: 'ok' });
    const renewed = BOT_TOKEN.replace(':AAE', ':BBE');
    bridge.telegram.addBot({ token: renewed, username: 'shop_bot', firstName: 'Shop' });
    expect((await connect(session, renewed)).json.bot).toMatchObject({ username: 'shop_bot', state: 'active' });
    await eventually(
      () => links(session),
      ({ token, updates }) => token === 'ok' && updates === 'ok',
      20_000,
    );
    bridge.telegram.faults.next('getMe', 'dropBefore');
    expect(await links(session)).toMatchObject({ token: 'telegram_unreachable' });
  });
});

describe('a line that is disconnected', () => {
  it('has no bot and no connector until somebody connects it again; the history stays', async () => {
    const session = await open();
    const answer = await ask(session, 'POST', 'disconnect');
    expect(answer.json).toMatchObject({ on: false, bot: null, traffic: null });
    expect(bridge.portal.lines.isReady(bridge.connectorId, LINE)).toBe(false);
    expect((await ask(await open(), 'GET', 'state')).json).toMatchObject({ on: false, bot: null });
    expect((await bridge.messages()).length).toBeGreaterThan(0);
    expect((await ask(session, 'POST', 'check')).json.links.map(({ id }: { id: string }) => id)).not.toContain('token');
  });
});

it('leaves a row in the audit for each change, without the token', async () => {
  const rows = await audit();
  const portals = await rowsOf<{ id: string; domain: string }>('SELECT id, domain FROM portals');
  const { id } = portals.find(({ domain }) => domain === bridge.portal.domain)!;
  const own = rows.filter(({ actor }) => actor === `portal:${id}/user:1`);
  expect(new Set(own.map(({ action }) => action))).toEqual(
    new Set(['bot.connect', 'bot.move', 'bot.update', 'bot.disconnect', 'portal.line', 'portal.register']),
  );
  expect(own[0]).toMatchObject({
    action: 'bot.connect',
    subject: expect.stringMatching(/^bot:\d+$/),
    detail: { lineId: LINE },
  });
  expect(JSON.stringify(rows)).not.toContain(BOT_TOKEN.split(':')[1]!.slice(3));
});

it('lets nobody try tokens for long, and opens nothing once the application is gone', async () => {
  const session = await open(LINE, stranger, strangersApp);
  const answers: number[] = [];
  for (let tried = 0; tried < 11; tried++) answers.push((await connect(session, '1:wrong')).status);
  expect(answers).toContain(429);
  expect(answers.filter((status) => status === 422).length).toBeLessThanOrEqual(10);
  stranger.uninstall(strangersApp, { clean: false });
  await stranger.events.idle();
  const refused = [403, 'portal_gone'];
  expect(refusal(await ask(session, 'GET', 'state'))).toEqual(refused);
  expect(refusal(await ask(session, 'GET', 'links'))).toEqual(refused);
  expect(refusal(await ask(session, 'POST', 'links', { name: 'Poster' }))).toEqual(refused);
  expect(refusal(await ask(session, 'PATCH', 'features/robots', { wanted: true }))).toEqual(refused);
  expect(await rowsOf(`SELECT FROM links WHERE name = 'Poster'`)).toEqual([]);
});
