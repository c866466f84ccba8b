import { createHash, timingSafeEqual } from 'node:crypto';
import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../common/problem.js';
import { TokenBuckets } from '../common/token-bucket.js';
import { AdminKey } from '../storage/storage.module.js';
import { assertAllowed, requirementOf, setCaller, type Caller } from './caller.js';

/** Enough for a console that polls, too little to keep the database busy. */
const REQUESTS = { perSecond: 50, burst: 200 };
/** Guessing a key at one try a second leads nowhere. */
const FAILURES = { perSecond: 1, burst: 20 };

/** Whoever has the key of ADMIN_API_KEY. */
const ROOT: Caller = { name: 'admin', role: 'owner', portalId: null };

/**
 * Lets in whoever has `Authorization: Bearer <ADMIN_API_KEY>`; others get 401. More than 50 requests a second from
 * one address (200 at once), or more than one wrong key a second (20 at once), get 429 with Retry-After. While an
 * address is over the second limit its key is not even looked at.
 */
@Injectable()
export class AdminGuard implements CanActivate {
  private readonly expected: Buffer;
  private readonly requests = new TokenBuckets(REQUESTS.perSecond, REQUESTS.burst);
  private readonly failures = new TokenBuckets(FAILURES.perSecond, FAILURES.burst);

  constructor(key: AdminKey) {
    this.expected = hash(key.value);
  }

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    void reply.header('cache-control', 'no-store');
    refuseOver(Math.max(this.requests.take(request.ip), this.failures.wait(request.ip)));
    if (timingSafeEqual(hash(bearer(request.headers.authorization)), this.expected)) {
      setCaller(request, ROOT);
      assertAllowed(ROOT, requirementOf(context));
      return true;
    }
    this.failures.take(request.ip);
    void reply.header('www-authenticate', 'Bearer realm="admin"');
    throw new Problem(401, 'unauthorised', 'Send the key of ADMIN_API_KEY as "Authorization: Bearer <key>".');
  }
}

function refuseOver(seconds: number): void {
  if (seconds === 0) return;
  const retryAfter = Math.ceil(seconds);
  throw new Problem(429, 'too_many_requests', `Too many requests from this address; again in ${retryAfter} s.`, {
    retryAfter,
  });
}

/** The scheme is compared without regard to case (RFC 9110, 11.1). */
function bearer(header: string | undefined): string {
  return /^bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
}

/** Hashes have one length, so that comparing them tells nothing about the key's. */
function hash(value: string): Buffer {
  return createHash('sha256').update(value).digest();
}
