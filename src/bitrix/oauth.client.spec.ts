import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bitrixConnections } from '../../test/support/bitrix-connections.js';
import { readEnvironment } from '../config/environment.js';
import { bitrixHttp } from './bitrix-http.js';
import { OauthClient } from './oauth.client.js';

const GRANT = {
  access_token: 'access-1',
  refresh_token: 'refresh-1',
  expires: 1,
  expires_in: 3600,
  scope: 'im,imopenlines',
  domain: 'oauth.bitrix24.tech',
  client_endpoint: 'https://acme.bitrix24.com/rest/',
  member_id: 'a223c6b3710f85df22e9377d6c4f7553',
  user_id: 67,
};

let server: http.Server;
let origin: string;
let seen: { method: string; url: string; form: URLSearchParams }[] = [];
let respond: (request: IncomingMessage, response: ServerResponse) => void;

const answer = (status: number, body: unknown) => {
  respond = (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
};

const client = (variables: Record<string, string> = {}) =>
  new OauthClient(bitrixHttp(bitrixConnections(variables)), readEnvironment(variables));

beforeAll(async () => {
  server = http.createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    seen.push({
      method: request.method!,
      url: request.url!,
      form: new URLSearchParams(Buffer.concat(chunks).toString()),
    });
    respond(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  seen = [];
});

const refusal = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('no error'),
    (error: Record<string, unknown>) => error,
  );

describe('the token endpoint', () => {
  it('exchanges a code, with the secret in the body only and the lifetime by our clock', async () => {
    answer(200, GRANT);
    const grant = await client().exchangeCode(origin, 'local.1', 'the-secret', 'the-code');
    expect(seen).toHaveLength(1);
    expect(seen[0]).toMatchObject({ method: 'POST', url: '/oauth/token/' });
    expect(Object.fromEntries(seen[0]!.form)).toEqual({
      grant_type: 'authorization_code',
      client_id: 'local.1',
      client_secret: 'the-secret',
      code: 'the-code',
    });
    expect(grant).toMatchObject({
      accessToken: 'access-1',
      refreshToken: 'refresh-1',
      userId: '67',
      memberId: GRANT.member_id,
      clientEndpoint: GRANT.client_endpoint,
    });
    expect(Math.abs(grant.expiresAt.getTime() - Date.now() - 3_600_000)).toBeLessThan(5_000);
  });

  it.each([
    [400, 'invalid_grant', 'unauthorised'],
    [400, 'invalid_client', 'refused'],
    [200, 'wrong_client', 'refused'],
    [403, 'access_denied', 'refused'],
    [401, 'NOT_INSTALLED', 'unauthorised'],
    [402, 'PAYMENT_REQUIRED', 'refused'],
    [500, 'INTERNAL_SERVER_ERROR', 'not_sent'],
    [400, 'SOMETHING_NEW', 'not_sent'],
    [503, 'QUERY_LIMIT_EXCEEDED', 'not_sent'],
  ])('%i %s is %s', async (status, code, kind) => {
    answer(status, { error: code, error_description: 'why' });
    expect(await refusal(client().refresh(origin, 'local.1', 's', 'r'))).toMatchObject({
      kind,
      code,
      scope: 'endpoint',
    });
  });

  it.each([
    [200, '<html>maintenance</html>', 'unknown'],
    [403, '<html>no</html>', 'not_sent'],
    [502, '<html>bad gateway</html>', 'unknown'],
    [503, '', 'not_sent'],
    [200, '{"access_token":"a"}', 'unknown'],
  ])('%i with %s is %s, never final', async (status, body, kind) => {
    answer(status, body);
    expect(await refusal(client().refresh(origin, 'local.1', 's', 'r'))).toMatchObject({ kind });
  });

  it('never follows a redirect with its credentials', async () => {
    respond = (_request, response) => response.writeHead(302, { Location: `${origin}/elsewhere` }).end();
    expect(await refusal(client().refresh(origin, 'local.1', 's', 'r'))).toMatchObject({ kind: 'not_sent' });
    expect(seen.map(({ url }) => url)).toEqual(['/oauth/token/']);
  });

  it('says nothing secret when it fails', async () => {
    respond = (request) => request.socket.destroy();
    const error = await refusal(client().refresh(origin, 'local.1', 'the-secret', 'the-token'));
    expect(error).toMatchObject({ kind: 'unknown', code: 'ECONNRESET' });
    expect(JSON.stringify(error) + String(error['message']) + String(error['stack'])).not.toMatch(
      /the-secret|the-token/,
    );
  });

  it('knows a server that was never reached', async () => {
    expect(await refusal(client().refresh('http://127.0.0.1:1', 'local.1', 's', 'r'))).toMatchObject({
      kind: 'not_sent',
      code: 'ECONNREFUSED',
    });
  });
});

describe('app.info', () => {
  it('reads whose token it is, the token in the body', async () => {
    answer(200, {
      client_id: 'local.1',
      scope: 'im,imopenlines',
      expires: 1,
      install: {
        installed: true,
        version: 1,
        status: 'L',
        scope: 'im',
        domain: 'acme.bitrix24.com',
        uri: 'https://acme.bitrix24.com/',
        client_endpoint: 'https://acme.bitrix24.com/rest/',
        member_id: 'm1',
      },
    });
    expect(await client().appInfo(origin, 'token-1')).toEqual({
      clientId: 'local.1',
      scope: ['im', 'imopenlines'],
      install: {
        installed: true,
        status: 'L',
        domain: 'acme.bitrix24.com',
        clientEndpoint: 'https://acme.bitrix24.com/rest/',
        memberId: 'm1',
      },
    });
    expect(seen[0]!.url).toBe('/rest/app.info');
    expect(seen[0]!.form.get('auth')).toBe('token-1');
  });

  it('refuses a token nobody issued', async () => {
    answer(400, { error: 'invalid_client' });
    expect(await refusal(client().appInfo(origin, 'forged'))).toMatchObject({ kind: 'unauthorised' });
  });
});

describe('which OAuth server gets the secret', () => {
  it.each([
    [
      { serverEndpoint: 'https://oauth.bitrix24.tech/rest/', portalDomain: 'a.bitrix24.com' },
      'https://oauth.bitrix24.tech',
    ],
    [{ serverDomain: 'oauth.bitrix.info', portalDomain: 'a.bitrix24.ru' }, 'https://oauth.bitrix.info'],
    [{ serverEndpoint: 'https://evil.example/rest/', portalDomain: 'a.bitrix24.ru' }, 'https://oauth.bitrix24.tech'],
    [
      { serverEndpoint: 'http://oauth.bitrix.info/rest/', portalDomain: 'a.bitrix24.kz' },
      'https://oauth.bitrix24.tech',
    ],
    [{ serverDomain: 'oauth.bitrix.info.evil.example' }, 'https://oauth.bitrix.info'],
    [{}, 'https://oauth.bitrix.info'],
  ])('%o: %s', (received, expected) => expect(client().resolveOauthOrigin(received)).toBe(expected));

  it('B24_OAUTH_URL comes before everything', () => {
    const configured = client({ B24_OAUTH_URL: 'http://127.0.0.1:9000/' });
    expect(configured.resolveOauthOrigin({ serverEndpoint: 'https://oauth.bitrix.info/rest/' })).toBe(
      'http://127.0.0.1:9000',
    );
  });
});

it('asks for consent with nothing but the client id and the state', () => {
  expect(client().authorizeUrl('https://acme.bitrix24.com', 'local.1', 'a b')).toBe(
    'https://acme.bitrix24.com/oauth/authorize/?client_id=local.1&state=a+b',
  );
});
