import { Injectable, Logger } from '@nestjs/common';
import { stateReason } from '../common/state-reasons.js';
import { UpstreamError } from '../common/upstream-error.js';
import { DatabaseService } from '../storage/postgres/database.service.js';
import { PortalsRepository, type PortalRecord } from '../storage/accounts/portals.repository.js';
import {
  TokensRepository,
  type TokenKey,
  type TokenOwner,
  type TokenPair,
  type TokenRecord,
} from '../storage/accounts/tokens.repository.js';
import { ApplicationsService } from './applications.service.js';
import { assertCallable, needsAuthorisation } from './callable-portals.js';
import { OauthClient } from './oauth.client.js';
import { TokenPauses } from './token-pauses.js';
import { TokenRefresh } from './token-refresh.js';

/** An access token and the Bitrix24 user it acts for. */
export interface Credentials {
  token: string;
  userId: string;
}

/** A token this close to its end is renewed before it is used: calls last up to 60 s. */
const RENEW_BEFORE_MS = 60_000;

/** Until shortly before its end a token is better than none. */
const LAST_USE_MS = 5_000;

/**
 * The OAuth pairs of all portals. Bitrix24 rotates the refresh token with every use, so a pair is refreshed by
 * one caller at a time: one flight per portal in this process, a row lock between processes, and whoever waited
 * for the lock uses what the other one stored. Every failure is an {@link UpstreamError}: `not_sent` when the
 * OAuth server may answer later (scope `portal`: once somebody has corrected the secret, or paid), `unauthorised`
 * when somebody has to install again.
 */
@Injectable()
export class TokensService {
  private readonly logger = new Logger(TokensService.name);
  private readonly cache = new Map<bigint, { pair: TokenRecord; installedAt: Date }>();
  private readonly flights = new Map<bigint, Promise<TokenRecord>>();
  private readonly pauses = new TokenPauses();
  private readonly refresh: TokenRefresh;

  constructor(
    private readonly db: DatabaseService,
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensRepository,
    oauth: OauthClient,
    applications: ApplicationsService,
  ) {
    this.refresh = new TokenRefresh(db, tokens, oauth, applications, this.pauses);
  }

  /**
   * A token that lives for at least another minute, the installer's if possible. `installedAt`: none that was kept
   * from before, as a newer installation may have come by way of another replica.
   */
  async accessToken(portalId: bigint, installedAt?: Date): Promise<Credentials> {
    const cached = this.cache.get(portalId);
    if (cached && installedAt && cached.installedAt < installedAt) this.cache.delete(portalId);
    return this.obtain(portalId);
  }

  /** Another token than the one the portal answered `expired_token` or `invalid_token` to. */
  async refreshAfterRejection(portalId: bigint, rejectedToken: string): Promise<Credentials> {
    return this.obtain(portalId, rejectedToken);
  }

  /**
   * Gives up the pair of a user the portal no longer accepts (dismissed, no access to the application) and
   * answers the next administrator's.
   */
  async rejectUser(portalId: bigint, rejected: Credentials, reason: string): Promise<Credentials> {
    const key = { portalId, userId: rejected.userId };
    await this.db.transaction(async (connection) => {
      const pair = await this.tokens.lock(connection, key);
      if (pair?.accessToken === rejected.token) await this.tokens.kill(connection, key, reason);
    });
    this.logger.warn(`Portal ${portalId}: user ${rejected.userId} is no longer accepted (${reason})`);
    return this.obtain(portalId, rejected.token);
  }

  /** Stores a verified pair, sealed; a portal that waited for one is active again. */
  async saveTokens(portalId: bigint, userId: string, pair: TokenPair, owner: TokenOwner): Promise<void> {
    const key = { portalId, userId };
    await this.db.transaction(async (connection) => {
      await this.tokens.save(connection, key, pair, owner);
      if (owner.isAdmin || owner.isInstaller) await this.portals.endPark(portalId, connection);
    });
    this.cache.delete(portalId);
    this.pauses.end(key);
  }

  /** Gives up every pair of a portal: another application came in the place of theirs. */
  async giveUpAll(portalId: bigint, reason: string): Promise<void> {
    await this.tokens.killAll(portalId, reason);
    this.cache.delete(portalId);
  }

  /** Refreshes one pair unless it was refreshed after `since`, by whomever. */
  async keepAlive(key: TokenKey, since: Date): Promise<void> {
    const portal = await this.callable(key.portalId);
    const renewal = await this.refresh.renew(portal, key, (pair) => pair.refreshedAt > since);
    if ('dead' in renewal) await this.parkWithoutTokens(portal.id, renewal.dead);
  }

  /** A token was rejected although it had just been renewed: no use in renewing it again at once. */
  renewalDidNotHelp(portalId: bigint, userId: string): void {
    this.pauses.beginUseless({ portalId, userId });
  }

  /** Until when a user's pair is left alone after a refresh that failed; undefined when nothing is wrong. */
  refreshPausedUntil(portalId: bigint, userId: string): Date | undefined {
    return this.pauses.until({ portalId, userId });
  }

  private async obtain(portalId: bigint, rejected?: string): Promise<Credentials> {
    for (;;) {
      const cached = this.cache.get(portalId)?.pair;
      if (cached && isFresh(cached) && cached.accessToken !== rejected) return credentials(cached);
      const flight = this.flights.get(portalId);
      if (!flight) return credentials(await this.fly(portalId, rejected));
      // A flight that began earlier may bring the very token that was rejected here.
      const pair = await flight;
      if (pair.accessToken !== rejected) return credentials(pair);
    }
  }

  private async fly(portalId: bigint, rejected?: string): Promise<TokenRecord> {
    const flight = this.find(portalId, rejected).finally(() => this.flights.delete(portalId));
    this.flights.set(portalId, flight);
    return flight;
  }

  /** Goes through the administrators' pairs until one is usable or can be made so. */
  private async find(portalId: bigint, rejected?: string): Promise<TokenRecord> {
    const portal = await this.callable(portalId);
    let last: UpstreamError | undefined;
    for (const pair of await this.tokens.listUsable(portalId)) {
      const outcome = await this.tryPair(portal, pair, rejected);
      if (!(outcome instanceof UpstreamError)) {
        this.cache.set(portalId, { pair: outcome, installedAt: portal.installedAt });
        return outcome;
      }
      // What may pass tells more about the portal than a pair that is dead.
      if (last?.kind !== 'not_sent') last = outcome;
    }
    this.cache.delete(portalId);
    if (last?.kind === 'not_sent') throw last;
    throw await this.parkWithoutTokens(portalId, last);
  }

  private async tryPair(
    portal: PortalRecord,
    pair: TokenRecord,
    rejected?: string,
  ): Promise<TokenRecord | UpstreamError> {
    const isUsable = (known: TokenRecord) => isFresh(known) && known.accessToken !== rejected;
    if (isUsable(pair)) return pair;
    try {
      const renewal = await this.refresh.renew(portal, pair, isUsable);
      return 'pair' in renewal ? renewal.pair : renewal.dead;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // A token that only comes to its end is used up while it cannot be renewed.
      const stillLives = pair.accessToken !== rejected && pair.expiresAt.getTime() > Date.now() + LAST_USE_MS;
      return stillLives ? pair : error;
    }
  }

  private async callable(portalId: bigint): Promise<PortalRecord> {
    const portal = await this.portals.findById(portalId);
    assertCallable(portal);
    return portal;
  }

  private async parkWithoutTokens(portalId: bigint, cause?: UpstreamError): Promise<UpstreamError> {
    const reason = cause ? `${cause.code}: ${cause.detail}` : stateReason('no_administrator');
    if (await this.portals.requireAuthorisationWithoutTokens(portalId, reason)) {
      this.logger.error(`Portal ${portalId} has to be authorised again: ${reason}`);
    }
    return needsAuthorisation(reason);
  }
}

function isFresh({ expiresAt }: TokenRecord): boolean {
  return expiresAt.getTime() - Date.now() > RENEW_BEFORE_MS;
}

function credentials({ accessToken, userId }: TokenRecord): Credentials {
  return { token: accessToken, userId };
}
