import { readStateReason, stateReasonInWords } from '../common/state-reasons.js';
import type { UpstreamError } from '../common/upstream-error.js';
import type { PortalsRepository, PortalRecord } from '../storage/accounts/portals.repository.js';
import { bitrixProblem } from './bitrix-problems.js';
import { SharedRead } from './shared-read.js';

/** Portals that may be called. Calls that begin together share one look at the portal's row. */
export class CallablePortals {
  private readonly records = new SharedRead((portalId: bigint) => this.portals.findById(portalId));

  constructor(private readonly portals: PortalsRepository) {}

  /** The portal as it is now. Throws like {@link assertCallable}. */
  async get(portalId: bigint): Promise<PortalRecord> {
    const portal = await this.records.get(portalId);
    assertCallable(portal);
    return portal;
  }
}

/** Throws UpstreamError unless the portal may be called; nothing leaves the process for one that may not. */
export function assertCallable(portal: PortalRecord | undefined): asserts portal is PortalRecord {
  if (!portal) throw bitrixProblem('PORTAL_UNKNOWN', 'the portal is not connected');
  if (portal.state === 'uninstalled') {
    throw bitrixProblem('PORTAL_UNINSTALLED', 'the application was removed from the portal');
  }
  if (portal.state === 'reauthorise') throw needsAuthorisation(portal.stateReason);
}

export function needsAuthorisation(reason: string | null | undefined): UpstreamError {
  const why = reason ? ` (${stateReasonInWords(readStateReason(reason), 'en')})` : '';
  return bitrixProblem('REAUTHORISE', `an administrator has to install the application again${why}`);
}
