import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { portalFor, type Caller } from '../access/caller.js';

/** The portal that something new belongs to. */
@Injectable()
export class ChosenPortal {
  constructor(private readonly portals: PortalsRepository) {}

  /** The one that is named, or the caller's own, or the only one there is. Throws {@link Problem} 400, 404. */
  async portal(asked: bigint | undefined, caller: Caller): Promise<bigint> {
    const named = portalFor(caller, asked);
    if (named !== undefined) return named;
    const [portal, other] = (await this.portals.list()).filter(({ state }) => state !== 'uninstalled');
    if (portal && !other) return portal.id;
    throw new Problem(400, 'portal_needed', 'There are several portals, or none: give portalId.');
  }
}
