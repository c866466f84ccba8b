import { Problem } from '../../common/problem.js';
import type { PortalRecord, PortalsRepository } from '../../storage/accounts/portals.repository.js';

/** The portal of this id. Throws {@link Problem} 404 `portal_unknown`. */
export async function knownPortal(portals: PortalsRepository, id: bigint): Promise<PortalRecord> {
  const portal = await portals.findById(id);
  if (!portal) throw new Problem(404, 'portal_unknown', `There is no portal ${id}.`, { portalId: id.toString() });
  return portal;
}
