import type { Environment } from '../config/environment.js';
import type { Inventory } from '../storage/history/overview.repository.js';

/** What the start-up log says once the service listens. */
export interface StartReport {
  /** How things are. */
  facts: string[];
  /** What is missing for messages to flow, and what to do about it. */
  missing: string[];
}

/** @param address where it listens, e.g. `http://0.0.0.0:8000`. `adminKeyFile`: set when the key was made here. */
export function startReport(
  environment: Environment,
  inventory: Inventory,
  address: string,
  adminKeyFile?: string,
): StartReport {
  const { publicUrl } = environment;
  const { portals, activePortals, bots, botsWithLine } = inventory;
  return {
    facts: [
      `Listening on ${address}`,
      publicUrl ? `Known to the outside as ${publicUrl}` : 'PUBLIC_URL is not set',
      environment.DATABASE_URL
        ? 'Data: PostgreSQL of DATABASE_URL'
        : `Data: embedded PostgreSQL in ${environment.DATA_DIR}`,
      adminKeyFile ? `The key of /admin is in ${adminKeyFile}` : 'The key of /admin is that of ADMIN_API_KEY',
      `${activePortals} of ${portals} portals connected; ${botsWithLine} of ${bots} bots serve an open line`,
    ],
    missing: missing(environment, inventory),
  };
}

function missing(environment: Environment, inventory: Inventory): string[] {
  const needs: string[] = [];
  if (!environment.publicUrl) needs.push('Set PUBLIC_URL: Bitrix24 must know where to send events.');
  if (!(environment.B24_CLIENT_ID && environment.B24_CLIENT_SECRET) && inventory.storedApplications === 0)
    needs.push('Set B24_CLIENT_ID and B24_CLIENT_SECRET of the Bitrix24 application, or POST /admin/applications.');
  if (!environment.B24_HANDLER_SECRET)
    needs.push('Set B24_HANDLER_SECRET: it is part of the address to which Bitrix24 sends events.');
  if (inventory.activePortals === 0)
    needs.push(`Connect a portal: open ${environment.publicUrl ?? ''}/b24/install?redirect=1 as its administrator.`);
  if (inventory.bots === 0) needs.push('Add a bot: TG_BOT_TOKEN, or POST /admin/bots.');
  else if (inventory.botsWithLine === 0)
    needs.push('Give a bot its open line: B24_LINE_ID, Contact Center, or PATCH /admin/bots/<id>.');
  return needs;
}
