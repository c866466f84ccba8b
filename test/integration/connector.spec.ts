import { type INestApplication, Global, Module } from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { Test } from '@nestjs/testing';
import qs from 'qs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { RestClient } from '../../src/bitrix/rest.client.js';
import { Environment, readEnvironment } from '../../src/config/environment.js';
import { ConnectorModule } from '../../src/connector/connector.module.js';
import { LineConnections } from '../../src/connector/install/line-connections.service.js';
import { RegistrationService } from '../../src/connector/install/registration.service.js';
import { DeliveryProblems } from '../../src/relay/delivery-problems.js';
import { EndpointDrivers } from '../../src/relay/endpoint-driver.js';
import { EndpointSupervisor } from '../../src/relay/endpoint-supervisor.js';
import { FileLinks } from '../../src/relay/file-links.js';
import { IntakeService } from '../../src/relay/intake.service.js';
import { BotManager } from '../../src/relay/bot-manager.js';
import { ClientReactions } from '../../src/relay/client-reactions.js';
import { LineBots } from '../../src/relay/line-bots.js';
import { RelayEvents } from '../../src/relay/relay-events.js';
import { RelayModule } from '../../src/relay/relay.module.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { StorageModule } from '../../src/storage/storage.module.js';
import { Bitrix24Simulator } from '../support/bitrix24-simulator.js';
import type { PortalApp } from '../support/bitrix24-simulator/portal-model.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';

const SECRET = 'handler-secret';
const CONNECTOR = 'tg_bridge';

/** The way in without the workers that send. */
@Module({
  // Drives nothing: what waits stays.
  providers: [
    { provide: EndpointSupervisor, useValue: { status: () => [] } },
    DeliveryProblems,
    EndpointDrivers,
    FileLinks,
    IntakeService,
    RelayEvents,
  ],
  exports: [DeliveryProblems, EndpointDrivers, EndpointSupervisor, FileLinks, IntakeService, RelayEvents],
})
class IntakeOnlyModule {}

/** Of src/telegram the pages ask no more than who serves a line. */
function lineBots(bots: BotsRepository): Pick<LineBots, 'bot'> {
  return {
    bot: async ({ portalId, lineId }) => {
      const row = await bots.findByLine(portalId, lineId);
      if (!row) return null;
      const { id, telegramId, username, name, mode, state } = row;
      return { id, telegramId, username, name, mode, state };
    },
  };
}

const NO_MANAGER: Pick<BotManager, 'ready'> = { ready: () => Promise.resolve(null) };

@Global()
@Module({
  providers: [
    { provide: LineBots, useFactory: lineBots, inject: [BotsRepository] },
    { provide: BotManager, useValue: NO_MANAGER },
    { provide: ClientReactions, useValue: { show: () => Promise.resolve() } satisfies ClientReactions },
  ],
  exports: [BotManager, ClientReactions, LineBots],
})
class LineBotsModule {}

function configuration(environment: Environment) {
  @Global()
  @Module({ providers: [{ provide: Environment, useValue: environment }], exports: [Environment] })
  class ConfigurationModule {}
  return ConfigurationModule;
}

async function startApp(environment: Environment): Promise<NestFastifyApplication> {
  const module = await Test.createTestingModule({
    imports: [configuration(environment), StorageModule, LineBotsModule, ConnectorModule],
  })
    .overrideModule(RelayModule)
    .useModule(IntakeOnlyModule)
    .setLogger(false as never)
    .compile();
  const adapter = new FastifyAdapter({ forceCloseConnections: true });
  adapter
    .getInstance()
    .addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
      done(null, qs.parse(body as string, { depth: 20, arrayLimit: 1000, parameterLimit: 10_000 }));
    });
  const app = module.createNestApplication<NestFastifyApplication>(adapter, { bodyParser: false, logger: false });
  await app.init();
  return app;
}

let b24: Bitrix24Simulator;
let portal: Portal;
let card: PortalApp;
let storage: TestDatabase;
let database: DatabaseService;
let app: NestFastifyApplication;
let origin: string;
let environment: Environment;

beforeAll(async () => {
  b24 = await Bitrix24Simulator.start({ limits: false });
});
afterAll(() => b24.stop());

beforeEach(async () => {
  storage = await createTestDatabase();
  portal = await b24.addPortal({
    lines: [{ id: '1', name: 'Sales' }],
    users: [
      { id: 1, name: 'Admin', admin: true },
      { id: 27, name: 'Samantha Johnson' },
    ],
  });
  environment = readEnvironment({
    NODE_ENV: 'test',
    B24_DOMAIN: portal.url,
    B24_CLIENT_ID: 'local.abc',
    B24_CLIENT_SECRET: 'shh',
    B24_LINE_ID: '1',
    B24_HANDLER_SECRET: SECRET,
    B24_CONNECTOR_ID: CONNECTOR,
    B24_OAUTH_URL: b24.oauthUrl,
    B24_REQUESTS_PER_SECOND: '1000',
    PUBLIC_URL: 'http://127.0.0.1:1',
    DATABASE_URL: storage.url,
    ENCRYPTION_KEY: Buffer.alloc(32, 1).toString('base64'),
    ADMIN_API_KEY: 'a'.repeat(32),
  });
  app = await startApp(environment);
  await app.listen(0, '127.0.0.1');
  database = app.get(DatabaseService);
  origin = await app.getUrl();
  environment.PUBLIC_URL = origin;
  card = portal.addApp({
    clientId: 'local.abc',
    clientSecret: 'shh',
    handlerUrl: `${origin}/b24/oauth/callback`,
    installUrl: `${origin}/b24/install`,
    kind: 'ui',
  });
  await database.query(`INSERT INTO bots (key, telegram_id, username, name, token, is_default, updated_at)
                        VALUES ('k', 42, 'acme_bot', 'Acme', 'x', true, now())`);
});
afterEach(async () => {
  await (app as INestApplication).close();
  await storage.drop();
});

const rows = async (sql: string) => (await database.query<Record<string, unknown>>(sql)).rows;

async function openAndFinish(): Promise<void> {
  const page = await portal.openInstallFrame(card);
  expect(page.html).toContain('BX24.installFinish()');
  await page.runInstallFinish();
}

async function install(): Promise<void> {
  await openAndFinish();
  // The portal says so at once, to the handler that was just bound.
  await expect.poll(() => rows(`SELECT 1 FROM events WHERE name = 'ONAPPINSTALL'`)).not.toEqual([]);
}

/** The event of an installation has everything registered once more, after its answer. */
async function registered(): Promise<void> {
  for (let calls = -1; calls !== portal.calls.length; await new Promise((resolve) => setTimeout(resolve, 500))) {
    calls = portal.calls.length;
  }
}

/** The event as the portal would sign it. */
const event = (name: string, data: unknown, auth: object | null = {}) => ({
  event: name,
  ts: '1773759161',
  data,
  ...(auth && { auth: { member_id: portal.memberId, application_token: card.applicationToken, ...auth } }),
});
const messages = (...ids: number[]) => ({
  CONNECTOR,
  LINE: '1',
  MESSAGES: ids.map((id) => ({
    im: { chat_id: '5', message_id: String(id) },
    message: { user_id: '27', text: `[b]Samantha Johnson:[/b] [br]no ${id}` },
    chat: { id: 'tg:777' },
  })),
});

async function post(path: string, body: unknown, type = 'application/json') {
  const answer = await fetch(origin + path, {
    method: 'POST',
    headers: { 'content-type': type },
    body: type === 'application/json' ? JSON.stringify(body) : qs.stringify(body),
    redirect: 'manual',
  });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}
const send = (body: unknown, secret = SECRET) => post(`/b24/handler?secret=${secret}`, body);

describe('authorisation', () => {
  it('connects the portal, and its address works once', async () => {
    const { auth_url: url } = (await (await fetch(`${origin}/b24/install`)).json()) as { auth_url: string };
    expect(url).toContain(`${portal.url}/oauth/authorize/?client_id=local.abc&state=`);
    const state = new URL(url).searchParams.get('state')!;
    expect(JSON.stringify(await rows(`SELECT encode(hash, 'escape') FROM oauth_states`))).not.toContain(state);

    const answer = await portal.authorize(url, 1, { accept: 'application/json' });
    expect(answer.status).toBe(200);
    const body = JSON.parse(answer.body) as { ok: boolean; steps: { step: string; ok: boolean }[]; portal: object };
    expect(body.portal).toMatchObject({ memberId: portal.memberId, domain: portal.domain });
    expect(body.steps.filter((step) => !step.ok).map((step) => step.step)).toEqual(['app.info']);
    expect(await rows(`SELECT state, connector_id FROM portals`)).toEqual([
      { state: 'active', connector_id: CONNECTOR },
    ]);
    expect(await rows(`SELECT user_id, is_admin, is_installer FROM tokens`)).toEqual([
      { user_id: '1', is_admin: true, is_installer: true },
    ]);

    const again = await portal.authorize(url, 1, { accept: 'application/json' });
    expect(again.status).toBe(400);
    expect(again.body).toContain('start again at /b24/install');
  });

  it('redirects when asked to, answers HEAD, and names what is not set', async () => {
    const redirect = await fetch(`${origin}/b24/install?redirect=1`, { redirect: 'manual' });
    expect([redirect.status, redirect.headers.get('location')?.startsWith(portal.url)]).toEqual([302, true]);
    for (const path of ['/b24/install', '/b24/oauth/callback', '/b24/handler', '/b24/settings']) {
      expect((await fetch(origin + path, { method: 'HEAD' })).status).toBe(200);
    }
    environment.B24_DOMAIN = undefined;
    environment.B24_CLIENT_ID = undefined;
    const answer = await fetch(`${origin}/b24/install`);
    expect(answer.status).toBe(503);
    expect(await answer.text()).toMatch(/B24_DOMAIN, B24_CLIENT_ID/);
  });

  it('refuses a wrong code, an error, a foreign state and a rank-and-file user, and stores nothing', async () => {
    const page = async (query: string) => {
      const answer = await fetch(`${origin}/b24/oauth/callback${query}`);
      return [answer.status, await answer.text()] as const;
    };
    expect(await page('')).toEqual([400, expect.stringContaining('callback_malformed')]);
    expect(await page('?error=access_denied%3Cb%3E')).toEqual([400, expect.stringContaining('access_denied&lt;b&gt;')]);
    expect(await page('?code=a&state=b')).toEqual([400, expect.stringContaining('state_invalid')]);
    const fresh = async () => ((await (await fetch(`${origin}/b24/install`)).json()) as { auth_url: string }).auth_url;
    const state = new URL(await fresh()).searchParams.get('state');
    expect(await page(`?code=wrong&state=${state}`)).toEqual([400, expect.stringContaining('code_refused')]);
    expect((await portal.authorize(await fresh(), 27)).body).toContain('not_administrator');
    expect(await rows('SELECT 1 FROM portals')).toEqual([]);
  });
});

describe('the installation frame', () => {
  it('registers, binds, activates and ends the installation', async () => {
    const page = await portal.openInstallFrame(card, { lang: 'ru' });
    expect(page.status).toBe(200);
    expect(page.html).toContain('Telegram подключён');
    expect(page.headers['content-security-policy']).toContain(`frame-ancestors ${portal.url}`);
    expect(page.html).toContain(`src="${portal.url}/api/v1/"`);
    await page.runInstallFinish();

    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(true);
    expect(portal.handlers.map((handler) => handler.event)).toHaveLength(10);
    expect(new Set(portal.handlers.map((handler) => handler.url))).toEqual(
      new Set([`${origin}/b24/handler?secret=${SECRET}`]),
    );
    expect(await rows(`SELECT line_id FROM bots`)).toEqual([{ line_id: '1' }]);
    expect(await rows(`SELECT line_id, state FROM lines`)).toEqual([{ line_id: '1', state: 'active' }]);
    const [stored] = await rows(`SELECT access_token, refresh_token FROM tokens`);
    expect(JSON.stringify(stored)).toMatch(/"v1\..*"v1\./);
  });

  it('may be repeated; handlers of another address go, and nothing is bound twice', async () => {
    await install();
    const registration = app.get(RegistrationService);
    environment.B24_HANDLER_SECRET = 'other';
    const { ok, steps } = await registration.register(1n);
    expect({ ok, steps }).toMatchObject({ ok: true });
    expect(portal.handlers).toHaveLength(10);
    expect(portal.handlers.every((handler) => handler.url.endsWith('secret=other'))).toBe(true);
    expect((await registration.register(1n)).ok).toBe(true);
    expect(portal.handlers).toHaveLength(10);
  });

  it('believes nobody but Bitrix24: a forged token, another application, a rank-and-file user', async () => {
    const forged = await post(
      `/b24/install?DOMAIN=${portal.domain}&PROTOCOL=0&LANG=en`,
      { AUTH_ID: 'f'.repeat(32), REFRESH_ID: 'a', member_id: portal.memberId, APPLICATION_TOKEN: 'mine' },
      'application/x-www-form-urlencoded',
    );
    expect([forged.status, forged.text]).toEqual([403, expect.stringContaining('token_refused')]);
    expect(forged.headers.get('content-security-policy')).toContain(`frame-ancestors ${portal.url}`);

    const other = portal.addApp({ ...card, clientId: 'local.other', clientSecret: 'x' });
    expect((await portal.openInstallFrame(other)).html).toContain('wrong_application');
    expect((await portal.openInstallFrame(card, { user: 27 })).html).toContain('not_administrator');
    expect(await rows('SELECT 1 FROM portals')).toEqual([]);
  });

  it('shows a step that failed before it ends the installation', async () => {
    b24.faults.next('imconnector.register', { status: 200, error: 'NAME_REQUIRED' });
    const page = await portal.openInstallFrame(card);
    expect(page.html).toContain('NAME_REQUIRED');
    await page.runInstallFinish();
    expect(card.installed).toBe(true);
  });
});

describe('the event ONAPPINSTALL', () => {
  it('installs an application without interface', async () => {
    const delivery = await portal.sendAppInstallEvent(card);
    expect([delivery.status, delivery.outcome]).toEqual([200, 'delivered']);
    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(true);
    expect(await rows('SELECT user_id FROM tokens')).toEqual([{ user_id: '1' }]);
    expect(await rows('SELECT name FROM events')).toEqual([{ name: 'ONAPPINSTALL' }]);
    expect((await send(event('ONIMCONNECTORMESSAGEADD', messages(1)))).status).toBe(200);
  });

  it('is not believed without tokens that Bitrix24 confirms', async () => {
    const body = event('ONAPPINSTALL', {}, { access_token: 'f'.repeat(32), refresh_token: 'a' });
    expect((await post('/b24/install', body)).status).toBe(403);
    expect((await post('/b24/install', event('ONAPPINSTALL', {}))).status).toBe(403);
    expect((await post('/b24/install', event('ONAPPUNINSTALL', {}))).status).toBe(400);
    expect(await rows('SELECT 1 FROM portals')).toEqual([]);
  });
});

describe('the event handler', () => {
  it('keeps what operators write, once, whatever the encoding', async () => {
    await install();
    const body = event('ONIMCONNECTORMESSAGEADD', messages(11, 12));
    expect(await send(body)).toMatchObject({ status: 200, text: '{"ok":true}' });
    expect((await post(`/b24/handler?secret=${SECRET}`, body, 'application/x-www-form-urlencoded')).status).toBe(200);
    const kept = await rows(`SELECT text, author_name, unsigned, raw FROM messages ORDER BY id`);
    expect(kept).toMatchObject([
      { text: expect.stringContaining('no 11'), author_name: null, unsigned: false },
      { text: expect.stringContaining('no 12') },
    ]);
    expect(JSON.stringify(kept)).not.toContain(card.applicationToken);
  });

  it('accepts what the portal really posts', async () => {
    await install();
    const chat = {
      user: { id: 'tg:777', name: 'Ivan' },
      message: { id: 'tg:777:1', text: 'Hi' },
      chat: { id: 'tg:777' },
    };
    await app.get(RestClient).call(1n, 'imconnector.send.messages', { CONNECTOR, LINE: 1, MESSAGES: [chat] });
    portal.operator({ id: 27 }).sends('tg:777', 'Good [b]afternoon[/b]');
    await expect
      .poll(() => rows(`SELECT text, marks, author_id FROM messages`))
      .toEqual([{ text: 'Good afternoon', marks: [{ type: 'bold', offset: 5, length: 9 }], author_id: '27' }]);
  });

  it('refuses the wrong secret, an unknown portal, a wrong or missing application_token', async () => {
    await install();
    const body = event('ONIMCONNECTORMESSAGEADD', messages(1));
    const answers = [
      await send(body, 'wrong'),
      await post('/b24/handler', body),
      await post(`/b24/handler?secret=${SECRET}&secret=${SECRET}`, body),
      await send({ ...body, auth: { ...body.auth, member_id: 'other' } }),
      await send({ ...body, auth: { ...body.auth, application_token: 'wrong' } }),
      await send({ ...body, auth: { member_id: portal.memberId } }),
      await send({ ...body, auth: { application_token: card.applicationToken } }),
    ];
    expect(answers.map((answer) => answer.status)).toEqual([403, 403, 403, 403, 403, 403, 403]);
    expect(await rows('SELECT 1 FROM messages')).toEqual([]);
  });

  it('takes an event without auth on the secret alone, while there is one portal', async () => {
    const body = {
      event: 'onImConnectorMessageAdd',
      data: { chat: { id: 'tg:123456' }, message: { id: 'b24:1', text: 'Hello' } },
    };
    expect((await send(body)).status).toBe(403);
    await install();
    expect((await send(body)).status).toBe(200);
    expect(await rows('SELECT text, unsigned, bitrix_message_id FROM messages')).toEqual([
      { text: 'Hello', unsigned: true, bitrix_message_id: '1' },
    ]);
    expect((await send(event('ONAPPUNINSTALL', { CLEAN: '1' }, null))).status).toBe(403);
    expect(await rows('SELECT state FROM portals')).toEqual([{ state: 'active' }]);

    environment.B24_HANDLER_SECRET = undefined;
    expect((await send(body)).status).toBe(403);
    environment.B24_HANDLER_SECRET = SECRET;
    await database.query(`INSERT INTO portals (member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, updated_at)
                          VALUES ('other', 'x', 'http://x/rest/', 'http://x', 'local.abc', 'tg', now())`);
    expect((await send(body)).status).toBe(403);
  });

  it('learns the application_token of a portal connected by a code, if Bitrix24 confirms the event', async () => {
    await install();
    const { accessToken } = portal.issueTokens(card, 27);
    const body = (auth: object) => event('ONIMCONNECTORMESSAGEADD', messages(1), auth);
    await database.query(`UPDATE portals SET application_token_hash = NULL`);
    expect((await send(body({}))).status).toBe(403);
    expect((await send(body({ access_token: 'f'.repeat(32) }))).status).toBe(403);
    b24.faults.next('oauth', 'dropBefore');
    expect((await send(body({ access_token: accessToken }))).status).toBe(503);
    expect((await send(body({ access_token: accessToken }))).status).toBe(200);
    expect((await send(body({}))).status).toBe(200);
    expect((await send(body({ access_token: accessToken, application_token: 'other' }))).status).toBe(403);
  });

  it('answers 400 to what is no event', async () => {
    await install();
    for (const body of [{}, [], event('ONIMCONNECTORMESSAGEADD', {}), { data: {} }]) {
      expect((await send(body)).status).toBe(400);
    }
  });

  it('records edits and events that it does not know, once', async () => {
    await install();
    const edit = event('ONIMCONNECTORMESSAGEUPDATE', { CONNECTOR, LINE: '1', MESSAGES: [{ im: { message_id: '1' } }] });
    for (const body of [edit, edit, event('ONSOMETHINGNEW', { a: 1 })]) expect((await send(body)).status).toBe(200);
    expect(await rows(`SELECT name FROM events WHERE name <> 'ONAPPINSTALL' ORDER BY id`)).toEqual([
      { name: 'ONIMCONNECTORMESSAGEUPDATE' },
      { name: 'ONSOMETHINGNEW' },
    ]);
    expect(JSON.stringify(await rows('SELECT raw FROM events'))).not.toContain(card.applicationToken);
  });

  it('follows lines that are switched off or deleted', async () => {
    await install();
    await registered();
    portal.disableConnector(CONNECTOR, '1');
    await expect.poll(() => rows(`SELECT state FROM lines`)).toEqual([{ state: 'inactive' }]);
    expect((await app.get(LineConnections).activate(1n, '1')).ok).toBe(true);
    expect(await rows(`SELECT state FROM lines`)).toEqual([{ state: 'active' }]);
    expect((await app.get(LineConnections).deactivate(1n, '1')).ok).toBe(true);
    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(false);
    portal.deleteLine('1');
    await expect.poll(() => rows(`SELECT state FROM lines`)).toEqual([{ state: 'deleted' }]);
  });

  it('ends with the application, keeps the history and erases it only when asked to', async () => {
    await install();
    await send(event('ONIMCONNECTORMESSAGEADD', messages(1)));
    await database.query(`INSERT INTO dialog_reports (portal_id, kind, bitrix_chat_id, external_chat_id, due_at)
                          VALUES (1, 'note', '1', 'tg:1', now() + interval '1 hour')`);
    await send(event('ONIMCONNECTORMESSAGEADD', messages(2)));
    expect(await rows(`SELECT count(*)::int AS waiting FROM deliveries`)).toEqual([{ waiting: 2 }]);

    portal.uninstall(card, { clean: false });
    await expect.poll(() => rows('SELECT state FROM portals')).toEqual([{ state: 'uninstalled' }]);
    expect(await rows('SELECT count(*)::int AS kept FROM messages')).toEqual([{ kept: 2 }]);

    expect((await send(event('ONAPPUNINSTALL', { CLEAN: '1' }))).status).toBe(200);
    for (const table of ['messages', 'chat_links', 'tokens', 'deliveries', 'lanes', 'dialog_reports']) {
      expect([table, await rows(`SELECT 1 FROM ${table}`)]).toEqual([table, []]);
    }
    expect(await rows('SELECT line_id FROM bots')).toEqual([{ line_id: '1' }]);
    const report = await app.get(RegistrationService).register(1n);
    expect(report.steps.every((step) => !step.ok)).toBe(true);
  });

  it('is connected again by a new installation', async () => {
    await install();
    portal.uninstall(card, { clean: true });
    await expect.poll(() => rows('SELECT state FROM portals')).toEqual([{ state: 'uninstalled' }]);
    await openAndFinish();
    expect(await rows('SELECT state, state_reason FROM portals')).toEqual([{ state: 'active', state_reason: null }]);
    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(true);
    expect((await send(event('ONIMCONNECTORMESSAGEADD', messages(1)))).status).toBe(200);
  });
});

describe('frames of a connected portal', () => {
  it('the settings switch the line on and show its bot', async () => {
    environment.B24_LINE_ID = undefined;
    await install();
    expect(await rows('SELECT 1 FROM lines')).toEqual([]);
    const page = await portal.openSettingsFrame(card, { connector: CONNECTOR, line: '1', lang: 'ru' });
    expect([page.status, page.frameable]).toEqual([200, true]);
    expect(page.html).toContain('lang="ru"');
    expect(page.html).toContain('"username":"acme_bot"');
    expect(page.html).toContain('"operatorName":"hidden"');
    await database.query(`UPDATE lines SET operator_name = 'template', operator_name_template = '{name} <3'`);
    const changed = await portal.openSettingsFrame(card, { connector: CONNECTOR, line: '1', lang: 'ru' });
    expect(changed.html).toContain('"operatorNameTemplate":"{name} \\u003c3"');
    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(true);
    expect(await rows('SELECT line_id, state FROM lines')).toEqual([{ line_id: '1', state: 'active' }]);
    expect(await rows('SELECT line_id FROM bots')).toEqual([{ line_id: '1' }]);
  });

  it('the settings are for administrators', async () => {
    await install();
    await registered();
    portal.disableConnector(CONNECTOR, '1');
    const page = await portal.openSettingsFrame(card, { connector: CONNECTOR, line: '1', user: 27 });
    expect([page.status, page.html]).toEqual([403, expect.stringContaining('not_administrator')]);
    expect(page.frameable).toBe(true);
    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(false);
    expect(await rows('SELECT user_id FROM tokens')).toEqual([{ user_id: '1' }]);
  });

  it('outside the portal the address shows a page that nobody may frame', async () => {
    const answer = await fetch(`${origin}/b24/settings`, { headers: { 'accept-language': 'ru-RU,ru' } });
    expect(answer.headers.get('content-security-policy')).toContain(`frame-ancestors 'none'`);
    expect(await answer.text()).toContain('внутри Битрикс24');
  });

  it('the application shows the state, also to a rank-and-file user, whose tokens are not kept', async () => {
    await install();
    const page = await portal.openAppFrame(card, { user: 27 });
    expect([page.status, page.frameable]).toEqual([200, true]);
    expect(page.html).toContain('@acme_bot');
    expect(await rows('SELECT user_id FROM tokens')).toEqual([{ user_id: '1' }]);
  });

  it('opening the application installs it where there is no installation path', async () => {
    card.installed = true;
    const page = await portal.openAppFrame(card);
    expect([page.status, page.html]).toEqual([200, expect.stringContaining('Telegram is connected')]);
    expect(portal.lines.isReady(CONNECTOR, '1')).toBe(true);
  });
});
