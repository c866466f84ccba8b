import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bearer } from '../../common/bearer.js';
import { Problem } from '../../common/problem.js';
import { TokenBuckets } from '../../common/token-bucket.js';
import { refuseOver } from '../../common/too-many-requests.js';
import { WrongKeys } from '../../common/wrong-keys.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { LineActor } from './settings-audit.js';
import { SettingsSessions, type SettingsSession } from './settings-sessions.js';

/** A page asks once in a few seconds. */
const OF_PERSON = { perSecond: 4, burst: 40 };

type WithSession = FastifyRequest & { settings?: SettingsSession };

/**
 * Lets in whoever shows the session of a settings page as `Authorization: Bearer …`; others get 401, and 403 when the
 * application was removed from their portal. Too many requests of one person, and too many {@link WrongKeys}, get 429 with Retry-After.
 */
@Injectable()
export class SettingsGuard implements CanActivate {
  private readonly people = new TokenBuckets(OF_PERSON.perSecond, OF_PERSON.burst);
  private readonly wrongKeys = new WrongKeys();

  constructor(
    private readonly sessions: SettingsSessions,
    private readonly portals: PortalsRepository,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<WithSession>();
    const reply = context.switchToHttp().getResponse<FastifyReply>();
    void reply.header('cache-control', 'no-store');
    const session = this.sessions.read(bearer(request.headers.authorization), new Date());
    if (session === 'expired') {
      throw new Problem(401, 'session_expired', 'The page was opened more than an hour ago: open it again.');
    }
    if (session === 'invalid') {
      this.wrongKeys.count(request);
      throw new Problem(401, 'session_invalid', 'This belongs to no open settings page: open it in Contact Center.');
    }
    refuseOver(this.people.take(personOf(session)));
    const portal = await this.portals.findById(session.portalId);
    if (!portal || portal.state === 'uninstalled') {
      throw new Problem(403, 'portal_gone', 'The application was removed from this portal.');
    }
    request.settings = session;
    return true;
  }
}

/** As the audit log names them. */
export function personOf({ portalId, userId }: SettingsSession): string {
  return `portal:${portalId}/user:${userId}`;
}

/** Whoever opened the page, with its line. */
export function actorOf(session: SettingsSession): LineActor {
  return { portalId: session.portalId, lineId: session.lineId, actor: personOf(session) };
}

/** Parameter of a route: the session of the page that calls. */
export const OpenedBy = createParamDecorator((_: unknown, context: ExecutionContext) => {
  const { settings } = context.switchToHttp().getRequest<WithSession>();
  if (!settings) throw new Error('The route is not behind the guard of the settings page.');
  return settings;
});
