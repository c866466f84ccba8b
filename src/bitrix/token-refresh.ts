import { Logger } from '@nestjs/common';
import { Semaphore } from '../common/semaphore.js';
import { UpstreamError } from '../common/upstream-error.js';
import type { PortalRecord } from '../storage/accounts/portals.repository.js';
import type { TokenKey, TokenPair, TokenRecord, TokensRepository } from '../storage/accounts/tokens.repository.js';
import type { DatabaseService, Queryable } from '../storage/postgres/database.service.js';
import type { ApplicationsService } from './applications.service.js';
import { needsAuthorisation } from './callable-portals.js';
import type { OauthClient } from './oauth.client.js';
import { nameOfPair, type TokenPauses } from './token-pauses.js';

/**
 * Refreshes under way at once. Each holds a database connection while the OAuth server thinks, and the pool is
 * needed to accept messages.
 */
const MAX_REFRESHES = 3;

/** `dead`: the OAuth server gave a final refusal. */
export type Renewal = { pair: TokenRecord } | { dead: UpstreamError };

/** Refreshes one OAuth pair at a time; Bitrix24 rotates the refresh token with every use. */
export class TokenRefresh {
  private readonly logger = new Logger(TokenRefresh.name);
  /** Pairs that were issued but could not be stored, with the refresh token they replaced. */
  private readonly unsaved = new Map<string, { spent: string; pair: TokenPair }>();
  private readonly permits = new Semaphore(MAX_REFRESHES);

  constructor(
    private readonly db: DatabaseService,
    private readonly tokens: TokensRepository,
    private readonly oauth: OauthClient,
    private readonly applications: ApplicationsService,
    private readonly pauses: TokenPauses,
  ) {}

  /**
   * Refreshes under the row lock, unless the pair found there is usable by then. Throws `not_sent` when the OAuth
   * server gave no clear answer, now or shortly before.
   */
  async renew(portal: PortalRecord, key: TokenKey, isUsable: (pair: TokenRecord) => boolean): Promise<Renewal> {
    await this.pauses.assertNone(key, () => this.secretOf(portal));
    const renewal = await this.permits.run(() =>
      this.db.transaction(async (connection): Promise<Renewal> => {
        const pair = await this.tokens.lock(connection, key);
        if (!pair || pair.state === 'dead') return { dead: needsAuthorisation(pair?.stateReason) };
        if (isUsable(pair)) return { pair };
        await this.pauses.assertNone(key, () => this.secretOf(portal, connection));
        return this.rotate(connection, portal, pair);
      }),
    );
    this.unsaved.delete(nameOfPair(key));
    return renewal;
  }

  private async rotate(connection: Queryable, portal: PortalRecord, pair: TokenRecord): Promise<Renewal> {
    const secret = await this.secretOf(portal, connection);
    try {
      const issued = await this.issue(portal, pair, secret);
      this.unsaved.set(nameOfPair(pair), { spent: pair.refreshToken, pair: issued });
      await this.tokens.rotate(connection, pair, issued);
      this.pauses.end(pair);
      return { pair: { ...pair, ...issued, refreshedAt: new Date() } };
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind !== 'unauthorised') throw this.pauses.begin(pair, error, secret);
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
    const unsaved = this.unsaved.get(nameOfPair(pair));
    if (unsaved?.spent === spent) return unsaved.pair;
    const ask = () => this.oauth.refresh(portal.oauthOrigin, portal.clientId, secret, spent);
    const { accessToken, refreshToken, expiresAt } = await ask().catch((error: unknown) => {
      if (error instanceof UpstreamError && error.kind === 'unknown') return ask();
      throw error;
    });
    return { accessToken, refreshToken, expiresAt };
  }

  private async secretOf({ clientId }: PortalRecord, connection?: Queryable): Promise<string> {
    return (await this.applications.clientSecret(clientId, connection)) ?? '';
  }
}
