import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Cron } from '@nestjs/schedule';
import { OauthStatesRepository } from '../storage/accounts/oauth-states.repository.js';
import { TokensRepository, type TokenKey } from '../storage/accounts/tokens.repository.js';
import { TokensService } from './tokens.service.js';

/**
 * A refresh token that is not used dies after 180 days, on older portals after 28 (apidocs.bitrix24.com,
 * "Automatic renewal of OAuth tokens"). Checked daily, so every pair is refreshed about once a month.
 */
const REFRESH_AFTER_DAYS = 25;

/** Refreshes follow each other at random distances below this, so that replicas do not march in step. */
const JITTER_MS = 2_000;

/**
 * Keeps the pairs of idle portals alive and forgets old authorisations. Every replica may run it at once: the
 * row lock lets one of them refresh a pair, and the others see that it was done.
 */
@Injectable()
export class TokenKeepaliveService implements OnApplicationShutdown {
  private readonly logger = new Logger(TokenKeepaliveService.name);
  private readonly stopping = new AbortController();

  constructor(
    private readonly tokens: TokensService,
    private readonly repository: TokensRepository,
    private readonly states: OauthStatesRepository,
  ) {}

  @Cron('17 3 * * *', { name: 'token-keepalive', waitForCompletion: true })
  async daily(): Promise<void> {
    try {
      await this.states.purge();
      await this.refreshIdle();
    } catch (error) {
      if (!this.stopping.signal.aborted) this.logger.error(`The daily check of tokens failed: ${String(error)}`);
    }
  }

  /** Refreshes what was not refreshed for 25 days, one pair at a time, and answers how many pairs that were. */
  async refreshIdle(): Promise<number> {
    const since = new Date(Date.now() - REFRESH_AFTER_DAYS * 86_400_000);
    const idle = await this.repository.listUnrefreshed(REFRESH_AFTER_DAYS);
    for (const key of idle) {
      await sleep(Math.random() * JITTER_MS, undefined, { signal: this.stopping.signal });
      await this.refresh(key, since);
    }
    return idle.length;
  }

  onApplicationShutdown(): void {
    this.stopping.abort();
  }

  /** One pair's trouble must not keep the others from being refreshed; it is tried again tomorrow. */
  private async refresh(key: TokenKey, since: Date): Promise<void> {
    try {
      await this.tokens.keepAlive(key, since);
    } catch (error) {
      this.logger.warn(`Portal ${key.portalId}: the tokens of user ${key.userId} were not renewed: ${String(error)}`);
    }
  }
}
