import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import net, { type AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { Logger } from '@nestjs/common';
import qs from 'qs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import { readEnvironment } from '../../src/config/environment.js';
import { ApplicationsRepository } from '../../src/storage/accounts/applications.repository.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import type { EncryptionService } from '../../src/storage/secrets/encryption.service.js';
import { OauthStatesRepository } from '../../src/storage/accounts/oauth-states.repository.js';
import { PortalsRepository } from '../../src/storage/accounts/portals.repository.js';
import { RestLimitsRepository } from '../../src/storage/work/rest-limits.repository.js';
import { RestRequestsRepository } from '../../src/storage/work/rest-requests.repository.js';
import { TokensRepository } from '../../src/storage/accounts/tokens.repository.js';
import { bitrixConnections } from '../support/bitrix-connections.js';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { ApplicationsService } from '../../src/bitrix/applications.service.js';
import { CertificateAuthorities } from '../../src/bitrix/certificate-authorities.js';
import { OauthClient } from '../../src/bitrix/oauth.client.js';
import { bitrixHttp } from '../../src/bitrix/bitrix-http.js';
import { RateLimiter } from '../../src/bitrix/rate-limiter.js';
import { RestClient } from '../../src/bitrix/rest.client.js';
import { RestRequestLog } from '../../src/bitrix/rest-request-log.js';
import { RestTroubles } from '../../src/bitrix/rest-troubles.js';
import { TokenKeepaliveService } from '../../src/bitrix/token-keepalive.service.js';
import { TokensService } from '../../src/bitrix/tokens.service.js';

/** Not a cipher: shows only that what is stored is bound to its place. */
const encryption = {
  encrypt: (plain: string, at: object) => Buffer.from(JSON.stringify([at, plain])).toString('base64'),
  decrypt: (sealed: string, at: object) => {
    const [place, plain] = JSON.parse(Buffer.from(sealed, 'base64').toString()) as [object, string];
    expect(place).toEqual(at);
    return plain;
  },
} as unknown as EncryptionService;

let database: TestDatabase;
let portalServer: PortalServer;
const opened: DatabaseService[] = [];

beforeAll(async () => {
  Logger.overrideLogger(false);
  database = await createTestDatabase();
  portalServer = await PortalServer.listen();
});

afterEach(async () => {
  await Promise.all(opened.splice(0).map((db) => db.onApplicationShutdown()));
});

afterAll(async () => {
  portalServer?.close();
  await database?.drop();
});

beforeEach(() => portalServer.reset());

function open(max = 12): DatabaseService {
  const db = new DatabaseService(database.url, { max });
  opened.push(db);
  return db;
}

interface Seen {
  path: string;
  authorization: string | undefined;
  body: Record<string, unknown>;
}

type Responder = (seen: Seen, response: ServerResponse, request: IncomingMessage) => unknown;

/** OAuth server and portal in one: it rotates refresh tokens and answers REST calls as the test says. */
class PortalServer {
  rest: Responder = () => ({ result: true });
  oauth: Responder = (seen, response) => this.rotate(seen, response);
  seen: Seen[] = [];
  refreshes = 0;
  /** The one refresh token that is valid, per user. */
  valid = new Map<string, number>();

  private constructor(private readonly server: http.Server) {}

  static async listen(): Promise<PortalServer> {
    const server = http.createServer();
    const self = new PortalServer(server);
    server.on('request', (request, response) => void self.handle(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return self;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  get calls(): Seen[] {
    return this.seen.filter(({ path }) => path.startsWith('/rest/'));
  }

  reset(): void {
    this.rest = () => ({ result: true });
    this.oauth = (seen, response) => this.rotate(seen, response);
    this.seen = [];
    this.refreshes = 0;
    this.valid.clear();
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  /** `refresh-<user>-<n>` gives `access-<user>-<n+1>`, once. */
  rotate({ body }: Seen, response: ServerResponse): unknown {
    this.refreshes++;
    const [, user, n] = String(body['refresh_token']).split('-') as [string, string, string];
    if ((this.valid.get(user) ?? 1) !== Number(n)) {
      response.statusCode = 400;
      return { error: 'invalid_grant' };
    }
    this.valid.set(user, Number(n) + 1);
    return {
      access_token: `access-${user}-${Number(n) + 1}`,
      refresh_token: `refresh-${user}-${Number(n) + 1}`,
      expires_in: 3600,
    };
  }

  private async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const json = request.headers['content-type']?.includes('json');
    const seen: Seen = {
      path: request.url!,
      authorization: request.headers.authorization,
      body: json ? (JSON.parse(text) as Record<string, unknown>) : qs.parse(text),
    };
    this.seen.push(seen);
    const answer = await (seen.path.startsWith('/oauth/') ? this.oauth : this.rest)(seen, response, request);
    if (response.writableEnded || request.socket.destroyed || answer === undefined) return;
    if (typeof answer !== 'string') response.setHeader('Content-Type', 'application/json');
    response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  }
}

/** One process: its own pool and its own memory. */
function process_(variables: Record<string, string> = {}) {
  const db = open();
  const environment = readEnvironment({
    B24_OAUTH_URL: portalServer.origin,
    B24_CLIENT_SECRET: 'the-secret',
    B24_REQUESTS_PER_SECOND: '1000',
    ...variables,
  });
  const connections = bitrixConnections(variables);
  const portals = new PortalsRepository(db);
  const tokenRows = new TokensRepository(db, encryption);
  const limits = new RestLimitsRepository(db);
  const oauth = new OauthClient(bitrixHttp(connections), environment);
  const stored = new ApplicationsRepository(db, encryption);
  const applications = new ApplicationsService(
    environment,
    stored,
    limits,
    new CertificateAuthorities(environment, stored),
  );
  const tokens = new TokensService(db, portals, tokenRows, oauth, applications);
  const limiter = new RateLimiter(limits, environment);
  const troubles = new RestTroubles(limits);
  const log = new RestRequestLog(new RestRequestsRepository(db));
  const client = new RestClient(connections, portals, tokens, limiter, applications, limits, troubles, log);
  const states = new OauthStatesRepository(db);
  const keepalive = new TokenKeepaliveService(tokens, tokenRows, states);
  return {
    db,
    environment,
    applications,
    portals,
    tokenRows,
    limits,
    oauth,
    tokens,
    limiter,
    client,
    states,
    keepalive,
    troubles,
    log,
  };
}

type Process = ReturnType<typeof process_>;

let installations = 0;

async function install(on: Process, users: string[] = ['1'], lifetimeMs = 3_600_000) {
  const portal = await on.portals.upsertInstalled({
    memberId: `member-${++installations}`,
    domain: new URL(portalServer.origin).host,
    clientEndpoint: `${portalServer.origin}/rest/`,
    oauthOrigin: portalServer.origin,
    clientId: 'local.1',
    scope: 'im',
    connectorId: 'tg_1',
  });
  for (const [index, user] of users.entries()) {
    await on.tokens.saveTokens(
      portal.id,
      user,
      {
        accessToken: `access-${user}-1`,
        refreshToken: `refresh-${user}-1`,
        expiresAt: new Date(Date.now() + lifetimeMs),
      },
      { isAdmin: true, isInstaller: index === 0 },
    );
  }
  return portal;
}

const failure = async (work: Promise<unknown>): Promise<UpstreamError> => {
  const error: unknown = await work.then(
    () => expect.fail('no error'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(UpstreamError);
  return error as UpstreamError;
};

const status =
  (code: number, body: unknown): Responder =>
  (_seen, response) => {
    response.statusCode = code;
    return body;
  };

describe('tokens', () => {
  it('three processes with fifty calls each and a slow OAuth server refresh once', { timeout: 40_000 }, async () => {
    const processes = [process_(), process_(), process_()];
    const portal = await install(processes[0]!, ['1'], 1_000);
    portalServer.oauth = async (seen, response) => {
      await sleep(5_000);
      return portalServer.rotate(seen, response);
    };
    const answers = await Promise.all(
      processes.flatMap(({ tokens }) => Array.from({ length: 50 }, () => tokens.accessToken(portal.id))),
    );
    expect(portalServer.refreshes).toBe(1);
    expect(new Set(answers.map(({ token }) => token))).toEqual(new Set(['access-1-2']));
  });

  it('calls that are all rejected with the same token refresh once', async () => {
    const processes = [process_(), process_(), process_()];
    const portal = await install(processes[0]!);
    await Promise.all(processes.map(({ tokens }) => tokens.accessToken(portal.id)));
    portalServer.oauth = async (seen, response) => {
      await sleep(300);
      return portalServer.rotate(seen, response);
    };
    const answers = await Promise.all(
      processes.flatMap(({ tokens }) =>
        Array.from({ length: 50 }, () => tokens.refreshAfterRejection(portal.id, 'access-1-1')),
      ),
    );
    expect(portalServer.refreshes).toBe(1);
    expect(new Set(answers.map(({ token }) => token))).toEqual(new Set(['access-1-2']));
  });

  it('are stored sealed, both halves of a pair at once', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    await one.tokens.accessToken(portal.id);
    const { rows } = await one.db.query<{ access_token: string; refresh_token: string }>(
      'SELECT access_token, refresh_token FROM tokens WHERE portal_id = $1',
      [portal.id],
    );
    expect(JSON.stringify(rows)).not.toMatch(/access-1|refresh-1/);
    const [pair] = await one.tokenRows.listUsable(portal.id);
    expect(pair).toMatchObject({ accessToken: 'access-1-2', refreshToken: 'refresh-1-2' });
  });

  it('an unknown outcome is tried once more with the old refresh token', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    let first = true;
    portalServer.oauth = (seen, response, request) => {
      if (!first) return portalServer.rotate(seen, response);
      first = false;
      request.socket.destroy();
      return undefined;
    };
    expect(await one.tokens.accessToken(portal.id)).toEqual({ token: 'access-1-2', userId: '1' });
  });

  it('an OAuth server that is down is asked once in a while, and nobody is unauthorised by it', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    let asked = 0;
    portalServer.oauth = (_seen, response) => {
      asked++;
      response.statusCode = 502;
      return '<html>';
    };
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject({ kind: 'not_sent', retryAfterMs: 1_000 });
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject({ kind: 'not_sent', code: 'HTTP_502' });
    expect(asked).toBe(2);
    const until = one.tokens.refreshPausedUntil(portal.id, '1')!.getTime();
    expect(until).toBeLessThanOrEqual(Date.now() + 1_000);
    // The pauses grow from a second on.
    await sleep(until - Date.now() + 20);
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject({ retryAfterMs: 2_000 });
    expect(asked).toBe(4);
    expect((await one.portals.findById(portal.id))!.state).toBe('active');
  });

  it('a token is used up to its end while it cannot be renewed', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 30_000);
    portalServer.oauth = status(503, '');
    expect((await one.tokens.accessToken(portal.id)).token).toBe('access-1-1');
  });

  it('a refused pair gives way to the next administrator, the last one parks the portal', async () => {
    const one = process_();
    const portal = await install(one, ['1', '2'], 0);
    portalServer.valid.set('1', 9);
    expect(await one.tokens.accessToken(portal.id)).toEqual({ token: 'access-2-2', userId: '2' });

    portalServer.valid.set('2', 9);
    expect(await failure(one.tokens.refreshAfterRejection(portal.id, 'access-2-2'))).toMatchObject({
      kind: 'unauthorised',
      scope: 'endpoint',
    });
    expect(await one.portals.findById(portal.id)).toMatchObject({
      state: 'reauthorise',
      stateReason: expect.stringContaining('invalid_grant'),
    });
    const { refreshes } = portalServer;
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject({ code: 'REAUTHORISE' });
    expect(await failure(one.client.call(portal.id, 'profile'))).toMatchObject({ code: 'REAUTHORISE' });
    expect(portalServer.refreshes).toBe(refreshes);
    expect(portalServer.calls).toEqual([]);

    await one.tokens.saveTokens(
      portal.id,
      '3',
      { accessToken: 'access-3-1', refreshToken: 'refresh-3-1', expiresAt: new Date(Date.now() + 3_600_000) },
      { isAdmin: true, isInstaller: false },
    );
    expect((await one.tokens.accessToken(portal.id)).token).toBe('access-3-1');
  });

  it.each([
    [200, 'wrong_client'],
    [400, 'invalid_client'],
    [402, 'PAYMENT_REQUIRED'],
    [403, 'access_denied'],
  ])('%i %s speaks of the application or the bill: the pair is kept, and tried again later', async (code, error) => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    let asked = 0;
    portalServer.oauth = (seen, response) => {
      asked++;
      return status(code, { error })(seen, response, undefined as never);
    };
    const refusal = { kind: 'not_sent', scope: 'portal', code: error };
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject(refusal);
    // The cause is told as long as the pause lasts.
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject(refusal);
    expect(asked).toBe(1);
    expect(one.tokens.refreshPausedUntil(portal.id, '1')!.getTime()).toBeGreaterThan(Date.now() + 25_000);
    expect((await one.portals.findById(portal.id))!.state).toBe('active');
    expect(await one.tokenRows.listUsable(portal.id)).toHaveLength(1);
  });

  it('a secret that was corrected counts at once', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    portalServer.oauth = status(400, { error: 'invalid_client' });
    await failure(one.tokens.accessToken(portal.id));
    portalServer.oauth = (seen, response) => portalServer.rotate(seen, response);
    expect(await failure(one.tokens.accessToken(portal.id))).toMatchObject({ code: 'invalid_client' });
    Object.assign(one.environment, { B24_CLIENT_SECRET: 'the-right-secret' });
    expect((await one.tokens.accessToken(portal.id)).token).toBe('access-1-2');
  });

  it('a pair that was issued and could not be stored is not lost', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    await one.db.query(`CREATE FUNCTION broken() RETURNS trigger AS 'BEGIN RAISE ''disk full''; END' LANGUAGE plpgsql;
      CREATE TRIGGER broken BEFORE UPDATE ON tokens FOR EACH ROW EXECUTE FUNCTION broken()`);
    try {
      await expect(one.tokens.accessToken(portal.id)).rejects.toThrow('disk full');
    } finally {
      await one.db.query('DROP TRIGGER broken ON tokens; DROP FUNCTION broken()');
    }
    expect((await one.tokens.accessToken(portal.id)).token).toBe('access-1-2');
    expect(portalServer.refreshes).toBe(1);
  });

  it('works with a single database connection', async () => {
    const one = process_();
    const portal = await install(one, ['1'], 0);
    const db = open(1);
    const tokenRows = new TokensRepository(db, encryption);
    const portals = new PortalsRepository(db);
    const stored = new ApplicationsRepository(db, encryption);
    const applications = new ApplicationsService(
      one.environment,
      stored,
      new RestLimitsRepository(db),
      new CertificateAuthorities(one.environment, stored),
    );
    const tokens = new TokensService(db, portals, tokenRows, one.oauth, applications);
    expect((await tokens.accessToken(portal.id)).token).toBe('access-1-2');
  });

  it(
    'pairs that were idle for a month are refreshed once, by whichever replica comes first',
    { timeout: 30_000 },
    async () => {
      const [one, two] = [process_(), process_()];
      const idle = await install(one);
      await install(one, ['7']);
      await one.db.query(`UPDATE tokens SET refreshed_at = now() - interval '29 days' WHERE portal_id = $1`, [idle.id]);
      await Promise.all([one.keepalive.refreshIdle(), two.keepalive.refreshIdle()]);
      expect(portalServer.refreshes).toBe(1);
      expect((await one.tokenRows.listUsable(idle.id))[0]!.refreshToken).toBe('refresh-1-2');
    },
  );
});

describe('calls', () => {
  let one: Process;
  let portalId: bigint;
  beforeEach(async () => {
    one = process_();
    portalId = (await install(one)).id;
  });

  it('are JSON with the token in the header, the answer with its time', async () => {
    portalServer.rest = () => ({ result: { ID: 1 }, next: 50, total: 60, time: { operating: 0.1, duration: 2 } });
    expect(await one.client.call(portalId, 'imopenlines.config.list.get', { A: { B: [false, 'й'] } })).toEqual({
      result: { ID: 1 },
      next: 50,
      total: 60,
      time: { operating: 0.1, duration: 2 },
    });
    expect(portalServer.calls).toEqual([
      {
        path: '/rest/imopenlines.config.list.get',
        authorization: 'Bearer access-1-1',
        body: { A: { B: [false, 'й'] } },
      },
    ]);
  });

  it.each<[what: string, respond: Responder, kind: string, code: string]>([
    ['a reset after writing', (_s, _r, request) => void request.socket.destroy(), 'unknown', 'ECONNRESET'],
    ['a 504 page', status(504, '<html>'), 'unknown', 'HTTP_504'],
    ['a 502 page', status(502, '<html>'), 'unknown', 'HTTP_502'],
    ['an HTML page with 200', status(200, '<html>'), 'unknown', 'HTTP_200'],
    ['half an answer', status(200, '{"result":'), 'unknown', 'HTTP_200'],
    ['an answer without result', status(200, {}), 'unknown', 'HTTP_200'],
    ['503 without JSON', status(503, 'busy'), 'not_sent', 'HTTP_503'],
    ['an error of its own', status(500, { error: 'INTERNAL_SERVER_ERROR' }), 'not_sent', 'INTERNAL_SERVER_ERROR'],
    [
      'an error inside 200',
      status(200, { result: false, error: 'ICON_REQUIRED', error_description: 'x' }),
      'refused',
      'ICON_REQUIRED',
    ],
    ['a wrong argument', status(400, { error: 'ERROR_ARGUMENT', error_description: 'x' }), 'refused', 'ERROR_ARGUMENT'],
  ])('%s is told apart', async (_what, respond, kind, code) => {
    portalServer.rest = respond;
    expect(await failure(one.client.call(portalId, 'profile', { text: 'words' }))).toMatchObject({ kind, code });
    expect(portalServer.calls).toHaveLength(1);
  });

  it('a page for every call closes the portal, with its title, after pauses that grow', async () => {
    portalServer.rest = status(403, '<html><title>Licence ended</title>');
    const closed = { kind: 'unauthorised', scope: 'portal', code: 'HTTP_403' };
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject(closed);
    expect(portalServer.calls.map(({ path }) => path)).toEqual(['/rest/profile', '/rest/app.info']);
    const [trouble] = await one.limits.troubles();
    expect(trouble).toMatchObject({ portalId, method: '*', code: 'HTTP_403' });
    expect(trouble!.detail).toContain('Licence ended');
    const rest = await one.troubles.portalRestMs(portalId);
    expect(rest).toBeGreaterThan(4_000);
    expect(rest).toBeLessThanOrEqual(5_000);
    // What was on its way already makes no pause longer.
    await failure(one.client.call(portalId, 'profile'));
    expect(await one.troubles.portalRestMs(portalId)).toBeLessThanOrEqual(rest);
    await one.db.query(`UPDATE rest_limits SET until = now() WHERE method = '*'`);
    await failure(one.client.call(portalId, 'profile'));
    expect(await one.troubles.portalRestMs(portalId)).toBeGreaterThan(9_000);
    portalServer.rest = () => ({ result: true });
    await one.client.call(portalId, 'profile');
    expect(await one.limits.troubles()).toEqual([]);
    expect(await one.troubles.portalRestMs(portalId)).toBe(0);
  });

  it('a page for one call is about its words', async () => {
    portalServer.rest = ({ path }, response) => {
      if (path === '/rest/app.info') return { result: { ID: 1 } };
      response.statusCode = 406;
      return '<html><title>Not Acceptable</title>';
    };
    const call = () => one.client.call(portalId, 'profile', { text: 'words' });
    expect(await failure(call())).toMatchObject({ kind: 'refused', scope: 'message', code: 'filtered' });
    expect(await failure(call())).toMatchObject({ detail: expect.stringContaining('Not Acceptable') });
    // The harmless call is made once for all.
    expect(portalServer.calls.filter(({ path }) => path === '/rest/app.info')).toHaveLength(1);
    expect(await one.limits.troubles()).toEqual([]);
  });

  it('a page while nobody knows whether the portal is open is no verdict', async () => {
    portalServer.rest = ({ path }, response) => {
      response.statusCode = path === '/rest/app.info' ? 502 : 403;
      return '<html>';
    };
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({ kind: 'not_sent', scope: 'endpoint' });
  });

  it("a method that carries messages rests while it is missing; another one is its caller's affair", async () => {
    portalServer.rest = status(404, { error: 'ERROR_METHOD_NOT_FOUND', error_description: 'Method not found!' });
    const method = 'imconnector.send.status.delivery';
    const rests = { kind: 'not_sent', scope: 'method', code: 'ERROR_METHOD_NOT_FOUND' };
    expect(await failure(one.client.call(portalId, method))).toMatchObject(rests);
    expect(await failure(one.client.call(portalId, method))).toMatchObject(rests);
    expect(portalServer.calls).toHaveLength(1);
    expect(await failure(one.client.call(portalId, 'user.get'))).toMatchObject({ kind: 'refused' });
    expect((await one.limits.troubles()).map((trouble) => trouble.method)).toEqual([method]);
    await one.limits.endPauses('local.1');
    portalServer.rest = () => ({ result: true });
    await one.client.call(portalId, method);
    expect(await one.limits.troubles()).toEqual([]);
  });

  it('a call that is not answered in time may have arrived', async () => {
    portalServer.rest = () => undefined;
    expect(await failure(one.client.call(portalId, 'profile', {}, { timeoutMs: 200 }))).toMatchObject({
      kind: 'unknown',
      code: 'TIMEOUT',
    });
  });

  it('a body that trickles in is cut off by the same deadline', async () => {
    portalServer.rest = (_seen, response) => {
      response.write('{"result":');
      const drip = setInterval(() => response.write(' '), 20);
      response.once('close', () => clearInterval(drip));
    };
    expect(await failure(one.client.call(portalId, 'profile', {}, { timeoutMs: 300 }))).toMatchObject({
      code: 'TIMEOUT',
    });
  });

  it('an answer of more than 16 MB is not read', async () => {
    portalServer.rest = () => `{"result":"${'x'.repeat(17 * 1024 * 1024)}"}`;
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({
      kind: 'unknown',
      code: 'ANSWER_TOO_LARGE',
    });
  });

  it('what never found a connection was not sent', async () => {
    await one.portals.saveRename(portalId, '127.0.0.1:1', 'http://127.0.0.1:1/rest/');
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({
      kind: 'not_sent',
      scope: 'endpoint',
      code: 'ECONNREFUSED',
    });
  });

  it('a failed TLS handshake sent nothing', async () => {
    const plain = net.createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
    await new Promise((resolve) => plain.once('listening', resolve));
    const host = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
    await one.portals.saveRename(portalId, host, `https://${host}/rest/`);
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({ kind: 'not_sent', code: 'ECONNRESET' });
    plain.close();
  });

  it('errors carry neither token nor text', async () => {
    portalServer.rest = (_s, _r, request) => void request.socket.destroy();
    const error = await failure(one.client.call(portalId, 'profile', { text: 'private words' }));
    const told = [String(error), error.stack, JSON.stringify(error), String(error.cause)].join();
    expect(told).not.toMatch(/access-1|private words|Bearer/);
  });

  it('an expired token is renewed and the call repeated once', async () => {
    portalServer.rest = ({ authorization }, response) => {
      if (authorization === 'Bearer access-1-2') return { result: 'ok' };
      response.statusCode = 401;
      return { error: 'expired_token', error_description: 'The access token provided has expired.' };
    };
    expect((await one.client.call(portalId, 'profile')).result).toBe('ok');
    expect(portalServer.calls).toHaveLength(2);
    expect(portalServer.refreshes).toBe(1);
  });

  it('a token that is refused however new it is does not become a loop', async () => {
    portalServer.rest = status(401, { error: 'invalid_token' });
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({ kind: 'unauthorised' });
    expect(portalServer.calls).toHaveLength(2);
    await failure(one.client.call(portalId, 'profile'));
    expect(portalServer.calls).toHaveLength(3);
    expect(portalServer.refreshes).toBe(1);
    expect((await one.portals.findById(portalId))!.state).toBe('active');
  });

  it('a dismissed administrator gives way to the next one', async () => {
    const both = await install(one, ['4', '5']);
    portalServer.rest = ({ authorization }, response) => {
      if (authorization === 'Bearer access-5-1') return { result: 'ok' };
      response.statusCode = 401;
      return { error: 'authorization_error', error_description: 'Unable to authorize user' };
    };
    expect((await one.client.call(both.id, 'profile')).result).toBe('ok');
    expect((await one.tokenRows.listUsable(both.id)).map(({ userId }) => userId)).toEqual(['5']);
    expect(portalServer.refreshes).toBe(0);
  });

  it('a renamed portal is followed once and remembered', async () => {
    const moved = await PortalServer.listen();
    try {
      portalServer.rest = (_seen, response) => {
        response.writeHead(302, { Location: `${moved.origin}/rest/profile` }).end();
      };
      moved.rest = () => ({ result: 'here' });
      expect((await one.client.call(portalId, 'profile', { a: 1 })).result).toBe('here');
      expect(moved.calls).toMatchObject([
        { path: '/rest/profile', authorization: 'Bearer access-1-1', body: { a: 1 } },
      ]);
      expect(await one.portals.findById(portalId)).toMatchObject({
        domain: new URL(moved.origin).host,
        clientEndpoint: `${moved.origin}/rest/`,
      });
      await one.client.call(portalId, 'profile');
      expect(portalServer.calls).toHaveLength(1);
    } finally {
      moved.close();
    }
  });

  it.each([
    'http://evil.example/rest/profile',
    'https://acme.bitrix24.com/rest/profile',
    'http://169.254.169.254/rest/',
  ])('no token goes to %s', async (location) => {
    portalServer.rest = (_seen, response) => void response.writeHead(302, { Location: location }).end();
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({
      kind: 'unauthorised',
      code: 'REDIRECT_REFUSED',
    });
    expect((await one.portals.findById(portalId))!.clientEndpoint).toBe(`${portalServer.origin}/rest/`);
  });

  it('no call leaves for a portal that removed the application', async () => {
    await one.tokens.accessToken(portalId);
    await process_().portals.setState(portalId, 'uninstalled', 'ONAPPUNINSTALL');
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({
      kind: 'unauthorised',
      code: 'PORTAL_UNINSTALLED',
    });
    expect(await failure(one.client.call(-1n, 'profile'))).toMatchObject({ code: 'PORTAL_UNKNOWN' });
    expect(portalServer.seen).toEqual([]);
  });

  it('a call that waits in the bucket while the application is removed never leaves', async () => {
    const slow = process_({ B24_REQUESTS_PER_SECOND: '1', B24_BURST: '3' });
    const { id } = await install(slow);
    const reserve = slow.limiter.reserve.bind(slow.limiter);
    slow.limiter.reserve = async (portal) => {
      await reserve(portal);
      await slow.portals.setState(portal, 'uninstalled', 'ONAPPUNINSTALL');
      return 300;
    };
    expect(await failure(slow.client.call(id, 'profile'))).toMatchObject({ code: 'PORTAL_UNINSTALLED' });
    expect(portalServer.calls).toEqual([]);
    expect(await slow.limiter.tryReserve(id, 5)).toBe(1);
  });

  it('a call that waits for a token while the application is removed never leaves', async () => {
    const { id } = await install(one, ['1'], 1_000);
    portalServer.oauth = async (seen, response) => {
      await one.portals.setState(id, 'uninstalled', 'ONAPPUNINSTALL');
      await sleep(300);
      return portalServer.rotate(seen, response);
    };
    expect(await failure(one.client.call(id, 'profile'))).toMatchObject({ code: 'PORTAL_UNINSTALLED' });
    expect(portalServer.calls).toEqual([]);
  });

  it('a deleted portal is parked, a payment that is due is not', async () => {
    portalServer.rest = status(401, { error: 'PAYMENT_REQUIRED' });
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({
      kind: 'unauthorised',
      scope: 'portal',
    });
    expect(await one.troubles.portalRestMs(portalId)).toBeGreaterThan(25_000);
    expect((await one.portals.findById(portalId))!.state).toBe('active');
    portalServer.rest = status(403, { error: 'PORTAL_DELETED', error_description: 'Portal was deleted' });
    expect(await failure(one.client.call(portalId, 'profile'))).toMatchObject({
      kind: 'unauthorised',
      code: 'PORTAL_DELETED',
    });
    expect(await one.portals.findById(portalId)).toMatchObject({
      state: 'reauthorise',
      stateReason: 'PORTAL_DELETED: Portal was deleted',
    });
  });

  it('a method that used up its time rests, others go on', async () => {
    portalServer.rest = status(429, {
      error: 'OPERATION_TIME_LIMIT',
      error_description: 'Method is blocked due to operation time limit.',
      time: { finish: 1_000, operating_reset_at: 1_100 },
    });
    expect(await failure(one.client.call(portalId, 'imconnector.send.messages'))).toMatchObject({
      kind: 'not_sent',
      scope: 'method',
      retryAfterMs: 100_000,
    });
    portalServer.rest = () => ({ result: true });
    const other = process_();
    const error = await failure(other.client.call(portalId, 'IMCONNECTOR.send.messages'));
    expect(error).toMatchObject({ kind: 'not_sent', scope: 'method' });
    expect(error.retryAfterMs).toBeGreaterThan(90_000);
    await other.client.call(portalId, 'profile');
    expect(portalServer.calls.map(({ path }) => path)).toEqual(['/rest/imconnector.send.messages', '/rest/profile']);
  });

  it('a success stays one when its cost cannot be stored', async () => {
    portalServer.rest = async () => {
      await one.db.query('ALTER TABLE rest_limits RENAME TO away');
      return { result: 'done', time: { operating: 479 } };
    };
    try {
      expect((await one.client.call(portalId, 'profile')).result).toBe('done');
    } finally {
      await one.db.query('ALTER TABLE away RENAME TO rest_limits');
    }
  });

  it('a method rests before it can use up its time', async () => {
    portalServer.rest = () => ({ result: true, time: { finish: 1_000, operating: 421, operating_reset_at: 1_030 } });
    await one.client.call(portalId, 'imconnector.send.messages');
    expect(await failure(one.client.call(portalId, 'imconnector.send.messages'))).toMatchObject({ scope: 'method' });
    expect(await one.limiter.methodPausedUntil(portalId, 'imconnector.send.messages')).toBeInstanceOf(Date);
    expect(portalServer.calls).toHaveLength(1);
  });
});

describe('batches', () => {
  let one: Process;
  let portalId: bigint;
  beforeEach(async () => {
    one = process_();
    portalId = (await install(one)).id;
  });
  const send = (params: Record<string, unknown> = {}) => ({ method: 'imconnector.send.messages', params });
  const batch = (result: object, time = {}) => ({ result: { result_total: [], result_next: [], ...result }, time });

  it('are encoded as http_build_query does it', async () => {
    portalServer.rest = () => batch({ result: { a: 1 }, result_error: [] });
    await one.client.callBatch(portalId, {
      a: send({
        LINE: 1,
        ACTIVE: false,
        SKIP: null,
        MESSAGES: [
          { message: { text: 'a&b=c [d] +é 😀', files: [{ url: 'https://x/?a=1&b=2' }] }, user: { id: 'tg:1' } },
        ],
        EMPTY: '',
      }),
    });
    const { cmd, halt } = portalServer.calls[0]!.body as { cmd: { a: string }; halt: number };
    expect(halt).toBe(0);
    expect(cmd.a).toMatch(/^imconnector\.send\.messages\?[A-Za-z0-9%+&=._()-]+$/);
    expect(qs.parse(cmd.a.slice(cmd.a.indexOf('?') + 1), { depth: 20 })).toEqual({
      LINE: '1',
      ACTIVE: '0',
      MESSAGES: [
        { message: { text: 'a&b=c [d] +é 😀', files: [{ url: 'https://x/?a=1&b=2' }] }, user: { id: 'tg:1' } },
      ],
      EMPTY: '',
    });
  });

  it('every command has its own outcome', async () => {
    portalServer.rest = () =>
      batch({
        result: { ok: { SUCCESS: true }, reg: false, empty: [] },
        result_error: {
          line: { error: 'NOT_ACTIVE_LINE', error_description: 'inactive' },
          reg: { result: false, error: 'ICON_REQUIRED', error_description: 'no icon' },
          bad: { error: 'ERROR_ARGUMENT', error_description: 'x', argument: 'MESSAGES' },
        },
        result_time: { ok: { operating: 1.5 } },
      });
    const { results } = await one.client.callBatch(portalId, {
      ok: send(),
      line: send(),
      reg: { method: 'imconnector.register', params: {} },
      bad: send(),
      empty: send(),
      lost: send(),
    });
    expect(results.ok).toEqual({ ok: true, result: { SUCCESS: true }, time: { operating: 1.5 } });
    expect(results.empty).toEqual({ ok: true, result: [] });
    expect(results.line).toMatchObject({ ok: false, error: { kind: 'not_sent', scope: 'line' } });
    expect(results.reg).toMatchObject({ ok: false, error: { kind: 'refused', code: 'ICON_REQUIRED' } });
    expect(results.bad).toMatchObject({ ok: false, error: { kind: 'refused', code: 'ERROR_ARGUMENT' } });
    expect(results.lost).toMatchObject({ ok: false, error: { kind: 'unknown' } });
  });

  it('keys that are numbers come back as lists', async () => {
    portalServer.rest = () => batch({ result: ['a', 'b'], result_error: [], result_time: [{ operating: 1 }, {}] });
    const { results } = await one.client.callBatch(portalId, { 0: send(), 1: send() });
    expect(results).toMatchObject({ 0: { ok: true, result: 'a' }, 1: { ok: true, result: 'b' } });
  });

  it('what follows an error of a halted batch was not sent', async () => {
    portalServer.rest = () => batch({ result: { a: 1 }, result_error: { b: { error: 'ERROR_CORE' } } });
    const { results } = await one.client.callBatch(portalId, { a: send(), b: send(), c: send() }, { halt: true });
    expect(results.c).toMatchObject({ ok: false, error: { kind: 'not_sent', code: 'BATCH_HALTED' } });
  });

  it('a method that ran out of time stops only its own commands', async () => {
    portalServer.rest = () =>
      batch({ result: { b: 1 }, result_error: { a: { error: 'OPERATION_TIME_LIMIT', error_description: 'blocked' } } });
    const commands = { a: send(), b: { method: 'imconnector.send.status.delivery', params: {} } };
    expect((await one.client.callBatch(portalId, commands)).results.a).toMatchObject({
      error: { scope: 'method', retryAfterMs: 60_000 },
    });
    portalServer.rest = ({ body }) => batch({ result: body['cmd'] as object, result_error: [] });
    const { results } = await one.client.callBatch(portalId, commands);
    expect(results.a).toMatchObject({ ok: false, error: { kind: 'not_sent', scope: 'method' } });
    expect(results.b).toMatchObject({ ok: true, result: 'imconnector.send.status.delivery' });
    await one.client.callBatch(portalId, { a: send() });
    expect(portalServer.calls).toHaveLength(2);
  });

  it('a failure of the request is everybody’s', async () => {
    portalServer.rest = status(504, '<html>');
    expect(await failure(one.client.callBatch(portalId, { a: send() }))).toMatchObject({ kind: 'unknown' });
    await expect(
      one.client.callBatch(portalId, Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`k${i}`, send()]))),
    ).rejects.toThrow(RangeError);
  });
});

describe('the bucket', () => {
  const limited = (rate = 2, burst = 12) =>
    process_({ B24_REQUESTS_PER_SECOND: String(rate), B24_BURST: String(burst) });
  let bucketId = 1_000n;
  beforeEach(() => {
    bucketId++;
  });

  it('lets a burst through, less a margin, then one at a time', async () => {
    const { limiter } = limited();
    const waits: number[] = [];
    for (let i = 0; i < 14; i++) waits.push(await limiter.reserve(bucketId));
    expect(waits.slice(0, 10)).toEqual(Array.from({ length: 10 }, () => 0));
    for (const [i, wait] of waits.slice(10).entries()) {
      expect(wait).toBeGreaterThan((i + 1) * 500 - 200);
      expect(wait).toBeLessThanOrEqual((i + 1) * 500);
    }
  });

  it('is one for all processes', async () => {
    const processes = [limited(), limited(), limited()];
    const waits = await Promise.all(
      processes.flatMap(({ limiter }) => Array.from({ length: 8 }, () => limiter.reserve(bucketId))),
    );
    expect(waits.filter((wait) => wait === 0)).toHaveLength(10);
    expect(Math.max(...waits)).toBeGreaterThan(6_000);
  });

  it('never gives two workers the same free permits', async () => {
    const processes = [limited(), limited(), limited()];
    const granted = await Promise.all(
      processes.flatMap(({ limiter }) => Array.from({ length: 4 }, () => limiter.tryReserve(bucketId, 3))),
    );
    expect(granted.reduce((sum, permits) => sum + permits, 0)).toBe(10);
    expect(await processes[0]!.limiter.tryReserve(bucketId, 3)).toBe(0);
  });

  it('takes back what was not used', async () => {
    const { limiter } = limited();
    expect(await limiter.tryReserve(bucketId, 50)).toBe(10);
    await limiter.release(bucketId, 4);
    expect(await limiter.tryReserve(bucketId, 50)).toBe(4);
  });

  it('counts as full after QUERY_LIMIT_EXCEEDED', async () => {
    const { limiter } = limited();
    const wait = await limiter.penalise(bucketId);
    expect(wait).toBe(2_000);
    expect(await limiter.tryReserve(bucketId, 1)).toBe(0);
    expect(await limiter.reserve(bucketId)).toBeGreaterThan(1_800);
  });

  it('refills with time', async () => {
    const { limiter } = limited(20, 4);
    const began = performance.now();
    expect(await limiter.tryReserve(bucketId, 5)).toBe(2);
    await sleep(70);
    const refilled = await limiter.tryReserve(bucketId, 5);
    expect(refilled).toBeGreaterThanOrEqual(1);
    expect(refilled).toBeLessThanOrEqual(Math.ceil((performance.now() - began) / 50));
  });

  it('gathers no credit beyond its size, however long it is idle', async () => {
    const { limiter, db } = limited(0.1, 12);
    const idle = () =>
      db.query(`UPDATE rest_limits SET until = until - interval '1 day' WHERE portal_id = $1`, [bucketId]);
    await limiter.tryReserve(bucketId, 3);
    await idle();
    expect(await limiter.tryReserve(bucketId, 50)).toBe(10);
    await idle();
    for (let i = 0; i < 10; i++) expect(await limiter.reserve(bucketId)).toBe(0);
    expect(await limiter.reserve(bucketId)).toBeGreaterThan(300);
    await idle();
    await limiter.release(bucketId, 10);
    expect(await limiter.tryReserve(bucketId, 50)).toBe(10);
  });

  it('gives what can wait only what it has to spare, in a small bucket too', async () => {
    for (const [burst, spare, ahead] of [
      [50, 29, 19],
      [12, 5, 5],
      [4, 1, 1],
      [3, 1, 0],
      [1, 1, 0],
    ] as const) {
      const { limiter } = limited(0.01, burst);
      bucketId++;
      let taken = 0;
      while (await limiter.takeSpare(bucketId)) taken++;
      expect([burst, taken], 'what can wait').toEqual([burst, spare]);
      expect([burst, await limiter.tryReserve(bucketId, 100)], 'everything else').toEqual([burst, ahead]);
    }
  });

  it('lets ticks have what names of dialogs must leave, and leaves words theirs', async () => {
    const { limiter } = limited(0.01, 50);
    bucketId++;
    let [names, ticks] = [0, 0];
    while (await limiter.takeSpare(bucketId)) names++;
    while (await limiter.takeBehindWords(bucketId)) ticks++;
    expect([names, ticks, await limiter.tryReserve(bucketId, 100)]).toEqual([29, 10, 9]);
  });

  it('lets a call that yields wait for room to spare, and for a moment only', async () => {
    const { limiter } = limited(0.5, 4);
    await limiter.tryReserve(bucketId, 2);
    expect(await limiter.takeSpare(bucketId)).toBe(false);
    expect(await limiter.waitForSpare(bucketId, 20)).toBe(false);
    expect(await limiter.waitForSpare(bucketId, 10_000)).toBe(true);
  });

  it('lets a call that yields go at last, in its turn', async () => {
    const one = limited(0.8, 3);
    const { id } = await install(one);
    await one.client.call(id, 'profile');
    const began = performance.now();
    await one.client.call(id, 'profile', {}, { yields: true });
    expect(performance.now() - began).toBeGreaterThan(900);
    expect(portalServer.calls).toHaveLength(2);
  });

  it('is the portal’s own where an administrator says so, at every replica and for that portal alone', async () => {
    const [one, other] = [limited(0.01, 12), limited(0.01, 12)];
    const [{ id: enterprise }, { id: usual }] = [await install(one), await install(one)];
    await one.portals.setBucket(enterprise, { requestsPerSecond: 20, requestBurst: 102 });
    expect(await one.limiter.tryReserve(enterprise, 500)).toBe(100);
    expect(await other.limiter.tryReserve(usual, 500)).toBe(10);
    await new Promise((resolve) => setTimeout(resolve, 500));
    const refilled = await other.limiter.tryReserve(enterprise, 500);
    expect(refilled).toBeGreaterThanOrEqual(10);
    expect(refilled).toBeLessThan(60);
    await one.portals.setBucket(enterprise, { requestsPerSecond: null });
    expect(await limited(0.01, 12).limits.ownBucket(enterprise)).toEqual({
      requestsPerSecond: null,
      requestBurst: 102,
    });
  });

  it('costs nothing without a limit', async () => {
    const { limiter, db } = process_();
    expect(await limiter.reserve(bucketId, 5)).toBe(0);
    expect(await limiter.tryReserve(bucketId, 5)).toBe(5);
    const { rows } = await db.query('SELECT FROM rest_limits WHERE portal_id = $1', [bucketId]);
    expect(rows).toHaveLength(0);
  });

  it('is taken from by calls, once each, unless they bring a permit', async () => {
    const one = limited(0.01, 12);
    const { id } = await install(one);
    await one.client.call(id, 'profile');
    expect(await one.limiter.tryReserve(id, 50)).toBe(9);
    await one.client.call(id, 'profile', {}, { permit: true });
    expect(await one.limiter.tryReserve(id, 50)).toBe(0);
  });

  it('sends away who would wait too long, and gets their permits back', async () => {
    const one = limited(0.01, 3);
    const { id } = await install(one);
    await one.client.call(id, 'profile');
    const error = await failure(one.client.call(id, 'profile'));
    expect(error).toMatchObject({ kind: 'not_sent', scope: 'endpoint' });
    expect(error.retryAfterMs).toBeGreaterThan(60_000);
    expect(error.retryAfterMs).toBeLessThan(100_000);
    expect((await failure(one.client.call(id, 'profile'))).retryAfterMs).toBeLessThan(100_000);
    expect(portalServer.calls).toHaveLength(1);
  });

  it('gets back the permit of a call that never left', async () => {
    const one = limited(0.01, 12);
    const { id } = await install(one);
    expect(await one.limiter.tryReserve(id, 10)).toBe(10);
    await one.portals.setState(id, 'uninstalled', 'ONAPPUNINSTALL');
    await failure(one.client.call(id, 'profile', {}, { permit: true }));
    await failure(one.client.callBatch(id, { a: { method: 'profile', params: {} } }, { permit: true }));
    expect(await one.limiter.tryReserve(id, 10)).toBe(2);
  });

  it('counts as full when the portal says so', async () => {
    const one = limited(2, 12);
    const { id } = await install(one);
    portalServer.rest = status(503, { error: 'QUERY_LIMIT_EXCEEDED', error_description: 'Too many requests' });
    expect(await failure(one.client.call(id, 'profile'))).toMatchObject({
      kind: 'not_sent',
      scope: 'endpoint',
      retryAfterMs: 2_000,
    });
    expect(await one.limiter.tryReserve(id, 1)).toBe(0);
  });
});

describe('installations', () => {
  it('a state works once, and not after its time', async () => {
    const { states } = process_();
    const [good, late] = [Buffer.from('a'.repeat(32)), Buffer.from('b'.repeat(32))];
    await states.create(good, 60_000);
    await states.create(late, -1);
    const used = await Promise.all(Array.from({ length: 5 }, () => states.consume(good)));
    expect(used.filter(Boolean)).toHaveLength(1);
    expect(await states.consume(late)).toBeNull();
    expect(await states.consume(Buffer.from('c'.repeat(32)))).toBeNull();
  });

  it('an application_token is replaced only by a verified one', async () => {
    const { portals, ...rest } = process_();
    const { id } = await install({ portals, ...rest });
    const [first, second] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
    expect(await portals.setApplicationTokenHash(id, first, { verified: false })).toBe(true);
    expect(await portals.setApplicationTokenHash(id, second, { verified: false })).toBe(false);
    expect((await portals.findById(id))!.applicationTokenHash).toEqual(first);
    expect(await portals.setApplicationTokenHash(id, second, { verified: true })).toBe(true);
    expect((await portals.findById(id))!.applicationTokenHash).toEqual(second);
  });

  it('installing again keeps the portal and its token, another application starts anew', async () => {
    const { portals } = process_();
    const installation = {
      memberId: 'again',
      domain: 'acme.bitrix24.com',
      clientEndpoint: 'https://acme.bitrix24.com/rest/',
      oauthOrigin: 'https://oauth.bitrix.info',
      clientId: 'local.1',
      scope: 'im',
      language: 'ru',
      connectorId: 'tg_1',
    };
    const first = await portals.upsertInstalled(installation);
    await portals.setApplicationTokenHash(first.id, Buffer.alloc(32, 1), { verified: true });
    await portals.setState(first.id, 'reauthorise', 'gone');
    const { language: _language, ...withoutLanguage } = installation;
    const second = await portals.upsertInstalled({ ...withoutLanguage, domain: 'new.bitrix24.com' });
    expect(second).toMatchObject({
      id: first.id,
      domain: 'new.bitrix24.com',
      state: 'active',
      stateReason: null,
      language: 'ru',
    });
    expect(second.applicationTokenHash).toEqual(Buffer.alloc(32, 1));
    const other = await portals.upsertInstalled({ ...installation, clientId: 'local.2' });
    expect(other.applicationTokenHash).toBeNull();
    expect(await portals.findByMemberId('again')).toEqual(other);
  });

  it('an application stored by one replica is known to every other at once, and only its own portal is trusted', async () => {
    const [one, two] = [process_({ B24_DOMAIN: 'box.example' }), process_({ B24_DOMAIN: 'box.example' })];
    const body = { clientId: 'local.stored', clientSecret: 'stored-secret', domain: 'http://crm.acme.example:8080' };
    const { id } = await one.applications.create(body);
    expect(await two.applications.findByClientId('local.stored')).toMatchObject({ id, name: 'crm.acme.example:8080' });
    expect(await two.applications.clientSecret('local.stored')).toBe('stored-secret');
    expect(await two.applications.clientSecret('local.unknown')).toBe('the-secret');
    const origins = await Promise.all(['local.stored', 'local.unknown'].map((own) => two.applications.hostRules(own)));
    expect(origins.map(({ portalOrigin }) => portalOrigin)).toEqual([
      'http://crm.acme.example:8080',
      'https://box.example',
    ]);
    expect(await two.applications.mayBePortal(new URL('http://crm.acme.example:8080/x'))).toBe(true);
    expect(await two.applications.mayBePortal(new URL('http://crm.acme.example/x'))).toBe(false);
    await one.applications.remove(id!);
    expect(await two.applications.findByClientId('local.stored')).toBeUndefined();
    expect(await two.applications.mayBePortal(new URL('http://crm.acme.example:8080/x'))).toBe(false);
  });

  it('a newer installation ends the tokens that another replica keeps in memory', async () => {
    const [one, two] = [process_(), process_()];
    const portal = await install(one);
    await two.client.call(portal.id, 'profile');
    const again = await one.portals.upsertInstalled({ ...portal, clientId: 'local.another' });
    await one.tokens.giveUpAll(again.id, 'another application was installed');
    const pair = {
      accessToken: 'access-9-9',
      refreshToken: 'refresh-9-9',
      expiresAt: new Date(Date.now() + 3_600_000),
    };
    await one.tokens.saveTokens(portal.id, '9', pair, { isAdmin: true, isInstaller: true });
    await two.client.call(portal.id, 'profile');
    expect(portalServer.calls.map(({ authorization }) => authorization)).toEqual([
      'Bearer access-1-1',
      'Bearer access-9-9',
    ]);
  });

  it('trouble of an older installation does not park a newer one', async () => {
    const one = process_();
    const old = await install(one);
    await one.portals.upsertInstalled(old);
    expect(await one.portals.requireAuthorisation(old.id, 'old news', new Date(old.installedAt.getTime() - 1))).toBe(
      false,
    );
    expect((await one.portals.findById(old.id))!.state).toBe('active');
  });
});
