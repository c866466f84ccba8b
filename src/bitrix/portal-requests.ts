import { Logger } from '@nestjs/common';
import { UpstreamError } from '../common/upstream-error.js';
import type { PortalsRepository, PortalRecord } from '../storage/accounts/portals.repository.js';
import { bitrixError } from './bitrix-problems.js';
import { noteBesideCall } from './call-notes.js';
import type { CallablePortals } from './callable-portals.js';
import type { HarmlessCall } from './harmless-call.js';
import type { PortalMove } from './portal-move.js';
import type { RateLimiter } from './rate-limiter.js';
import type { RequestPermit } from './request-permit.js';
import { isInstallationLost, isPageRefusal, isQueryLimit, isTokenRejected, isUserRejected } from './rest-errors.js';
import type { RestExchange } from './rest-exchange.js';
import type { RestTroubles } from './rest-troubles.js';
import type { CallOptions, RestAnswer, RestParams } from './rest.types.js';
import type { Credentials, TokensService } from './tokens.service.js';

/** A look at the portal's row is good for this long; a call that waited longer looks again before it leaves. */
const LOOKED_MS = 100;

/** Administrators whose tokens are tried for one call. */
const MAX_USERS = 5;

/**
 * Sends a call until there is an answer that another token, another administrator or the portal's new address cannot
 * change. What a failure says about the portal as a whole is stored.
 */
export class PortalRequests {
  private readonly logger = new Logger(PortalRequests.name);

  constructor(
    private readonly callable: CallablePortals,
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensService,
    private readonly limiter: RateLimiter,
    private readonly troubles: RestTroubles,
    private readonly exchange: RestExchange,
    private readonly harmless: HarmlessCall,
    private readonly move: PortalMove,
  ) {}

  /** Throws {@link UpstreamError} for everything that is not a success. */
  async send<Result>(
    portalId: bigint,
    method: string,
    params: RestParams,
    options: CallOptions,
    permit: RequestPermit,
  ): Promise<RestAnswer<Result>> {
    try {
      return await this.insist<Result>(portalId, method, params, options, permit);
    } catch (error) {
      throw error instanceof UpstreamError ? await this.keepTrouble(portalId, method, error) : error;
    }
  }

  /**
   * Sends a call once, with a token that is not among ours: what becomes of the token concerns whoever has it. Throws
   * {@link UpstreamError} for everything that is not a success.
   */
  async sendAs<Result>(
    portalId: bigint,
    accessToken: string,
    method: string,
    params: RestParams,
    options: CallOptions,
    permit: RequestPermit,
  ): Promise<RestAnswer<Result>> {
    await permit.ready();
    const portal = await this.callable.get(portalId);
    permit.use();
    const credentials = { token: accessToken, userId: '' };
    const { answer, error } = await this.exchange.run<Result>(portal, method, credentials, params, options);
    if (answer) return answer;
    throw isQueryLimit(error) ? await this.noteTrouble(portal, credentials, error) : error;
  }

  /** Stores what an error says beyond this call, and answers the error to act upon. Failing to store it hides nothing. */
  async keepTrouble(portalId: bigint, method: string, error: UpstreamError): Promise<UpstreamError> {
    return (await noteBesideCall(() => this.troubles.keep(portalId, method, error))) ?? error;
  }

  /** The new address and a new token are tried once each, administrators until none is left. */
  private async insist<Result>(
    portalId: bigint,
    method: string,
    params: RestParams,
    options: CallOptions,
    permit: RequestPermit,
  ): Promise<RestAnswer<Result>> {
    let portal = await this.callable.get(portalId);
    let lookedAt = performance.now();
    let credentials = await this.tokens.accessToken(portalId, portal.installedAt);
    let [moved, renewed, users] = [false, false, 1];
    for (;;) {
      await permit.ready();
      // While it waited for the bucket, a token or another answer, the application may have been removed or reinstalled.
      while (performance.now() - lookedAt > LOOKED_MS) {
        const { installedAt } = portal;
        portal = await this.callable.get(portalId);
        lookedAt = performance.now();
        if (portal.installedAt > installedAt) credentials = await this.tokens.accessToken(portalId, portal.installedAt);
      }
      permit.use();
      const askedAt = performance.now();
      const { destination, answer, error } = await this.exchange.run<Result>(
        portal,
        method,
        credentials,
        params,
        options,
      );
      if (destination && !moved) {
        portal = await this.move.follow(portal, destination, credentials);
        moved = true;
        continue;
      }
      if (answer) return answer;
      if (isTokenRejected(error) && !renewed) {
        credentials = await this.tokens.refreshAfterRejection(portalId, credentials.token);
        renewed = true;
      } else if (isUserRejected(error) && users < MAX_USERS) {
        credentials = await this.tokens.rejectUser(portalId, credentials, error.code);
        users += 1;
        renewed = false;
      } else if (isPageRefusal(error)) {
        throw await this.harmless.judgePage(portal, method, credentials, error, askedAt);
      } else {
        throw await this.noteTrouble(portal, credentials, error);
      }
    }
  }

  /** Stores what an error says about the whole portal, and answers the error to throw. */
  private async noteTrouble(portal: PortalRecord, { userId }: Credentials, error: unknown): Promise<unknown> {
    if (isQueryLimit(error)) {
      const retryAfterMs = (await noteBesideCall(() => this.limiter.penalise(portal.id))) ?? error.retryAfterMs;
      return bitrixError('not_sent', error.code, error.detail, 'endpoint', retryAfterMs);
    }
    if (isInstallationLost(error)) {
      const reason = `${error.code}: ${error.detail}`;
      if (await noteBesideCall(() => this.portals.requireAuthorisation(portal.id, reason, portal.installedAt))) {
        this.logger.error(`Portal ${portal.id} has to be authorised again: ${reason}`);
      }
    }
    if (isTokenRejected(error)) this.tokens.renewalDidNotHelp(portal.id, userId);
    return error;
  }
}
