import { setTimeout as sleep } from 'node:timers/promises';
import type { Faults, TransportFault } from './faults.js';
import { htmlPage, json, requestParams, type Answer, type Exchange, type Reply } from './http-exchange.js';
import { text, type Params } from './php-encoding.js';
import type { Portal } from './portal.js';
import type { AccessGrant, Grant, TokenStore } from './token-store.js';

/** Counts what the ledger asks about refreshes, per client id. */
export interface RefreshCount {
  refreshes: number;
  /** Refreshes that began while another one of the same application was still running. */
  concurrent: number;
  /** Attempts with a refresh token that had been exchanged before. */
  reused: number;
}

/** The OAuth server: `/oauth/token/` and the REST method `app.info`, shared by all portals. */
export class OAuthServer {
  readonly counts = new Map<string, RefreshCount>();
  /** How many requests had `client_secret` in the URL. */
  secretsInUrl = 0;
  private readonly running = new Map<string, number>();

  constructor(
    private readonly tokens: TokenStore,
    private readonly portals: () => Portal[],
    private readonly faults: Faults,
    private readonly latencyMs: () => number,
  ) {}

  async answer(exchange: Exchange): Promise<Answer> {
    const { params, query } = requestParams(exchange);
    if (query['client_secret'] !== undefined) this.secretsInUrl += 1;
    const fault = this.faults.takeTransport([['oauth', params]], false);
    if (fault !== undefined) return this.fail(fault, exchange, params);
    return this.perform(exchange, params);
  }

  /** Fields of a token answer, and of the `auth` block of events; `domain` is left to the caller. */
  static grantFields(grant: AccessGrant, serverEndpoint: string): Params {
    return {
      access_token: grant.token,
      expires: Math.floor(grant.expiresAt / 1000),
      expires_in: 3600,
      scope: grant.app.scope.join(','),
      server_endpoint: serverEndpoint,
      status: grant.app.status,
      client_endpoint: grant.portal.clientEndpoint,
      member_id: grant.portal.memberId,
      user_id: grant.userId,
    };
  }

  refreshCount(clientId: string): RefreshCount {
    const count = this.counts.get(clientId) ?? { refreshes: 0, concurrent: 0, reused: 0 };
    this.counts.set(clientId, count);
    return count;
  }

  private async fail(fault: TransportFault, exchange: Exchange, params: Params): Promise<Answer> {
    if (fault === 'dropBefore') return 'drop';
    if (fault === 'dropAfter') {
      await this.perform(exchange, params);
      return 'drop';
    }
    if ('html' in fault) {
      if (fault.performed) await this.perform(exchange, params);
      return htmlPage(fault.html, 'Bad Gateway');
    }
    const answer = fault.performed === false ? htmlPage(504, 'Gateway Time-out') : await this.perform(exchange, params);
    await sleep(fault.delayMs);
    return answer;
  }

  private async perform(exchange: Exchange, params: Params): Promise<Reply> {
    const refusal = this.faults.takeRefusal('oauth', params, false);
    if (refusal !== undefined) return oauthError(refusal.status, refusal.error, refusal.description);
    if (exchange.path.replace(/\/$/, '') === '/oauth/token') return this.token(params);
    if (/^\/rest\/app\.info(\.json)?\/?$/i.test(exchange.path)) return this.appInfo(exchange, params);
    return htmlPage(404, 'Not Found');
  }

  private async token(params: Params): Promise<Reply> {
    const clientId = text(params['client_id']);
    const apps = this.portals().flatMap((portal) => portal.apps.filter((app) => app.clientId === clientId));
    const grantType = text(params['grant_type']);
    if (grantType === '') return missing('grant_type');
    if (clientId === '') return missing('client_id');
    if (apps.length === 0) return json(200, { error: 'wrong_client' });
    if (!apps.some((app) => app.clientSecret === params['client_secret'])) return oauthError(400, 'invalid_client');
    if (grantType === 'authorization_code') return this.exchangeCode(params, clientId);
    if (grantType === 'refresh_token') return this.refresh(params, clientId);
    return oauthError(400, 'unsupported_grant_type');
  }

  private exchangeCode(params: Params, clientId: string): Reply {
    const code = text(params['code']);
    if (code === '') return missing('code');
    const grant = this.tokens.takeCode(code, clientId);
    return grant === undefined ? oauthError(400, 'invalid_grant') : this.issue(grant);
  }

  private async refresh(params: Params, clientId: string): Promise<Reply> {
    const token = text(params['refresh_token']);
    if (token === '') return missing('refresh_token');
    const count = this.refreshCount(clientId);
    const running = this.running.get(clientId) ?? 0;
    if (running > 0) count.concurrent += 1;
    this.running.set(clientId, running + 1);
    try {
      const { grant, reused } = this.tokens.takeRefresh(token, clientId);
      if (reused) count.reused += 1;
      if (this.latencyMs() > 0) await sleep(this.latencyMs());
      if (grant === undefined) return oauthError(400, 'invalid_grant');
      count.refreshes += 1;
      return this.issue(grant);
    } finally {
      this.running.set(clientId, (this.running.get(clientId) ?? 1) - 1);
    }
  }

  private issue(grant: Grant): Reply {
    if (grant.app.deleted) return oauthError(401, 'NOT_INSTALLED', 'Application not installed');
    if (grant.app.paymentExpired) return oauthError(401, 'PAYMENT_REQUIRED', 'Payment required');
    const access = this.tokens.issueAccess(grant);
    const serverEndpoint = grant.portal.serverEndpoint;
    return json(200, {
      ...OAuthServer.grantFields(access, serverEndpoint),
      // Here `domain` is the OAuth server's host, unlike in events and frames.
      domain: new URL(serverEndpoint).host,
      refresh_token: this.tokens.issueRefresh(grant),
    });
  }

  private appInfo(exchange: Exchange, params: Params): Reply {
    const token = accessToken(exchange, params);
    if (token === '') return oauthError(401, 'NO_AUTH_FOUND', 'Wrong authorization data');
    const grant = this.tokens.findAccess(token);
    if (grant === undefined) return oauthError(400, 'invalid_client');
    if (grant.expiresAt <= grant.portal.clock.now())
      return oauthError(401, 'expired_token', 'The access token provided has expired.');
    const { app, portal } = grant;
    return json(200, {
      result: {
        client_id: app.clientId,
        scope: app.scope.join(','),
        expires: Math.floor(grant.expiresAt / 1000),
        install: {
          installed: app.installed && !app.deleted,
          version: app.version,
          status: app.status,
          scope: app.scope.join(','),
          domain: portal.domain,
          uri: portal.url,
          client_endpoint: portal.clientEndpoint,
          member_id: portal.memberId,
          member_type: 'portal',
        },
      },
    });
  }
}

/** The token of a request: header first, then `auth`, then `access_token`. '' when there is none. */
export function accessToken(exchange: Exchange, params: Params): string {
  const bearer = /^bearer\s+(\S+)$/i.exec(exchange.headers.authorization ?? '')?.[1];
  return bearer ?? (text(params['auth']) || text(params['access_token']));
}

function missing(name: string): Reply {
  return oauthError(400, 'invalid_request', `No "${name}" parameter found`);
}

function oauthError(status: number, error: string, description?: string): Reply {
  return json(status, { error, ...(description === undefined ? {} : { error_description: description }) });
}
