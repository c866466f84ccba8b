import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from '../../common/problem.js';
import { TokenBuckets, type TokenGrant } from '../../common/token-bucket.js';
import { SettingsSessions, type SettingsSession } from './settings-sessions.js';

/** Many administrators may share one address; a page asks once in a few seconds. */
const OF_ADDRESS = { perSecond: 20, burst: 100 };
const OF_SESSION = { perSecond: 4, burst: 40 };
/** Guessing a session leads nowhere. */
const FAILURES = { perSecond: 1, burst: 20 };

type WithSession = FastifyRequest & { settings?: SettingsSession };

/**
 * Lets in whoever shows the session of a settings page as `Authorization: Bearer …`; others get 401. Too many requests
 * from one address, of one person or with sessions that are none get 429 with Retry-After.
 */
@Injectable()
export class SettingsGuard implements CanActivate {
  private readonly addresses = new TokenBuckets(OF_ADDRESS.perSecond, OF_ADDRESS.burst);
  private readonly people = new TokenBuckets(OF_SESSION.perSecond, OF_SESSION.burst);
  private readonly failures = new TokenBuckets(FAILURES.perSecond, FAILURES.burst);

  constructor(private readonly sessions: SettingsSessions) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<WithSession>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    void reply.header('cache-control', 'no-store');
    refuseOver(this.addresses.take(request.ip), this.failures.look(request.ip));
    const session = this.sessions.read(bearer(request.headers.authorization), new Date());
    if (session === 'expired') {
      throw new Problem(401, 'session_expired', 'The page was opened more than an hour ago: open it again.');
    }
    if (session === 'invalid') {
      this.failures.take(request.ip);
      throw new Problem(401, 'session_invalid', 'This belongs to no open settings page: open it in Contact Center.');
    }
    refuseOver(this.people.take(personOf(session)));
    request.settings = session;
    return true;
  }
}

/** Throws a 429 problem unless all of them are granted. */
export function refuseOver(...grants: TokenGrant[]): void {
  const waits = grants.map((grant) => (grant.granted ? 0 : grant.retryAfterMs));
  const retryAfter = Math.ceil(Math.max(...waits) / 1_000);
  if (retryAfter === 0) return;
  throw new Problem(429, 'too_many_requests', `Too many requests; again in ${retryAfter} s.`, { retryAfter });
}

/** As the audit log names him. */
export function personOf({ portalId, userId }: SettingsSession): string {
  return `portal:${portalId}/user:${userId}`;
}

/** Parameter of a route: the session of the page that calls. */
export const OpenedBy = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const { settings } = context.switchToHttp().getRequest<WithSession>();
  if (!settings) throw new Error('The route is not behind the guard of the settings page.');
  return settings;
});

/** The scheme is compared without regard to case (RFC 9110, 11.1). */
function bearer(header: string | undefined): string {
  return /^bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
}
