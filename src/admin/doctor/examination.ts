import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import type { BotFacts } from '../../storage/history/overview.repository.js';
import { inventoryChecks, queueCheck } from './doctor.checks.js';
import type { Check, Diagnosis } from './doctor.dto.js';
import { type Attention, attentionCheck } from './machine.checks.js';

/** Everything that was found out; {@link diagnosis} picks what concerns a caller. */
export interface Examination {
  /** About the program itself. Every caller sees it, so it names no portal and no bot. */
  program: Check[];
  /** Null: the database could not tell. */
  traffic: Traffic | null;
}

/** Portals and bots; portalId null: of no portal. */
export interface Traffic {
  portals: PortalView[];
  bots: BotFacts[];
  parts: { portalId: bigint | null; checks: Check[] }[];
  /** Seconds for which the oldest message of a portal waits. */
  waiting: { portalId: bigint | null; seconds: number }[];
  /** Messages of a portal that wait for a person. */
  attention: ({ portalId: bigint | null } & Attention)[];
}

/** What concerns the portal, or everything without one. */
export function diagnosis({ program, traffic }: Examination, portalId?: bigint): Diagnosis {
  const concerns = (part: { portalId: bigint | null }) => portalId === undefined || part.portalId === portalId;
  const checks = [...program];
  if (traffic) {
    const portals = traffic.portals.filter(({ id }) => concerns({ portalId: id }));
    const ages = traffic.waiting.filter(concerns).map(({ seconds }) => seconds);
    checks.push(
      ...inventoryChecks(portals, traffic.bots.filter(concerns)),
      ...traffic.parts.filter(concerns).flatMap((part) => part.checks),
      queueCheck(ages.length > 0 ? Math.max(...ages) : null),
      attentionCheck(traffic.attention.filter(concerns)),
    );
  }
  return { ok: checks.every(({ ok }) => ok), checks };
}
