import { createParamDecorator, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { bearer } from '../../common/bearer.js';
import { Problem } from '../../common/problem.js';
import { TokenBuckets } from '../../common/token-bucket.js';
import { refuseOver } from '../../common/too-many-requests.js';
import { WrongKeys } from '../../common/wrong-keys.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { PortalFrames } from './portal-frames.service.js';
import { isOfInstallation, FrameSessions, type FrameSession } from './frame-sessions.js';

/** A page asks once in a few seconds, and an employee may have several cards open. */
const OF_PERSON = { perSecond: 8, burst: 80 };

/** Who looks, and the portal as it is now. */
export interface Viewer extends FrameSession {
  portal: PortalRecord;
}

type WithViewer = FastifyRequest & { viewer?: Viewer };

/**
 * Lets in whoever shows the session of a frame as `Authorization: Bearer …`, while the installation lasts for which it
 * was begun and the portal wants the page; others get 401. Too many requests of one person, and too many {@link WrongKeys}, get 429 with Retry-After.
 */
@Injectable()
export class FrameGuard implements CanActivate {
  private readonly people = new TokenBuckets(OF_PERSON.perSecond, OF_PERSON.burst);
  private readonly wrongKeys = new WrongKeys();

  constructor(
    private readonly sessions: FrameSessions,
    private readonly portals: PortalsRepository,
    private readonly frames: PortalFrames,
  ) {}

  async canActivate(context: ExecutionContext): Promise<boolean> {
    const request = context.switchToHttp().getRequest<WithViewer>();
    void context.switchToHttp().getResponse<FastifyReply>().header('cache-control', 'no-store');
    const session = this.sessions.read(bearer(request.headers.authorization), new Date());
    if (session === 'expired') throw sessionOver();
    if (session === 'invalid') {
      this.wrongKeys.count(request);
      throw new Problem(401, 'session_invalid', 'This belongs to no page that is open in Bitrix24.');
    }
    refuseOver(this.people.take(personOf(session)));
    const portal = await this.portals.findById(session.portalId);
    if (!isOfInstallation(session, portal)) throw sessionOver();
    if (!(await this.frames.isWanted(portal, session.kind))) throw sessionOver();
    request.viewer = { ...session, portal };
    return true;
  }
}

/** Opening the page again helps. */
export function sessionOver(): Problem {
  return new Problem(401, 'session_expired', 'The page was opened too long ago: open it again.');
}

/** As the audit log names them. */
export function personOf({ portalId, userId }: Pick<FrameSession, 'portalId' | 'userId'>): string {
  return `portal:${portalId}/user:${userId}`;
}

/** Parameter of a route: who looks at the frame of this kind. */
export const LookedAtBy = createParamDecorator((kind: string, context: ExecutionContext): Viewer => {
  const { viewer } = context.switchToHttp().getRequest<WithViewer>();
  if (!viewer) throw new Error('The route is not behind the guard of frames.');
  if (viewer.kind === kind) return viewer;
  throw new Problem(401, 'session_invalid', 'This belongs to another page.');
});
