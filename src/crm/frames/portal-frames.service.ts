import { Injectable } from '@nestjs/common';
import type { Language } from '../../common/language.js';
import { Problem } from '../../common/problem.js';
import { webPage, webPagePolicy } from '../../common/web-page.js';
import { Environment } from '../../config/environment.js';
import type { Frame } from '../../connector/install/frame.parser.js';
import { IdentityService, type Identity } from '../../connector/install/identity.service.js';
import type { FramePage } from '../../connector/install/page-reply.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import type { FrameKind } from './frame-kind.js';
import { subjectOf, type FrameSubject } from './frame-place.parser.js';
import { FrameSessions } from './frame-sessions.js';

/** Where every frame's address begins. */
export const PLACEMENTS_PATH = '/b24/placements';

/**
 * Pages of ours inside the portal's own. Of the form that opens one only the token counts: the OAuth server names its
 * application and portal, the portal its user, and what that user may see.
 */
@Injectable()
export class PortalFrames {
  private readonly kinds = new Map<string, FrameKind>();

  constructor(
    private readonly identities: IdentityService,
    private readonly portals: PortalsRepository,
    private readonly features: PortalFeatures,
    private readonly sessions: FrameSessions,
    private readonly encryption: EncryptionService,
    private readonly environment: Environment,
  ) {}

  register(kind: FrameKind): void {
    this.kinds.set(kind.kind, kind);
  }

  /** Throws {@link Problem}: who looks is not proven, may not see it, or the portal does not want it. */
  async open(name: string, frame: Frame, lang: Language): Promise<FramePage> {
    const kind = this.kinds.get(name);
    if (!kind) throw new Problem(404, 'not_found', `There is no page ${name}.`);
    const identity = await this.identities.confirm(frame);
    const portal = await this.portalOf(identity, frame);
    if (!(await this.isWanted(portal, name))) {
      throw new Problem(403, 'feature_off', 'This page is switched off for the portal.');
    }
    const viewer = {
      kind: name,
      portalId: portal.id,
      installedAt: portal.installedAt.getTime(),
      userId: identity.userId,
      accessToken: frame.accessToken,
      subject: subjectFor(kind, frame),
    };
    const begun = await kind.open({ ...viewer, portal });
    const { origin } = new URL(identity.clientEndpoint);
    const { publicUrl } = this.environment;
    const html = webPage({
      name: kind.page,
      toRoot: '../../',
      lang,
      title: kind.title(lang),
      bootstrap: {
        ...begun,
        session: this.sessions.begin(viewer, frame.expiresIn * 1_000, new Date()),
        portalOrigin: origin,
      },
    });
    const policy = webPagePolicy({
      frameAncestor: origin,
      ...(publicUrl && { filesFrom: new URL(publicUrl).origin }),
    });
    return { status: 200, html, policy };
  }

  /** Whether the portal wants pages of this kind now. */
  async isWanted({ id }: Pick<PortalRecord, 'id'>, name: string): Promise<boolean> {
    const features = this.kinds.get(name)?.features ?? [];
    return (await this.features.show(id)).some(({ feature, wanted }) => wanted && features.includes(feature));
  }

  /** What the form says of itself must not contradict what is proven. */
  private async portalOf({ memberId, application }: Identity, frame: Frame): Promise<PortalRecord> {
    const portal = await this.portals.findByMemberId(memberId);
    if (portal?.state !== 'active' || portal.clientId !== application.clientId) {
      throw new Problem(409, 'portal_not_connected', 'The application is not installed on this portal.');
    }
    const { applicationToken, memberId: claimed = memberId } = frame;
    const known = portal.applicationTokenHash;
    const isSigned = !applicationToken || !known || this.encryption.hash(applicationToken).equals(known);
    if (claimed !== memberId || !isSigned) {
      throw new Problem(403, 'token_refused', 'The form is not of this installation.');
    }
    return portal;
  }
}

function subjectFor(kind: FrameKind, { place }: Frame): FrameSubject {
  const subject = subjectOf(place);
  if (subject === 'unsaved') throw new Problem(409, 'card_unsaved', 'The CRM does not have this yet: save it first.');
  if (subject && kind.isAbout(subject)) return subject;
  throw new Problem(400, 'frame_malformed', 'The form does not say where the page stands.');
}
