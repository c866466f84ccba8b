import type { Params } from './php-encoding.js';
import type { PortalApp } from './portal-model.js';

/** A frame of an application in some place of the portal. */
export interface PlacementRow {
  id: number;
  app: PortalApp;
  placement: string;
  handler: string;
  /** 0: everybody. */
  userId: number;
  options: Params;
  /** By language. */
  words: Record<string, { TITLE: string; DESCRIPTION: string; GROUP_NAME: string }>;
}

/** The frames that applications have bound (rest/lib/placement.php). */
export class Placements {
  rows: PlacementRow[] = [];

  of(app: PortalApp, placement?: string): PlacementRow[] {
    return this.rows.filter((row) => row.app === app && (placement === undefined || row.placement === placement));
  }

  remove(gone: PlacementRow[]): void {
    this.rows = this.rows.filter((row) => !gone.includes(row));
  }

  /** The application was removed: nobody is told of it (rest/classes/general/rest_util.php, cleanApp). */
  wipe(app: PortalApp): void {
    this.remove(this.of(app));
  }
}
