import { Injectable } from '@nestjs/common';
import { TransportError } from '../common/http-exchange.js';
import { watchCall } from '../common/spans.js';
import { UpstreamError, type UpstreamErrorKind } from '../common/upstream-error.js';
import { Environment, OFFICIAL_OAUTH_ORIGINS } from '../config/environment.js';
import { BitrixConnections } from './bitrix-connections.js';
import { oauthOriginOfRegion } from './portal-hosts.js';
import { bitrixError, bitrixProblem } from './bitrix-problems.js';
import { fieldsOf, isYes } from './php-values.reader.js';
import { parseObject } from '../common/json-fields.js';
import { classifyPage, classifyTransport, describe, readFault, type RestFault } from './rest-errors.js';

const TIMEOUT_MS = 10_000;
const HEADERS = { Accept: 'application/json', 'Content-Type': 'application/x-www-form-urlencoded' };

/**
 * What the token endpoint says of the pair or the code itself (apidocs.bitrix24.com, "OAuth error codes"): it is void,
 * and only a new installation helps.
 */
const ABOUT_THE_PAIR = new Set(['invalid_grant', 'not_installed']);

/**
 * What it says of the application or the bill: a person has to put something right, and then the pair is as good as
 * before. Anything else is taken as trouble that passes.
 */
const ABOUT_THE_APPLICATION = new Set([
  'invalid_client',
  'wrong_client',
  'unauthorized_client',
  'payment_required',
  'access_denied',
  'invalid_scope',
  'insufficient_scope',
  'invalid_request',
  'unsupported_grant_type',
  'portal_deleted',
]);

/** What app.info says of an access token that is void. */
const ABOUT_THE_TOKEN = new Set([
  ...ABOUT_THE_PAIR,
  ...ABOUT_THE_APPLICATION,
  'expired_token',
  'invalid_token',
  'no_auth_found',
  'application_not_found',
  'error_oauth',
  'authorization_error',
  'user_access_error',
]);

/** What the token endpoint issues. */
export interface TokenGrant {
  accessToken: string;
  refreshToken: string;
  /** By our clock. */
  expiresAt: Date;
  /** Bitrix24 id of the user the pair acts for. */
  userId: string;
  memberId: string;
  /** REST base of the portal, unchecked. */
  clientEndpoint: string;
  scope: string;
}

/** What the OAuth server says about an access token. */
export interface AppInfo {
  clientId: string;
  scope: string[];
  userId?: string;
  install: {
    installed: boolean;
    status: string;
    domain: string;
    /** REST base of the portal, unchecked. */
    clientEndpoint: string;
    memberId: string;
  };
}

/** What an installation or a callback names as its OAuth server, as it came. */
export interface ReceivedOauthServer {
  serverEndpoint?: string | undefined;
  serverDomain?: string | undefined;
  portalDomain?: string | undefined;
}

/**
 * Bitrix24's OAuth 2.0 server (apidocs.bitrix24.com, "Full OAuth 2.0 protocol"). Credentials travel in form
 * bodies, never in URLs. Every failure is an {@link UpstreamError}: `unauthorised` is final for what was handed in,
 * `refused` speaks of the application and not of what was handed in, `not_sent` and `unknown` may be tried again.
 */
@Injectable()
export class OauthClient {
  constructor(
    private readonly connections: BitrixConnections,
    private readonly environment: Environment,
  ) {}

  /** Where a browser asks for consent. The address it comes back to is the application card's, not ours to name. */
  authorizeUrl(portalOrigin: string, clientId: string, state: string): string {
    const url = new URL('/oauth/authorize/', portalOrigin);
    url.search = new URLSearchParams({ client_id: clientId, state }).toString();
    return url.href;
  }

  /** Turns the code of a callback into the first pair; the code lives 30 s and works once. */
  exchangeCode(origin: string, clientId: string, clientSecret: string, code: string): Promise<TokenGrant> {
    return this.token(origin, {
      grant_type: 'authorization_code',
      client_id: clientId,
      client_secret: clientSecret,
      code,
    });
  }

  /** Issues a new pair; the refresh token given is spent by it. */
  refresh(origin: string, clientId: string, clientSecret: string, refreshToken: string): Promise<TokenGrant> {
    return this.token(origin, {
      grant_type: 'refresh_token',
      client_id: clientId,
      client_secret: clientSecret,
      refresh_token: refreshToken,
    });
  }

  /** Asks the issuer itself which application, portal and user an access token belongs to. */
  async appInfo(origin: string, accessToken: string): Promise<AppInfo> {
    const body = await this.ask(`${origin}/rest/app.info`, { auth: accessToken });
    return readAppInfo(fieldsOf(body['result']) ?? body);
  }

  /**
   * The origin to which the client secret may be sent: B24_OAUTH_URL when set; otherwise only one of the two
   * official servers, the one that was named if it is one of them, else the one of the portal's region.
   */
  resolveOauthOrigin({ serverEndpoint, serverDomain, portalDomain }: ReceivedOauthServer): string {
    if (this.environment.oauthOrigin) return this.environment.oauthOrigin;
    for (const named of [serverEndpoint, serverDomain && `https://${serverDomain}`]) {
      const origin = named && URL.canParse(named) ? new URL(named).origin : undefined;
      const official = OFFICIAL_OAUTH_ORIGINS.find((known) => known === origin);
      if (official) return official;
    }
    return oauthOriginOfRegion((portalDomain ?? '').replace(/:\d+$/, ''));
  }

  private async token(origin: string, form: Record<string, string>): Promise<TokenGrant> {
    return readGrant(await this.ask(`${origin}/oauth/token/`, form));
  }

  private ask(url: string, form: Record<string, string>): Promise<Record<string, unknown>> {
    const method = url.endsWith('/oauth/token/') ? 'oauth.token' : 'oauth.app.info';
    return watchCall('bitrix24', method, () => this.exchange(url, form));
  }

  private async exchange(url: string, form: Record<string, string>): Promise<Record<string, unknown>> {
    const written = new URLSearchParams(form).toString();
    const request = { url: new URL(url), headers: HEADERS, body: written, timeoutMs: TIMEOUT_MS };
    const answer = await this.connections.post(request, null).catch((error: unknown) => {
      throw error instanceof TransportError ? classifyTransport(error) : error;
    });
    const body = parseObject(answer.text);
    if (!body) throw unreadable(answer.status);
    // Before the status: an unknown client id is answered with 200.
    const fault = readFault(body);
    if (fault) throw classifyOauthFault(fault, answer.status, url.endsWith('/oauth/token/'));
    if (answer.status !== 200) throw unreadable(answer.status);
    return body;
  }
}

function classifyOauthFault(fault: RestFault, status: number, ofPair: boolean): UpstreamError {
  const detail = `the OAuth server said: ${describe(fault)}`;
  return bitrixError(
    status < 500 ? kindOf(fault.code.toLowerCase(), ofPair) : 'not_sent',
    fault.code,
    detail,
    'endpoint',
  );
}

function kindOf(code: string, ofPair: boolean): UpstreamErrorKind {
  if (!ofPair) return ABOUT_THE_TOKEN.has(code) ? 'unauthorised' : 'not_sent';
  if (ABOUT_THE_PAIR.has(code)) return 'unauthorised';
  return ABOUT_THE_APPLICATION.has(code) ? 'refused' : 'not_sent';
}

/** A page is a gateway's: the credentials were not judged, so it is never final. */
function unreadable(status: number): UpstreamError {
  const { code, kind } = classifyPage(status);
  return bitrixError(
    kind === 'unknown' ? 'unknown' : 'not_sent',
    code,
    'the OAuth server answered without JSON',
    'endpoint',
  );
}

function readGrant(body: Record<string, unknown>): TokenGrant {
  const { access_token: accessToken, refresh_token: refreshToken } = body;
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string' || !accessToken || !refreshToken) {
    throw bitrixProblem('NO_TOKENS', 'the OAuth server answered without a pair of tokens');
  }
  return {
    accessToken,
    refreshToken,
    expiresAt: expiry(body),
    userId: word(body['user_id']),
    memberId: word(body['member_id']),
    clientEndpoint: word(body['client_endpoint']),
    scope: word(body['scope']),
  };
}

/** `expires` is the server's clock, `expires_in` works with any; an hour is what Bitrix24 gives. */
function expiry(body: Record<string, unknown>): Date {
  const lifetime = Number(body['expires_in']);
  if (lifetime > 0) return new Date(Date.now() + lifetime * 1000);
  const expires = Number(body['expires']);
  return new Date(expires > 0 ? expires * 1000 : Date.now() + 3_600_000);
}

function readAppInfo(info: Record<string, unknown>): AppInfo {
  const install = fieldsOf(info['install']) ?? {};
  const scope = info['scope'];
  return {
    clientId: word(info['client_id']),
    scope: Array.isArray(scope) ? scope.map(String) : word(scope).split(',').filter(Boolean),
    ...(info['user_id'] !== undefined && { userId: word(info['user_id']) }),
    install: {
      installed: isYes(install['installed']),
      status: word(install['status']),
      domain: word(install['domain']),
      clientEndpoint: word(install['client_endpoint']),
      memberId: word(install['member_id']),
    },
  };
}

function word(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
}
