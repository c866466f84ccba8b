import type { RestTroubles } from '../bitrix/rest-troubles.js';
import type { PortalRecord, PortalsRepository } from '../storage/accounts/portals.repository.js';

/** How long a look at the portal serves for planning; before a call leaves, RestClient looks again. */
export const LOOK_MS = 500;

/** A portal's row and its pause, read at most twice a second. */
export class PortalLook {
  private row: { until: number; portal: Promise<PortalRecord | undefined> } | null = null;
  private pause: { until: number; ms: Promise<number> } | null = null;

  constructor(
    private readonly id: bigint,
    private readonly portals: PortalsRepository,
    private readonly troubles: RestTroubles,
    private readonly onRead: (portal: PortalRecord | undefined) => void,
  ) {}

  /** Undefined: there is no such portal any more. */
  portal(): Promise<PortalRecord | undefined> {
    if (!this.row || performance.now() >= this.row.until) {
      const portal = this.portals.findById(this.id).then((found) => {
        this.onRead(found);
        return found;
      });
      this.row = { until: performance.now() + LOOK_MS, portal };
      portal.catch(() => (this.row = null));
    }
    return this.row.portal;
  }

  /** How long the portal as a whole is left alone, milliseconds; read often, because somebody may have repaired it. */
  restMs(): Promise<number> {
    if (!this.pause || performance.now() >= this.pause.until) {
      const ms = this.troubles.portalRestMs(this.id);
      this.pause = { until: performance.now() + LOOK_MS, ms };
      ms.catch(() => (this.pause = null));
    }
    return this.pause.ms;
  }

  /** What was read is out of date. */
  refresh(): void {
    this.row = null;
    this.pause = null;
  }
}
