import { Injectable, Logger } from '@nestjs/common';
import { readStateReason, stateReason, stateReasonInWords } from '../common/state-reasons.js';
import { UpstreamError } from '../common/upstream-error.js';
import { DatabaseService, type Queryable } from '../storage/postgres/database.service.js';
import { PortalsRepository, type PortalRecord } from '../storage/accounts/portals.repository.js';
import {
  TokensRepository,
  type TokenKey,
  type TokenOwner,
  type TokenPair,
  type TokenRecord,
} from '../storage/accounts/tokens.repository.js';
import { ApplicationsService } from './applications.service.js';
import { OauthClient } from './oauth.client.js';
import { bitrixError, bitrixProblem } from './bitrix-problems.js';

/** An access token and the Bitrix24 user it acts for. */
export interface Credentials {
  token: string;
  userId: string;
}

/** A token this close to its end is renewed before it is used: calls last up to 60 s. */
const RENEW_BEFORE_MS = 60_000;

/** Until shortly before its end a token is better than none. */
const LAST_USE_MS = 5_000;

/** How long a pair is left alone after a hiccup of the OAuth server: at first, and at most; each pause doubles. */
const HICCUP_MS = { first: 1_000, longest: 30_000 };
/** The same after a clear word on the application or the bill, which a person has to put right. */
const REFUSAL_MS = { first: 30_000, longest: 300_000 };
/** A token that is refused however new it is. */
const USELESS_MS = 30_000;

/** A pair is left alone for a while. */
interface Pause {
  until: number;
  /** Refreshes that failed in this way, one after the other. */
  failures: number;
  error: UpstreamError;
  /** That the OAuth server did not want: with another one it is asked at once. */
  secret?: string;
}

/**
 * Refreshes under way at once. Each holds a database connection while the OAuth server thinks, and the pool is
 * needed to accept messages.
 */
const MAX_REFRESHES = 3;

type Usable = (pair: TokenRecord) => boolean;
type Renewal = { pair: TokenRecord } | { dead: UpstreamError };

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
  private readonly pauses = new Map<string, Pause>();
  /** Pairs that were issued but could not be stored, with the refresh token they replaced. */
  private readonly unsaved = new Map<string, { spent: string; pair: TokenPair }>();
  private readonly refreshes = new Slots(MAX_REFRESHES);

  constructor(
    private readonly db: DatabaseService,
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensRepository,
    private readonly oauth: OauthClient,
    private readonly applications: ApplicationsService,
  ) {}

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
    this.pauses.delete(nameOf(key));
  }

  /** Gives up every pair of a portal: another application came in the place of theirs. */
  async giveUpAll(portalId: bigint, reason: string): Promise<void> {
    await this.tokens.killAll(portalId, reason);
    this.cache.delete(portalId);
  }

  /** Refreshes one pair unless it was refreshed after `since`, by whomever. */
  async keepAlive(key: TokenKey, since: Date): Promise<void> {
    const portal = await this.callable(key.portalId);
    const renewal = await this.renew(portal, key, (pair) => pair.refreshedAt > since);
    if ('dead' in renewal) await this.parkWithoutTokens(portal.id, renewal.dead);
  }

  /** A token was rejected although it had just been renewed: no use in renewing it again at once. */
  renewalDidNotHelp(portalId: bigint, userId: string): void {
    const error = bitrixProblem('REFRESH_PAUSED', 'the token was refused although it was new');
    this.pauses.set(nameOf({ portalId, userId }), { until: Date.now() + USELESS_MS, failures: 0, error });
  }

  /** Until when a user's pair is left alone after a refresh that failed; undefined when nothing is wrong. */
  refreshPausedUntil(portalId: bigint, userId: string): Date | undefined {
    const until = this.pauses.get(nameOf({ portalId, userId }))?.until ?? 0;
    return until > Date.now() ? new Date(until) : undefined;
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
    const usable: Usable = (known) => isFresh(known) && known.accessToken !== rejected;
    if (usable(pair)) return pair;
    try {
      const renewal = await this.renew(portal, pair, usable);
      return 'pair' in renewal ? renewal.pair : renewal.dead;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      // A token that only comes to its end is used up while it cannot be renewed.
      const stillLives = pair.accessToken !== rejected && pair.expiresAt.getTime() > Date.now() + LAST_USE_MS;
      return stillLives ? pair : error;
    }
  }

  /**
   * Refreshes under the row lock, unless the pair found there is usable by then. Answers `dead` when the OAuth
   * server gave a final refusal; throws `not_sent` when it gave no clear answer.
   */
  private async renew(portal: PortalRecord, key: TokenKey, usable: Usable): Promise<Renewal> {
    await this.assertNotPaused(portal, key);
    const renewal = await this.refreshes.run(() =>
      this.db.transaction(async (connection): Promise<Renewal> => {
        const pair = await this.tokens.lock(connection, key);
        if (!pair || pair.state === 'dead') return { dead: noTokens(pair?.stateReason) };
        if (usable(pair)) return { pair };
        await this.assertNotPaused(portal, key, connection);
        return this.rotate(connection, portal, pair);
      }),
    );
    this.unsaved.delete(nameOf(key));
    return renewal;
  }

  private async rotate(connection: Queryable, portal: PortalRecord, pair: TokenRecord): Promise<Renewal> {
    const name = nameOf(pair);
    const secret = (await this.applications.clientSecret(portal.clientId, connection)) ?? '';
    try {
      const issued = await this.issue(portal, pair, secret);
      this.unsaved.set(name, { spent: pair.refreshToken, pair: issued });
      await this.tokens.rotate(connection, pair, issued);
      this.pauses.delete(name);
      return { pair: { ...pair, ...issued, refreshedAt: new Date() } };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind !== 'unauthorised') throw this.pause(pair, error, secret);
      await this.tokens.kill(connection, pair, error.code);
      this.logger.warn(`Portal ${portal.id}: the tokens of user ${pair.userId} were refused (${error.code})`);
      return { dead: error };
    }
  }

  /**
   * One refresh. After an unknown outcome the old refresh token is tried once more, as it may still be the valid
   * one. A pair that an earlier transaction failed to store is handed out again instead of asking for another.
   */
  private async issue(portal: PortalRecord, pair: TokenRecord, secret: string): Promise<TokenPair> {
    const spent = pair.refreshToken;
    const unsaved = this.unsaved.get(nameOf(pair));
    if (unsaved?.spent === spent) return unsaved.pair;
    const ask = () => this.oauth.refresh(portal.oauthOrigin, portal.clientId, secret, spent);
    const { accessToken, refreshToken, expiresAt } = await ask().catch((error: unknown) => {
      if (error instanceof UpstreamError && error.kind === 'unknown') return ask();
      throw error;
    });
    return { accessToken, refreshToken, expiresAt };
  }

  /** The call that needed the token was not sent, whatever became of the refresh. */
  private pause(key: TokenKey, { kind, code, detail }: UpstreamError, secret: string): UpstreamError {
    const name = nameOf(key);
    const refused = kind === 'refused';
    const { first, longest } = refused ? REFUSAL_MS : HICCUP_MS;
    const last = this.pauses.get(name);
    const failures = last && (last.secret !== undefined) === refused ? last.failures + 1 : 1;
    const pauseMs = Math.min(first * 2 ** Math.min(failures - 1, 20), longest);
    const error = bitrixError(
      'not_sent',
      code,
      `no new access token: ${detail}`,
      refused ? 'portal' : 'endpoint',
      // The pauses of a portal grow by themselves.
      refused ? first : pauseMs,
    );
    this.pauses.set(name, { until: Date.now() + pauseMs, failures, error, ...(refused && { secret }) });
    this.logger.warn(`Portal ${key.portalId}: no new token for user ${key.userId} now (${code})`);
    return error;
  }

  private async assertNotPaused(portal: PortalRecord, key: TokenKey, on?: Queryable): Promise<void> {
    const pause = this.pauses.get(nameOf(key));
    const left = (pause?.until ?? 0) - Date.now();
    if (!pause || left <= 0) return;
    if (pause.secret !== undefined) {
      const secret = (await this.applications.clientSecret(portal.clientId, on)) ?? '';
      if (secret !== pause.secret) return;
    }
    const { kind, code, detail, scope, retryAfterMs } = pause.error;
    throw bitrixError(kind, code, detail, scope, scope === 'portal' ? retryAfterMs : left);
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
    return noTokens(reason);
  }
}

/** Throws unless calls may be made to this portal; nothing leaves the process otherwise. */
export function assertCallable(portal: PortalRecord | undefined): asserts portal is PortalRecord {
  if (!portal) throw bitrixProblem('PORTAL_UNKNOWN', 'the portal is not connected');
  if (portal.state === 'uninstalled') {
    throw bitrixProblem('PORTAL_UNINSTALLED', 'the application was removed from the portal');
  }
  if (portal.state === 'reauthorise') throw noTokens(portal.stateReason);
}

function noTokens(reason: string | null | undefined): UpstreamError {
  const why = reason ? ` (${stateReasonInWords(readStateReason(reason), 'en')})` : '';
  return bitrixProblem('REAUTHORISE', `an administrator has to install the application again${why}`);
}

function isFresh({ expiresAt }: TokenRecord): boolean {
  return expiresAt.getTime() - Date.now() > RENEW_BEFORE_MS;
}

function credentials({ accessToken, userId }: TokenRecord): Credentials {
  return { token: accessToken, userId };
}

function nameOf({ portalId, userId }: TokenKey): string {
  return `${portalId}:${userId}`;
}

/** Lets at most `free` pieces of work run at once; the others wait in order. */
class Slots {
  private readonly waiting: (() => void)[] = [];

  constructor(private free: number) {}

  async run<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.free++;
    }
  }
}
