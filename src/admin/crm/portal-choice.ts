import { Problem } from '../../common/problem.js';
import type { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { portalFor, type Caller } from '../access/caller.js';

/** The portal that is named, or the caller's own, or the only one there is. */
export async function choosePortal(
  portals: PortalsRepository,
  asked: bigint | undefined,
  caller: Caller,
): Promise<bigint> {
  const named = portalFor(caller, asked);
  if (named !== undefined) return named;
  const [portal, other] = (await portals.list()).filter(({ state }) => state !== 'uninstalled');
  if (portal && !other) return portal.id;
  throw new Problem(400, 'portal_needed', 'There are several portals, or none: give portalId.');
}
