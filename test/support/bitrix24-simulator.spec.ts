import { B24OAuth, initializeB24Frame } from '@bitrix24/b24jssdk';
import { runInNewContext } from 'node:vm';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseForm, sendRequest } from './bitrix24-simulator/http-exchange.js';
import { httpBuildQuery, type Params } from './bitrix24-simulator/php-encoding.js';
import {
  b24,
  portal,
  app,
  token,
  listener,
  received,
  page,
  CONNECTOR,
  OPERATOR,
  type Answer,
  start,
  stop,
  renewToken,
  post,
  connect,
  element,
  lastReceived,
  call,
  oauth,
  client,
  bind,
  send,
  events,
  errorOf,
  useSimulator,
} from './bitrix24-simulator/spec.rig.js';

useSimulator();

describe('OAuth', () => {
  async function code(): Promise<URLSearchParams> {
    await portal.authorize(
      `${portal.url}/oauth/authorize/?client_id=local.abc&state=xyz&redirect_uri=https://evil.example/`,
    );
    return new URLSearchParams(received.at(-1)?.exchange.search);
  }

  it('redirects to the address of the card with code, state and the portal, whatever redirect_uri says', async () => {
    const query = await code();
    expect(received.at(-1)?.path).toBe('/callback');
    expect(query.get('state')).toBe('xyz');
    expect(query.get('domain')).toBe(portal.domain);
    expect(query.get('member_id')).toBe(portal.memberId);
    expect(query.get('server_domain')).toBe(new URL(b24.oauthUrl).host);
  });

  it('exchanges a code once, and names the OAuth host, not the portal, as domain', async () => {
    const params = { grant_type: 'authorization_code', ...client, code: (await code()).get('code') ?? '' };
    const { status, body } = await oauth(params);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      expires_in: 3600,
      domain: new URL(b24.oauthUrl).host,
      client_endpoint: `${portal.url}/rest/`,
      server_endpoint: `${b24.oauthUrl}/rest/`,
      member_id: portal.memberId,
      user_id: 1,
      status: 'L',
    });
    expect((await call('profile', {}, body.access_token)).body.result.ADMIN).toBe(true);
    expect(errorOf(await oauth(params))).toEqual([400, 'invalid_grant', undefined]);
  });

  it('lets a code live 30 seconds', async () => {
    const stale = (await code()).get('code') ?? '';
    b24.clock.advance(30_000);
    expect((await oauth({ grant_type: 'authorization_code', ...client, code: stale })).body).toEqual({
      error: 'invalid_grant',
    });
  });

  it('rotates refresh tokens and counts the second use of one', async () => {
    const { refreshToken } = portal.issueTokens(app);
    const params = { grant_type: 'refresh_token', ...client, refresh_token: refreshToken };
    const first = await oauth(params);
    expect(first.body.refresh_token).not.toBe(refreshToken);
    expect(errorOf(await oauth(params))).toEqual([400, 'invalid_grant', undefined]);
    expect((await oauth({ ...params, refresh_token: first.body.refresh_token })).status).toBe(200);
    expect(portal.ledger().refreshes['local.abc']).toEqual({ refreshes: 2, concurrent: 0, reused: 1 });
  });

  it('forgets a refresh token after 180 days', async () => {
    const { refreshToken } = portal.issueTokens(app);
    b24.clock.advance(180 * 24 * 3600_000);
    expect((await oauth({ grant_type: 'refresh_token', ...client, refresh_token: refreshToken })).status).toBe(400);
  });

  it('sees two refreshes at once', async () => {
    b24.latencyMs = 30;
    const params = { grant_type: 'refresh_token', ...client, refresh_token: portal.issueTokens(app).refreshToken };
    const answers = await Promise.all([oauth(params), oauth(params)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 400]);
    expect(portal.ledger().refreshes['local.abc']).toMatchObject({ concurrent: 1, reused: 1 });
  });

  it('answers errors as the real server does, an unknown client with 200', async () => {
    const refresh = { grant_type: 'refresh_token', ...client };
    expect(errorOf(await oauth({ ...refresh, client_id: 'local.other', refresh_token: 'x' }))).toEqual([
      200,
      'wrong_client',
      undefined,
    ]);
    expect(errorOf(await oauth({ ...refresh, client_secret: 'wrong', refresh_token: 'x' }))).toEqual([
      400,
      'invalid_client',
      undefined,
    ]);
    expect(errorOf(await oauth(refresh))).toEqual([400, 'invalid_request', 'No "refresh_token" parameter found']);
    const { refreshToken } = portal.issueTokens(app);
    portal.uninstall(app, { clean: false });
    expect(errorOf(await oauth({ ...refresh, refresh_token: refreshToken }))).toEqual([
      401,
      'NOT_INSTALLED',
      'Application not installed',
    ]);
  });

  it('says in app.info whose token it is', async () => {
    const info = await post(`${b24.oauthUrl}/rest/app.info`, `auth=${token}`, 'application/x-www-form-urlencoded');
    expect(info.body.result).toMatchObject({
      client_id: 'local.abc',
      install: {
        installed: false,
        domain: portal.domain,
        client_endpoint: portal.clientEndpoint,
        member_id: portal.memberId,
      },
    });
    const unknown = await post(`${b24.oauthUrl}/rest/app.info`, 'auth=nonsense', 'application/x-www-form-urlencoded');
    expect(errorOf(unknown)).toEqual([400, 'invalid_client', undefined]);
  });
});

describe('REST envelope', () => {
  it('escapes JSON as PHP does and writes whole seconds into start and processing', async () => {
    await connect('1', { NAME: `<Теле&"грам"'/` });
    const { raw, body } = await call('imconnector.list');
    expect(raw).toContain('"\\u003CТеле\\u0026\\u0022грам\\u0022\\u0027\\/"');
    expect(body.result[CONNECTOR]).toBe(`<Теле&"грам"'/`);
    expect(Number.isInteger(body.time.start) && Number.isInteger(body.time.processing)).toBe(true);
    expect(body.time.date_start).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+03:00$/);
  });

  it('takes JSON, forms, multipart and queries, method names in any case and with .json', async () => {
    await connect();
    const expected = { LINE: 1, CONNECTOR, ERROR: false, CONFIGURED: true, STATUS: true };
    const url = `${portal.clientEndpoint}imConnector.STATUS.json`;
    const form = await post(url, `connector=${CONNECTOR}&line=1&auth=${token}`, 'application/x-www-form-urlencoded');
    const part = (name: string, value: string): string =>
      `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
    const multipart = await post(
      url,
      `${part('CONNECTOR', CONNECTOR)}${part('LINE', '1')}${part('access_token', token)}--b--\r\n`,
      'multipart/form-data; boundary=b',
    );
    const merged = await post(`${url}?CONNECTOR=other&LINE=1&auth=${token}`, JSON.stringify({ CONNECTOR }));
    expect([form, multipart, merged].map(({ body }) => body.result)).toEqual([expected, expected, expected]);
    expect(portal.ledger().tokensInUrl).toBe(1);
  });

  it('ignores JSON that does not parse instead of complaining', async () => {
    const broken = await post(`${portal.clientEndpoint}imconnector.status?auth=${token}`, '{"CONNECTOR":');
    expect(broken.body).toEqual({
      error: 'ERROR_ARGUMENT',
      error_description: "Argument 'CONNECTOR' is null or empty",
      argument: 'CONNECTOR',
    });
  });

  it('checks the token before the method, the method before the scope', async () => {
    const bare = await post(`${portal.clientEndpoint}no.such.method`, '{}');
    expect(errorOf(bare)).toEqual([401, 'NO_AUTH_FOUND', 'Wrong authorization data']);
    expect(errorOf(await call('profile', {}, 'garbage'))).toEqual([
      401,
      'invalid_token',
      'Unable to get application by token',
    ]);
    for (const method of [
      'imconnector.deactivate',
      'imconnector.send.status.undelivered',
      'imconnector.send.status.typing',
    ]) {
      expect(errorOf(await call(method))).toEqual([404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!']);
    }
    app.scope = ['user'];
    expect((await call('imconnector.status', { CONNECTOR })).body.error).toBe('insufficient_scope');
  });

  it('knows expired tokens, fired users, tokens of another portal and removed applications', async () => {
    const other = await b24.addPortal();
    const foreign = other.issueTokens(
      other.addApp({ ...client, clientId: 'local.x', clientSecret: 's', handlerUrl: listener.origin, kind: 'ui' }),
    );
    expect((await call('profile', {}, foreign.accessToken)).body.error).toBe('invalid_token');
    const clerk = portal.issueTokens(app, 5).accessToken;
    portal.addUser({ id: 5, name: 'Clerk', active: false });
    expect(errorOf(await call('profile', {}, clerk))).toEqual([401, 'authorization_error', 'Unable to authorize user']);
    portal.expireTokens();
    expect((await call('profile')).body.error).toBe('expired_token');
    renewToken();
    portal.uninstall(app, { clean: false });
    expect(errorOf(await call('profile'))).toEqual([401, 'ERROR_OAUTH', 'Application not installed']);
    expect(portal.ledger().callsAfterUninstall).toBe(1);
  });

  it('refuses webhooks for connectors', async () => {
    const webhook = portal.addWebhook(1);
    expect((await post(`${webhook}profile`, '{}')).body.result.ID).toBe('1');
    expect(errorOf(await post(`${webhook}imconnector.list`, '{}')).slice(0, 2)).toEqual([403, 'WRONG_AUTH_TYPE']);
  });

  it('answers 302 without JSON from the old origin after a move', async () => {
    const before = portal.clientEndpoint;
    await portal.rename();
    const answer = await post(`${before}profile`, '{}', 'application/json', { Authorization: `Bearer ${token}` });
    expect(answer).toMatchObject({ status: 302, raw: '' });
    expect(answer.headers['location']).toBe(`${portal.clientEndpoint}profile`);
    expect((await call('profile')).status).toBe(200);
  });
});

describe('batch', () => {
  it('runs commands, hands results on, and shows empty maps as lists', async () => {
    await connect('2');
    const cmd = {
      line: 'imopenlines.config.get?CONFIG_ID=2',
      st: `imconnector.status?CONNECTOR=${CONNECTOR}&LINE=$result[line][ID]`,
    };
    const { status, body } = await call('batch', { halt: 0, cmd });
    expect(status).toBe(200);
    expect(body.result.result.st).toMatchObject({ LINE: 2, STATUS: true });
    expect(body.result).toMatchObject({ result_error: [], result_total: [], result_next: [] });
    expect(Object.keys(body.result.result_time)).toEqual(['line', 'st']);
  });

  it('reports failures per command, stops with halt, refuses nesting and the 51st command', async () => {
    const failing = ['no.such.method', 'profile'];
    const { body } = await call('batch', { halt: 0, cmd: failing });
    expect(body.result.result_error).toEqual([
      { error: 'ERROR_METHOD_NOT_FOUND', error_description: 'Method not found!' },
    ]);
    expect(body.result.result).toMatchObject({ 1: { ID: '1' } });
    expect((await call('batch', { halt: 1, cmd: failing })).body.result.result).toEqual([]);
    const nested = await call('batch', { cmd: { a: 'batch?cmd[x]=profile' } });
    expect(nested.body.result.result_error.a.error).toBe('ERROR_BATCH_METHOD_NOT_ALLOWED');
    const long = await call('batch', { cmd: Array.from({ length: 52 }, () => 'profile') });
    expect(long.body.result.result).toHaveLength(50);
    expect(Object.keys(long.body.result.result_error)).toEqual(['50', '51']);
    expect(long.body.result.result_error['51'].error).toBe('ERROR_BATCH_LENGTH_EXCEEDED');
  });

  it('shows a failed registration as a result and as an error', async () => {
    const { body } = await call('batch', { cmd: { reg: 'imconnector.register?ID=a.b' } });
    expect(body.result.result.reg).toBe(false);
    expect(body.result.result_error.reg).toMatchObject({
      result: false,
      error: 'APPLICATION_REGISTRATION_ERROR_POINT',
    });
  });
});

describe('limits', () => {
  beforeEach(async () => {
    await stop();
    await start({ limits: { operatingSeconds: 10 } });
    // Only `advance` moves the clock: a slow machine must not let the bucket leak meanwhile.
    vi.useFakeTimers({ toFake: ['Date'] });
  });

  afterEach(() => vi.useRealTimers());

  it('holds 50 requests per source IP and lets two out per second; a batch is one of them', async () => {
    const fifty = await Promise.all(Array.from({ length: 50 }, () => call('batch', { cmd: ['profile', 'profile'] })));
    expect(fifty.every(({ status }) => status === 200)).toBe(true);
    expect(errorOf(await call('profile'))).toEqual([503, 'QUERY_LIMIT_EXCEEDED', 'Too many requests']);
    b24.clock.advance(1000);
    expect([await call('profile'), await call('profile'), await call('profile')].map(({ status }) => status)).toEqual([
      200, 200, 503,
    ]);
    expect(portal.ledger().rejectedByBucket).toBe(2);
  });

  it('blocks one method after its execution time is used up, until the oldest minute is ten minutes old', async () => {
    portal.executionSeconds = (method) => (method === 'profile' ? 6 : 0.05);
    const first = await call('profile');
    expect(first.body.time.operating).toBeGreaterThanOrEqual(6);
    expect(first.body.time.operating_reset_at - first.body.time.start).toBeGreaterThanOrEqual(599);
    await call('profile');
    expect(errorOf(await call('profile'))).toEqual([
      429,
      'OPERATION_TIME_LIMIT',
      'Method is blocked due to operation time limit.',
    ]);
    const batch = await call('batch', { cmd: { blocked: 'profile', free: 'app.info' } });
    expect(batch.body.result.result_error.blocked.error).toBe('OPERATION_TIME_LIMIT');
    expect(batch.body.result.result.free.CODE).toBe('local.abc');
    expect(batch.body.result.result_time.free.operating).toBe(0);
    b24.clock.advance(600_001);
    expect((await call('profile')).status).toBe(200);
  });
});

describe('imconnector', () => {
  it('fails to register with HTTP 200, a top-level error and no time', async () => {
    const { status, body } = await call('imconnector.register', { ID: '' });
    expect(status).toBe(200);
    expect(body).toEqual({
      result: false,
      error: 'CONNECTOR_ID_REQUIRED',
      error_description: 'The connector ID is not specified',
    });
    expect((await call('imconnector.register', { ID: 'x', NAME: 'X' })).body.error).toBe('ICON_REQUIRED');
  });

  it('gives a connector to whoever registers its id last', async () => {
    await connect();
    await bind('OnImConnectorMessageAdd');
    await send(element('tg:777:1', 'hello'));
    const thief = portal.addApp({
      clientId: 'local.thief',
      clientSecret: 's',
      handlerUrl: listener.origin,
      kind: 'api',
    });
    const registration = {
      ID: CONNECTOR.toUpperCase(),
      NAME: 'T',
      ICON: { DATA_IMAGE: 'x' },
      PLACEMENT_HANDLER: listener.origin,
    };
    expect(
      (await call('imconnector.register', registration, portal.issueTokens(thief).accessToken)).body.result,
    ).toEqual({ result: true });
    portal.operator(OPERATOR).sends('tg:777', 'anybody there?');
    await portal.events.idle();
    expect(events('ONIMCONNECTORMESSAGEADD')).toEqual([]);
  });

  it('takes the lines away from a connector whoever unregisters it, the row only from its owner', async () => {
    await connect();
    const stranger = portal.addApp({
      clientId: 'local.stranger',
      clientSecret: 's',
      handlerUrl: listener.origin,
      kind: 'api',
    });
    const { body } = await call('imconnector.unregister', { ID: CONNECTOR }, portal.issueTokens(stranger).accessToken);
    expect(body.error).toBe('APPLICATION_UNREGISTRATION_ERROR');
    expect((await send(element('1', 'x'))).body.error).toBe('NOT_ACTIVE_LINE');
    expect((await call('imconnector.unregister', { ID: CONNECTOR })).body.result).toEqual({ result: true });
    expect((await send(element('1', 'x'))).body.error).toBe('IMCONNECTOR_NO_CORRECT_PROVIDER');
  });

  it('keeps data.set as a merge of non-empty fields that activates nothing', async () => {
    const set = (DATA: Params): Promise<Answer> => call('imconnector.connector.data.set', { CONNECTOR, LINE: 1, DATA });
    expect((await set({ NAME: '@mybot' })).body.result).toBe(true);
    expect((await call('imconnector.status', { CONNECTOR, LINE: 1 })).body.result.STATUS).toBe(false);
    await connect();
    await set({ NAME: '@mybot', URL: 'https://t.me/mybot' });
    await set({ NAME: '', URL: 'https://t.me/other' });
    expect(portal.lines.status(CONNECTOR, '1')?.data).toEqual({ NAME: '@mybot', URL: 'https://t.me/other' });
  });

  it('deactivates on PHP-empty values only', async () => {
    const isActive = async (active: unknown): Promise<boolean> => {
      await call('imconnector.activate', { CONNECTOR, LINE: 1, ACTIVE: active });
      return (await call('imconnector.status', { CONNECTOR, LINE: 1 })).body.result.STATUS;
    };
    for (const value of [1, 'Y', 'N', 'false', true]) expect(await isActive(value)).toBe(true);
    for (const value of [0, '0', false, '']) {
      await isActive(1);
      expect(await isActive(value)).toBe(false);
    }
    expect((await call('imconnector.activate', { CONNECTOR, LINE: 1, ACTIVE: null })).body).toMatchObject({
      argument: 'ACTIVE',
    });
  });

  it('lands a client message and names user, session and chat as strings', async () => {
    await connect();
    const { body } = await send(element('tg:777:1', 'Hello [b]there[/b]'));
    const [result] = body.result.DATA.RESULT;
    const chat = portal.dialog('tg:777').chat;
    expect(result).toEqual({
      user: String(chat?.clientId),
      message: { id: 'tg:777:1', date: {}, text: 'Hello [b]there[/b]' },
      chat: { id: 'tg:777' },
      SUCCESS: true,
      session: { ID: String(chat?.sessions[0]?.id), CHAT_ID: String(chat?.id) },
    });
    expect(chat?.userCode).toBe(`${CONNECTOR}|1|tg:777|${chat?.clientId}`);
    expect(chat?.title).toBe('Ivan Petrov - Sales');
  });

  it('keeps the order of arrival and every repetition, and the ledger sees both', async () => {
    await connect();
    await send(element('tg:777:2', 'two'), element('tg:777:1', 'one'), element('tg:777:2', 'two'));
    const messages = await portal.dialog('tg:777').receives(3);
    expect(messages.map(({ text }) => text)).toEqual(['two', 'one', 'two']);
    expect(portal.ledger().dialogs[0]).toMatchObject({
      received: 3,
      distinct: 2,
      duplicates: ['tg:777:2'],
      reordered: ['tg:777:1'],
      sessions: 1,
    });
  });

  it('refuses whole calls with the documented codes', async () => {
    await connect();
    const whole = (params: Params): Promise<Answer> =>
      call('imconnector.send.messages', { CONNECTOR, LINE: '1', MESSAGES: [element('1', 'x')], ...params });
    expect((await whole({ LINE: '' })).body).toMatchObject({ error: 'ERROR_ARGUMENT', argument: 'LINE' });
    expect((await whole({ MESSAGES: 'text' })).body.error_description).toBe(
      "The value of an argument 'MESSAGES' must be of type array",
    );
    expect((await whole({ MESSAGES: element('1', 'x') })).body.error_description).toContain(
      'must be an array of messages',
    );
    expect((await whole({ MESSAGES: [{ user: {}, message: {} }] })).body.error_description).toContain(
      'incorrect structure',
    );
    expect(errorOf(await whole({ CONNECTOR: 'unknown' })).slice(0, 2)).toEqual([
      400,
      'IMCONNECTOR_NO_CORRECT_PROVIDER',
    ]);
    expect(errorOf(await whole({ LINE: '2' })).slice(0, 2)).toEqual([400, 'NOT_ACTIVE_LINE']);
    await call('imconnector.set.error', { CONNECTOR, LINE: 1 });
    expect((await whole({})).body.error).toBe('NOT_ACTIVE_LINE');
  });

  it('fails single elements inside a success', async () => {
    await connect();
    const { status, body } = await send(element('1', ''), element('2', '0'), {
      ...element('3', 'x'),
      user: { id: 'new', email: 'nonsense' },
    });
    expect([status, body.result.SUCCESS]).toEqual([200, true]);
    const [empty, zero, email] = body.result.DATA.RESULT;
    expect(empty).toEqual({ SUCCESS: false, ERRORS: ['Incomplete data'] });
    expect(zero.SUCCESS).toBe(true);
    expect(email.ERRORS).toContain('Cannot create or get user mapped to external messenger user.');
  });

  it('cuts texts at 20000 characters and external ids at 100', async () => {
    await connect();
    await send(element('i'.repeat(120), 'я'.repeat(20_001)));
    const [message] = await portal.dialog('tg:777').receives(1);
    expect(message?.text).toBe(`${'я'.repeat(20_000)} (...)`);
    expect(message?.externalIds).toEqual([`${'i'.repeat(97)}...`]);
  });

  it('makes a new user for every message without user id', async () => {
    await connect();
    await send({ ...element('1', 'a'), user: { id: '' } }, { ...element('2', 'b'), user: { id: '' } });
    expect(portal.dialogs).toHaveLength(2);
  });

  it('shows user_id 0 as a system line without echo, an employee as an operator with echo', async () => {
    await connect();
    await bind('OnImConnectorMessageAdd');
    await send(element('1', 'hi'), element('2', 'not delivered', { user_id: 0 }));
    await portal.events.idle();
    expect(portal.dialog('tg:777').messages.at(-1)).toMatchObject({ author: 'system', sending: false });
    expect(events('ONIMCONNECTORMESSAGEADD')).toEqual([]);
    await send(element('3', 'from my phone', { user_id: 5 }));
    await portal.events.idle();
    expect(events('ONIMCONNECTORMESSAGEADD')).toHaveLength(1);
  });

  it('takes the first delivery report and ignores the next', async () => {
    await connect();
    await send(element('1', 'hi'));
    const message = portal.operator(OPERATOR).sends('tg:777', 'Good afternoon!');
    expect(portal.ledger().clocksLeft).toEqual([message.id]);
    const report = (ids: unknown): Promise<Answer> =>
      call('imconnector.send.status.delivery', {
        CONNECTOR,
        LINE: 1,
        MESSAGES: [
          {
            im: { chat_id: message.chatId, message_id: String(message.id) },
            message: { id: ids },
            chat: { id: 'tg:777' },
          },
        ],
      });
    expect((await report(['tg:777:9', 'tg:777:10'])).body.result).toEqual({ SUCCESS: true, DATA: [] });
    expect((await report(['tg:777:11'])).body.result).toEqual({ SUCCESS: true, DATA: [] });
    expect(message).toMatchObject({ sending: false, readByClient: true, externalIds: ['tg:777:9', 'tg:777:10'] });
    expect(portal.ledger()).toMatchObject({
      clocksLeft: [],
      deliveryReports: [{ accepted: true, asArray: true }, { accepted: false }],
    });
  });

  it('takes "1" and "0" as a rating while it waits for one', async () => {
    await connect();
    await send(element('1', 'hi'));
    portal.dialog('tg:777').askVote();
    const { body } = await send(element('2', '1'));
    expect(body.result.DATA.RESULT[0]).toMatchObject({ SUCCESS: true });
    expect(body.result.DATA.RESULT[0]).not.toHaveProperty('session');
    expect(portal.dialog('tg:777').session?.vote).toBe('like');
  });

  it('renames chats, fails on unknown dialogs and is silent about unknown users', async () => {
    await connect();
    await send(element('1', 'hi'));
    const rename = (params: Params): Promise<Answer> =>
      call('imconnector.chat.name.set', { CONNECTOR, LINE: 1, NAME: 'Ivan (VIP)', ...params });
    expect((await rename({ CHAT_ID: 'tg:777', USER_ID: 'tg:777' })).body.result).toEqual({
      SUCCESS: true,
      DATA: { RESULT: {} },
    });
    expect(portal.dialog('tg:777').chat?.title).toBe('Ivan (VIP)');
    expect((await rename({ CHAT_ID: 'nobody', USER_ID: 'nobody' })).status).toBe(200);
    expect((await rename({ CHAT_ID: 'nobody', USER_ID: 'tg:777' })).body.error).toBe('CHAT_RENAMING_FAILED');
  });

  it('lists connectors for administrators only', async () => {
    await connect();
    expect((await call('imconnector.list')).body.result[CONNECTOR]).toBe('Telegram');
    const clerk = await call('imconnector.list', {}, portal.issueTokens(app, 5).accessToken);
    expect(errorOf(clerk)).toEqual([400, 'ACCESS_DENIED', 'You dont have access to this action']);
  });

  it('makes the second of two parallel sends of a dialog wait', async () => {
    b24.latencyMs = 50;
    await connect();
    await send(element('1', 'first'));
    const began = Date.now();
    await Promise.all([send(element('2', 'second')), send(element('3', 'third'))]);
    expect(Date.now() - began).toBeGreaterThan(1000);
    expect(portal.ledger().lockContentions).toBe(1);
  });
});

describe('reading back', () => {
  it('finds a message by external id in the history of its session', async () => {
    await connect();
    const { body } = await send(element('tg:777:1', 'hi'));
    const { ID } = body.result.DATA.RESULT[0].session;
    const history = (await call('imopenlines.session.history.get', { SESSION_ID: ID })).body.result;
    expect(Object.values(history.message)).toMatchObject([{ text: 'hi', params: { connectorMid: ['tg:777:1'] } }]);
    const userCode = history.chat[history.chatId].entityId;
    const dialog = (await call('imopenlines.dialog.get', { USER_CODE: userCode })).body.result;
    expect(dialog.entity_data_1.split('|')[5]).toBe(ID);
  });

  it('tells in the history what waits for delivery, what was delivered and what is a whisper', async () => {
    await connect();
    await send(element('1', 'hi'));
    const operator = portal.operator(OPERATOR);
    const delivered = operator.sends('tg:777', 'delivered');
    await call('imconnector.send.status.delivery', {
      CONNECTOR,
      LINE: 1,
      MESSAGES: [{ im: { message_id: delivered.id }, message: { id: ['9'] } }],
    });
    operator.sends('tg:777', 'waits');
    operator.whispers('tg:777', 'psst');
    const history = await call('imopenlines.session.history.get', { SESSION_ID: portal.dialog('tg:777').session?.id });
    expect(Object.values(history.body.result.message).slice(1)).toMatchObject([
      { senderid: '27', text: 'delivered', params: { connectorMid: ['9'] } },
      { senderid: '27', text: 'waits', params: { sending: 'Y', sendingTs: expect.any(Number) } },
      { senderid: '27', text: 'psst', params: { class: 'bx-messenger-content-item-system' } },
    ]);
  });

  it('keeps events for offline handlers until they are read once', async () => {
    await connect();
    await call('event.bind', { event: 'OnImConnectorMessageAdd', event_type: 'offline' });
    await send(element('1', 'hi'));
    portal.operator(OPERATOR).sends('tg:777', 'Hello');
    const read = async (): Promise<unknown> => (await call('event.offline.get')).body.result.events;
    expect(await read()).toMatchObject([
      { EVENT_NAME: 'ONIMCONNECTORMESSAGEADD', EVENT_DATA: { MESSAGES: [{ message: { text: 'Hello' } }] } },
    ]);
    expect(await read()).toEqual([]);
    expect(received).toEqual([]);
  });

  it('writes texts as BBCode and as HTML, and links of files that only people who are signed in can follow', async () => {
    await connect();
    await send(element('1', 'hi'));
    const files = [{ name: 'a.pdf', mime: 'application/pdf', content: 'PDF' }];
    portal.operator(OPERATOR).sends('tg:777', { text: '[b]A[/b] & b', files });
    const { result } = (await call('imopenlines.session.history.get', { CHAT_ID: portal.dialog('tg:777').chat?.id }))
      .body;
    const [, said] = Object.values<{ params: { fileId: number[] } }>(result.message);
    expect(said).toMatchObject({ text: '[b]A[/b] & b', textlegacy: '<b>A</b> &amp; b' });
    const page = await fetch(result.files[said!.params.fileId[0]!].urldownload);
    expect(page.headers.get('content-type')).toBe('text/html');
    expect((await call('disk.file.get', { id: said!.params.fileId[0] })).body.error).toBe('insufficient_scope');
    app.scope.push('disk');
    const file = (await call('disk.file.get', { id: said!.params.fileId[0] })).body.result;
    expect(await (await fetch(file.DOWNLOAD_URL)).text()).toBe('PDF');
  });

  it('shows messages of a chat to its members, and to those who may join it', async () => {
    await connect();
    await send(element('1', 'hi'));
    const chatId = portal.dialog('tg:777').chat?.id;
    const read = (as?: string): Promise<Answer> => call('im.dialog.messages.get', { DIALOG_ID: `chat${chatId}` }, as);
    const clerk = portal.issueTokens(app, 5).accessToken;
    expect(errorOf(await read(clerk)).slice(0, 2)).toEqual([403, 'ACCESS_ERROR']);
    const history = await call('imopenlines.session.history.get', { CHAT_ID: chatId }, clerk);
    expect(history.body.error).toBe('ACCESS_DENIED');
    portal.chat('tg:777').members.add(5);
    const messages = [{ text: 'hi', params: { CONNECTOR_MID: ['1'] } }];
    expect((await read(clerk)).body.result.messages).toMatchObject(messages);
    expect((await read()).body.result.messages).toMatchObject(messages);
    portal.lines.lines.get('1')!.joinable = false;
    expect(errorOf(await read()).slice(0, 2)).toEqual([403, 'ACCESS_ERROR']);
  });

  it('lists lines', async () => {
    const { body } = await call('imopenlines.config.list.get', {
      PARAMS: { select: ['ID', 'LINE_NAME'], filter: { ACTIVE: 'Y' } },
    });
    expect(body.result).toEqual([
      { ID: '1', LINE_NAME: 'Sales' },
      { ID: '2', LINE_NAME: 'Support' },
    ]);
    expect((await call('imopenlines.config.get', { CONFIG_ID: 99 })).body.result).toBe(false);
  });
});

describe('event handlers', () => {
  it('binds once, shows and unbinds', async () => {
    expect((await bind('onImConnectorMessageAdd')).body.result).toBe(true);
    expect(errorOf(await bind('ONIMCONNECTORMESSAGEADD'))).toEqual([
      400,
      'ERROR_CORE',
      'Unable to set event handler: Handler already binded',
    ]);
    const handler = `${listener.origin}/handler?secret=s`;
    expect((await call('event.get')).body.result).toEqual([
      { event: 'ONIMCONNECTORMESSAGEADD', handler, auth_type: '0', offline: 0 },
    ]);
    expect((await call('event.unbind', { event: 'OnImConnectorMessageAdd', handler })).body.result).toEqual({
      count: 1,
    });
    expect((await call('event.unbind', { event: 'OnImConnectorMessageAdd', handler })).body.result).toEqual({
      count: 0,
    });
  });

  it('binds in the name of the caller unless an administrator calls', async () => {
    const clerk = portal.issueTokens(app, 5).accessToken;
    const handler = `${listener.origin}/clerk`;
    expect((await call('event.bind', { event: 'OnAppTest', handler, auth_type: 1 }, clerk)).body.error).toBe(
      'ACCESS_DENIED',
    );
    await call('event.bind', { event: 'OnAppTest', handler }, clerk);
    expect((await call('event.get')).body.result).toMatchObject([{ handler, auth_type: '5' }]);
    app.installed = true;
    await call('event.test', { any: 'thing' });
    await portal.events.idle();
    expect(events('ONAPPTEST')).toMatchObject([{ data: { QUERY: { ANY: 'thing' } }, auth: { user_id: '5' } }]);
  });

  it('refuses unknown events, hosts without a dot and other schemes', async () => {
    const tryBind = async (event: string, handler: string): Promise<unknown> =>
      (await call('event.bind', { event, handler })).body.error;
    expect(await tryBind('OnNothing', listener.origin)).toBe('ERROR_EVENT_NOT_FOUND');
    expect(await tryBind('OnImConnectorMessageAdd', 'http://localhost:8000/h')).toBe('ERROR_WRONG_HANDLER_URL');
    expect(await tryBind('OnImConnectorMessageAdd', 'ftp://a.example/h')).toBe('ERROR_UNSUPPORTED_PROTOCOL');
    expect(await tryBind('OnImConnectorMessageAdd', '')).toBe('ERROR_ARGUMENT');
  });
});

describe('events', () => {
  beforeEach(async () => {
    await connect();
    for (const name of ['MessageAdd', 'MessageUpdate', 'MessageDelete', 'StatusDelete', 'LineDelete'])
      await bind(`OnImConnector${name}`);
    await send(element('tg:777:1', 'hi'));
  });

  it('posts an operator message as a form, with a fresh token of the operator and no refresh token', async () => {
    const message = portal.operator(OPERATOR).sends('tg:777', 'Добрый день! 1+1~2 (ok)');
    await portal.events.idle();
    const { exchange, form } = lastReceived();
    expect(exchange.headers['content-type']).toContain('application/x-www-form-urlencoded');
    expect(exchange.body.toString()).toContain('data%5BMESSAGES%5D%5B0%5D%5Bim%5D%5Bchat_id%5D=');
    expect(exchange.body.toString()).toContain('+1%2B1%7E2+%28ok%29');
    expect(exchange.search).toBe('secret=s');
    expect(form).toMatchObject({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: {
        CONNECTOR,
        LINE: '1',
        MESSAGES: [
          {
            im: { chat_id: String(message.chatId), message_id: String(message.id) },
            message: { user_id: '27', text: 'Добрый день! 1+1~2 (ok)' },
            chat: { id: 'tg:777' },
          },
        ],
      },
      auth: {
        member_id: portal.memberId,
        domain: portal.domain,
        application_token: app.applicationToken,
        user_id: '27',
        expires_in: '3600',
      },
    });
    const auth = form['auth'] as Record<string, string>;
    expect(auth).not.toHaveProperty('refresh_token');
    // The empty list of files has vanished.
    expect((form as { data: { MESSAGES: Array<{ message: object }> } }).data.MESSAGES[0]?.message).not.toHaveProperty(
      'files',
    );
    expect((await call('profile', {}, auth['access_token'])).body.result.ID).toBe('27');
    expect(portal.ledger().eventTokensUsed).toBe(1);
  });

  it('puts the operator name before the text unless the connector declined', async () => {
    await connect('1', { NEED_SIGNATURE: true });
    const textOf = async (style: 'new' | 'old'): Promise<unknown> => {
      portal.events.format.prefixStyle = style;
      portal.operator(OPERATOR).sends('tg:777', 'Hello');
      await portal.events.idle();
      return (events('ONIMCONNECTORMESSAGEADD').at(-1) as { data: { MESSAGES: Array<{ message: { text: string } }> } })
        .data.MESSAGES[0]?.message.text;
    };
    expect(await textOf('new')).toBe('[b]Samantha Johnson:[/b] [br]Hello');
    expect(await textOf('old')).toBe('[b]Samantha Johnson:[/b][br] Hello');
  });

  it('keeps whispers inside, and sends automatic texts with user_id 0 and without tokens', async () => {
    portal.operator(OPERATOR).whispers('tg:777', 'he is rude');
    portal.systemText('tg:777', 'We are closed.');
    await portal.events.idle();
    const [only, ...rest] = events('ONIMCONNECTORMESSAGEADD') as Array<{
      data: { MESSAGES: Array<{ message: Params }> };
      auth: Params;
    }>;
    expect(rest).toEqual([]);
    expect(only?.data.MESSAGES[0]?.message).toMatchObject({ user_id: '0', text: 'We are closed.' });
    expect(only?.auth).not.toHaveProperty('access_token');
    expect(only?.auth).toHaveProperty('application_token', app.applicationToken);
  });

  it('sends StatusDelete with lower-case keys and LineDelete as a bare number', async () => {
    portal.deleteLine('1');
    await portal.events.idle();
    expect(events('ONIMCONNECTORSTATUSDELETE')).toMatchObject([{ data: { connector: CONNECTOR, line: '1' } }]);
    expect(events('ONIMCONNECTORLINEDELETE')).toMatchObject([{ data: '1' }]);
  });

  it('announces the beginning and the end of a session', async () => {
    await bind('OnImConnectorDialogStart');
    await bind('OnImConnectorDialogFinish');
    portal.dialog('tg:777').closeSession();
    const [result] = (await send(element('tg:777:2', 'again'))).body.result.DATA.RESULT;
    await portal.events.idle();
    expect(events('ONIMCONNECTORDIALOGFINISH')).toMatchObject([
      { data: { CONNECTOR, LINE: '1', DATA: [{ session: { closed: 'Y' } }] } },
    ]);
    expect(events('ONIMCONNECTORDIALOGSTART')).toMatchObject([
      { data: { DATA: [{ session: { id: result.session.ID }, chat: { id: 'tg:777' } }] } },
    ]);
  });

  it('does not let an operator write into a channel that is not configured', async () => {
    portal.disableConnector(CONNECTOR, '1');
    expect(() => portal.operator(OPERATOR).sends('tg:777', 'hello?')).toThrow(
      'communication channel is not configured',
    );
  });

  it('sends nothing until the application is installed', async () => {
    app.installed = false;
    portal.operator(OPERATOR).sends('tg:777', 'Hello');
    await portal.events.idle();
    expect(events('ONIMCONNECTORMESSAGEADD')).toEqual([]);
  });

  it('sends one POST per handler row and none again after a failure', async () => {
    await bind('OnImConnectorMessageAdd', '/second');
    page.status = 503;
    portal.operator(OPERATOR).sends('tg:777', 'Hello');
    await portal.events.idle();
    expect(events('ONIMCONNECTORMESSAGEADD')).toHaveLength(2);
    expect(portal.ledger().eventsLost).toBe(2);
    expect(portal.events.journal.map(({ outcome, status }) => [outcome, status])).toEqual([
      ['lost', 503],
      ['lost', 503],
    ]);
  });

  it('sends the welcome text of a new session on its own', async () => {
    const line = portal.lines.lines.get('1');
    if (line !== undefined) line.welcomeText = 'Welcome!';
    await send({ ...element('tg:9:1', 'hi'), user: { id: 'tg:9' }, chat: { id: 'tg:9' } });
    await portal.events.idle();
    expect(events('ONIMCONNECTORMESSAGEADD')).toMatchObject([
      { data: { MESSAGES: [{ message: { user_id: '0', text: 'Welcome!' }, chat: { id: 'tg:9' } }] } },
    ]);
  });

  it('loses, doubles, swaps and forges on demand', async () => {
    const operator = portal.operator(OPERATOR);
    const texts = (): unknown[] =>
      (events('ONIMCONNECTORMESSAGEADD') as Array<{ data: { MESSAGES: Array<{ message: { text: string } }> } }>).map(
        ({ data }) => data.MESSAGES[0]?.message.text,
      );
    portal.events.loseNext();
    operator.sends('tg:777', 'lost');
    await portal.events.idle();
    portal.events.duplicateNext();
    operator.sends('tg:777', 'twice');
    await portal.events.idle();
    portal.events.reorderNext();
    operator.sends('tg:777', 'late');
    operator.sends('tg:777', 'early');
    await portal.events.idle();
    expect(texts()).toEqual(['twice', 'twice', 'early', 'late']);
    portal.events.wrongApplicationToken = true;
    portal.events.foreignMemberId = 'stranger';
    portal.events.extraFields = { future: { list: ['x'] } };
    operator.sends('tg:777', 'forged');
    await portal.events.idle();
    expect(received.at(-1)?.form).toMatchObject({
      auth: { application_token: '0'.repeat(32), member_id: 'stranger' },
      future: { list: ['x'] },
    });
  });

  it('stops a chain of events after seven calls with tokens that came with events', async () => {
    portal.operator({ ...OPERATOR });
    portal.chat('tg:777').members.add(27);
    portal.operator(OPERATOR).sends('tg:777', 'echo 0');
    await portal.events.idle();
    for (let round = 1; round <= 10; round += 1) {
      const { auth } = lastReceived().form as { auth: Record<string, string> };
      await call(
        'im.message.add',
        { DIALOG_ID: `chat${portal.chat('tg:777').id}`, MESSAGE: `echo ${round}` },
        auth['access_token'],
      );
      await portal.events.idle();
    }
    expect(events('ONIMCONNECTORMESSAGEADD')).toHaveLength(8);
  });
});

describe('installation', () => {
  it('posts the frame form with tokens that work, and finishes only when the page says so', async () => {
    await bind('OnAppInstall', '/installed');
    const frame = await portal.openInstallFrame(app, { lang: 'ru' });
    const { exchange, form, path } = lastReceived();
    expect(path).toBe('/install');
    expect(parseForm(exchange.search)).toMatchObject({ DOMAIN: portal.domain, PROTOCOL: '0', LANG: 'ru' });
    expect(form).toMatchObject({
      member_id: portal.memberId,
      APPLICATION_TOKEN: app.applicationToken,
      PLACEMENT: 'DEFAULT',
      status: 'L',
    });
    expect((await call('app.info', {}, form['AUTH_ID'] as string)).body.result.INSTALLED).toBe(false);
    await frame.runInstallFinish();
    await portal.events.idle();
    expect((await call('app.info')).body.result).toMatchObject({ INSTALLED: true, CODE: 'local.abc' });
    const [event] = events('ONAPPINSTALL') as Array<{ auth: Record<string, string> }>;
    expect(
      (await oauth({ grant_type: 'refresh_token', ...client, refresh_token: event?.auth['refresh_token'] ?? '' }))
        .status,
    ).toBe(200);
  });

  it('does not finish from a page that forgets installFinish or forbids frames', async () => {
    page.html = '<p>Done!</p>';
    await expect((await portal.openInstallFrame(app)).runInstallFinish()).rejects.toThrow(
      'never calls BX24.installFinish',
    );
    page.html = '<script>BX24.installFinish()</script>';
    page.headers = { 'Content-Security-Policy': "default-src 'self'; frame-ancestors 'self'" };
    await expect((await portal.openInstallFrame(app)).runInstallFinish()).rejects.toThrow('frame');
    page.headers = { 'Content-Security-Policy': `frame-ancestors ${portal.url}` };
    await (await portal.openInstallFrame(app)).runInstallFinish();
    expect(app.installed).toBe(true);
  });

  it('opens the settings of a line with SETTING_CONNECTOR', async () => {
    await connect();
    await portal.openSettingsFrame(app, { connector: CONNECTOR, line: '2', user: 5 });
    const { path, form } = lastReceived();
    expect([path, form['PLACEMENT']]).toEqual(['/settings', 'SETTING_CONNECTOR']);
    expect(JSON.parse(form['PLACEMENT_OPTIONS'] as string)).toMatchObject({
      CONNECTOR,
      LINE: '2',
      STATUS: false,
      ACTIVE_STATUS: true,
    });
    expect((await call('profile', {}, form['AUTH_ID'] as string)).body.result).toMatchObject({ ID: '5', ADMIN: false });
  });

  it('tells an application without UI by ONAPPINSTALL', async () => {
    const api = portal.addApp({
      clientId: 'local.api',
      clientSecret: 's',
      handlerUrl: `${listener.origin}/api`,
      kind: 'api',
    });
    expect(await portal.sendAppInstallEvent(api)).toMatchObject({ outcome: 'delivered', status: 200 });
    expect(received.at(-1)).toMatchObject({
      path: '/api',
      form: { event: 'ONAPPINSTALL', data: { INSTALLED: 'Y' }, auth: { application_token: api.applicationToken } },
    });
    expect((lastReceived().form['auth'] as Params)['refresh_token']).toBeTypeOf('string');
  });

  it('says goodbye without tokens and forgets handlers and connectors', async () => {
    await connect();
    await bind('OnAppUninstall');
    portal.uninstall(app, { clean: true });
    await portal.events.idle();
    const [event] = events('ONAPPUNINSTALL') as Array<{ auth: Params }>;
    expect(event).toMatchObject({
      data: { CLEAN: '1' },
      auth: { member_id: portal.memberId, application_token: app.applicationToken },
    });
    expect(event?.auth).not.toHaveProperty('access_token');
    expect([portal.handlers, portal.lines.connectors.size, portal.lines.statuses.size]).toEqual([[], 0, 0]);
  });

  it('begins anew after an uninstallation: other application_token, old tokens void', async () => {
    const before = app.applicationToken;
    portal.uninstall(app, { clean: false });
    const frame = await portal.openInstallFrame(app);
    expect(lastReceived().form['APPLICATION_TOKEN']).not.toBe(before);
    await frame.runInstallFinish();
    expect((await call('profile')).body.error).toBe('invalid_token');
    expect((await call('app.info', {}, lastReceived().form['AUTH_ID'] as string)).body.result.INSTALLED).toBe(true);
  });
});

describe('a page inside the portal', () => {
  /** Runs the portal's page and lets a page of the application talk to it, without a browser. */
  async function openPage(settings: Params): Promise<{ child: Record<string, unknown>; visited: { href: string } }> {
    const control = `${b24.controlUrl}/portals/${portal.memberId}/frames`;
    const { url } = (await post(control, JSON.stringify({ clientId: app.clientId, ...settings }))).body;
    const { body } = await sendRequest(url);
    const listeners = new Map<object, (event: unknown) => void>();
    const listenTo = (owner: object) => (_type: string, listener: (event: unknown) => void) =>
      void listeners.set(owner, listener);
    const deliver = (to: object, event: Params): void => queueMicrotask(() => listeners.get(to)?.(event));
    const visited = { href: '' };
    const hostWindow: Record<string, unknown> = {};
    const child: Record<string, unknown> = { name: /<iframe id="app" name="([^"]+)"/.exec(body)?.[1] };
    const source = { postMessage: (data: string) => deliver(child, { data, origin: portal.url }) };
    child['addEventListener'] = listenTo(child);
    child['removeEventListener'] = () => listeners.delete(child);
    child['parent'] = {
      postMessage: (data: string) => deliver(hostWindow, { data, origin: new URL(app.handlerUrl).origin, source }),
    };
    const script = /<script>([^]*)<\/script>/.exec(body)?.[1] ?? '';
    runInNewContext(script, {
      window: Object.assign(hostWindow, { addEventListener: listenTo(hostWindow) }),
      document: { getElementById: () => ({ submit: () => undefined, style: {} }) },
      location: visited,
      setTimeout,
      fetch: (path: string, init: RequestInit) => fetch(`${portal.url}${path}`, init),
    });
    return { child, visited };
  }

  it('serves the BX24 library, which reads the placement and finishes the installation', async () => {
    const { child, visited } = await openPage({ page: 'install', lang: 'ru' });
    runInNewContext((await sendRequest(`${portal.url}/api/v1/`)).body, {
      window: child,
      parent: child['parent'],
      fetch,
    });
    const BX24 = child['BX24'] as {
      init(done: () => void): void;
      installFinish(): void;
      getLang(): string;
      getAuth(): Record<string, string>;
    };
    await new Promise<void>((resolve) => BX24.init(resolve));
    expect(BX24.getLang()).toBe('ru');
    expect((await call('profile', {}, BX24.getAuth()['access_token'])).body.result.ADMIN).toBe(true);
    BX24.installFinish();
    await expect.poll(() => visited.href).toContain(`${portal.url}/frames/`);
    expect(app.installed).toBe(true);
  });

  it('speaks the protocol of the official SDK', async () => {
    await connect();
    const { child } = await openPage({ page: 'settings', connector: CONNECTOR, line: '1' });
    vi.stubGlobal('window', child);
    vi.stubGlobal('parent', child['parent']);
    try {
      const frame = await initializeB24Frame();
      expect(frame.placement.options).toMatchObject({ CONNECTOR, LINE: '1', STATUS: true });
      const status = await frame.actions.v2.call.make<{ STATUS: boolean }>({
        method: 'imconnector.status',
        params: { CONNECTOR, LINE: 1 },
      });
      expect(status.getData()?.result.STATUS).toBe(true);
      portal.expireTokens();
      expect((await frame.actions.v2.call.make<{ ID: string }>({ method: 'profile' })).getData()?.result.ID).toBe('1');
      frame.destroy();
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

describe('faults', () => {
  beforeEach(() => connect());

  it('cuts the connection before or after the call was performed', async () => {
    b24.faults.next('imconnector.send.messages', 'dropBefore');
    await expect(send(element('1', 'never'))).rejects.toThrow();
    expect(portal.dialogs).toHaveLength(0);
    b24.faults.next('imconnector.send.messages', 'dropAfter');
    await expect(send(element('2', 'performed'))).rejects.toThrow();
    expect(portal.dialog('tg:777').messages).toHaveLength(1);
  });

  it('hits the batch that carries the method', async () => {
    b24.faults.next('imconnector.status', { html: 504, performed: true });
    const answer = await call('batch', { cmd: [`imconnector.status?CONNECTOR=${CONNECTOR}`] });
    expect([answer.status, answer.headers['content-type']]).toEqual([504, 'text/html']);
    b24.faults.next('imconnector.status', { status: 503, error: 'QUERY_LIMIT_EXCEEDED' });
    const { status, body } = await call('batch', {
      cmd: { st: `imconnector.status?CONNECTOR=${CONNECTOR}`, me: 'profile' },
    });
    expect([status, body.result.result_error.st.error, body.result.result.me.ID]).toEqual([
      200,
      'QUERY_LIMIT_EXCEEDED',
      '1',
    ]);
  });

  it('fails chosen elements, omits the session, refuses a chosen call', async () => {
    b24.faults.next(
      'imconnector.send.messages',
      { elementError: ['Boom'] },
      1,
      (message) => (message['message'] as Params)['id'] === '2',
    );
    b24.faults.next('imconnector.send.messages', 'omitSession');
    const { body } = await send(element('1', 'a'), element('2', 'b'));
    expect(body.result.DATA.RESULT[0]).not.toHaveProperty('session');
    expect(body.result.DATA.RESULT[1]).toEqual({ SUCCESS: false, ERRORS: ['Boom'] });
    b24.faults.next('*', { status: 500, error: 'INTERNAL_SERVER_ERROR', description: 'oops' });
    expect(errorOf(await call('profile'))).toEqual([500, 'INTERNAL_SERVER_ERROR', 'oops']);
    expect((await call('profile')).status).toBe(200);
  });

  it('delays an answer, and breaks the OAuth server too', async () => {
    b24.faults.next('profile', { delayMs: 120 });
    const began = Date.now();
    await call('profile');
    expect(Date.now() - began).toBeGreaterThanOrEqual(115);
    b24.faults.next('oauth', { html: 502, performed: false });
    expect((await oauth({ grant_type: 'refresh_token', ...client, refresh_token: 'x' })).status).toBe(502);
  });
});

describe('waiting', () => {
  it('resolves when a message arrives or its clock is cleared, and rejects in time', async () => {
    await connect();
    const dialog = portal.dialog('tg:777');
    await expect(dialog.receives(1, 20)).rejects.toThrow('waited 20 ms for 1 client messages, has 0');
    const arrival = dialog.receives(1);
    await send(element('1', 'hi'));
    expect((await arrival).map(({ text }) => text)).toEqual(['hi']);
    const message = portal.operator(OPERATOR).sends('tg:777', 'hello');
    const delivery = dialog.delivered(message);
    await call('imconnector.send.status.delivery', {
      CONNECTOR,
      LINE: 1,
      MESSAGES: [{ im: { message_id: message.id }, message: { id: ['5'] } }],
    });
    expect((await delivery).externalIds).toEqual(['5']);
  });
});

describe('form encoding', () => {
  it('drops nulls and empty arrays, keeps empty strings, writes booleans as 1 and 0', () => {
    const data = { a: null, b: [], c: '', d: true, e: false, f: { 'x y': ['1&2'] } };
    expect(httpBuildQuery(data)).toBe('c=&d=1&e=0&f%5Bx+y%5D%5B0%5D=1%262');
  });
});

describe('the official SDK (@bitrix24/b24jssdk)', () => {
  it('authenticates, refreshes an expired token, calls methods and a batch', async () => {
    await connect();
    const { accessToken, refreshToken, expires } = portal.issueTokens(app);
    const sdk = new B24OAuth(
      {
        applicationToken: app.applicationToken,
        userId: 1,
        memberId: portal.memberId,
        accessToken,
        refreshToken,
        expires,
        expiresIn: 3600,
        scope: app.scope.join(','),
        domain: portal.domain,
        clientEndpoint: portal.clientEndpoint.replace(/\/$/, ''),
        serverEndpoint: portal.serverEndpoint,
        status: 'L',
      },
      { clientId: 'local.abc', clientSecret: 'secret' },
    );
    sdk.offClientSideWarning();
    try {
      await sdk.initIsAdmin();
      expect(sdk.auth.isAdmin).toBe(true);
      portal.expireTokens();
      const info = await sdk.actions.v2.call.make<{ CODE: string }>({ method: 'app.info' });
      expect(info.getData()?.result.CODE).toBe('local.abc');
      expect(portal.ledger().refreshes['local.abc']).toEqual({ refreshes: 1, concurrent: 0, reused: 0 });
      const status = await sdk.actions.v2.call.make<{ STATUS: boolean }>({
        method: 'imconnector.status',
        params: { CONNECTOR, LINE: 1 },
      });
      expect(status.getData()?.result.STATUS).toBe(true);
      const batch = await sdk.actions.v2.batch.make({
        calls: {
          status: { method: 'imconnector.status', params: { CONNECTOR, LINE: 1 } },
          sent: {
            method: 'imconnector.send.messages',
            params: { CONNECTOR, LINE: 1, MESSAGES: [element('tg:777:1', 'through the SDK & back')] },
          },
        },
        options: { isHaltOnError: true, returnAjaxResult: false },
      });
      expect(batch.isSuccess).toBe(true);
      const [message] = await portal.dialog('tg:777').receives(1);
      expect(message?.text).toBe('through the SDK & back');
      const withFile = await sdk.actions.v2.call.make<{ DATA: { RESULT: Array<{ message: { files: number[] } }> } }>({
        method: 'imconnector.send.messages',
        params: {
          CONNECTOR,
          LINE: 1,
          MESSAGES: [element('tg:777:2', '', { files: [{ url: `${listener.origin}/page`, name: 'page.html' }] })],
        },
      });
      const [, stored] = portal.dialog('tg:777').messages;
      expect(withFile.getData()?.result.DATA.RESULT[0]?.message.files).toEqual([stored?.files[0]?.id]);
      await sdk.actions.v2.call.make({
        method: 'imconnector.update.messages',
        params: { CONNECTOR, LINE: 1, MESSAGES: [element('tg:777:1', 'corrected')] },
      });
      expect(message).toMatchObject({ text: 'corrected', edited: true });
    } finally {
      sdk.destroy();
    }
  });
});
