import { timingSafeEqual } from 'node:crypto';
import { Injectable, Logger, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bearer } from '../../common/bearer.js';
import { Problem } from '../../common/problem.js';
import { within } from '../../common/within.js';
import { AccessKeysRepository } from '../../storage/accounts/access-keys.repository.js';
import { TokenBuckets } from '../../common/token-bucket.js';
import { refuseOver } from '../../common/too-many-requests.js';
import { WrongKeys } from '../../common/wrong-keys.js';
import { AdminKey } from '../../storage/storage.module.js';
import { hashOf, isAccessKey } from './access-key.js';
import { KeyLookups } from './key-lookups.js';
import { assertAllowed, requirementOf, setCaller, type Caller } from './caller.js';

/** Enough for a console that polls, too little to keep the database busy. */
const REQUESTS = { perSecond: 50, burst: 200 };
/** A database that takes longer to find a key is away: 503. */
const LOOKUP_LIMIT_MS = 5_000;

/** Whoever has the key of ADMIN_API_KEY; it works without the database, too. */
const ROOT: Caller = { name: 'admin', role: 'owner', portalId: null };

/**
 * Lets in whoever has `Authorization: Bearer <key>` with the key of ADMIN_API_KEY, or with one made here that is
 * neither revoked nor expired and may do what the route asks for; others get 401, or 403 where the key is not enough.
 * More than 50 requests a second with one key from one address (200 at once), or too many {@link WrongKeys}, get 429 with
 * Retry-After. Wrong keys of others never shut out whoever has the right one.
 */
@Injectable()
export class AdminGuard implements CanActivate {
  private readonly logger = new Logger(AdminGuard.name);
  private readonly root: Buffer;
  private readonly requests = new TokenBuckets(REQUESTS.perSecond, REQUESTS.burst);
  private readonly wrongKeys = new WrongKeys();
  private readonly lookups: KeyLookups;

  constructor(
    key: AdminKey,
    private readonly keys: AccessKeysRepository,
  ) {
    this.root = hashOf(key.value);
    this.lookups = new KeyLookups(keys);
  }

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    void reply.header('cache-control', 'no-store');
    const key = bearer(request.headers.authorization);
    const caller = await this.callerWith(key);
    if (caller) {
      refuseOver(this.requests.take(`${caller.keyId ?? 'root'}@${request.ip}`));
      setCaller(request, caller);
      assertAllowed(caller, requirementOf(context));
      return true;
    }
    if (key !== '') this.wrongKeys.count(request);
    void reply.header('www-authenticate', 'Bearer realm="admin"');
    throw new Problem(
      401,
      'unauthorised',
      'Send a key that is in force as "Authorization: Bearer <key>": that of ADMIN_API_KEY, or one made with POST /admin/keys.',
    );
  }

  private async callerWith(key: string): Promise<Caller | null> {
    const hash = hashOf(key);
    if (timingSafeEqual(hash, this.root)) return ROOT;
    if (!isAccessKey(key)) return null;
    // Found by its hash: how long that takes tells nothing about a key of 256 random bits.
    const holder = await within(LOOKUP_LIMIT_MS, this.lookups.holder(hash));
    if (!holder) return null;
    const { id, name, role, portalId, useIsNews } = holder;
    if (useIsNews) void this.recordUse(id);
    return { keyId: id, name, role, portalId };
  }

  /** Nobody waits for it, and nobody fails without it. */
  private async recordUse(id: bigint): Promise<void> {
    await this.keys.recordUse(id).catch((error: unknown) => {
      this.logger.debug({ keyId: String(id), err: error }, 'The last use of a key could not be written');
    });
  }
}
