import { ILL, type EndpointCondition } from '../storage/work/endpoints.repository.js';
import type { Lease } from '../storage/work/lease.js';
import type { EndpointHealth } from './endpoint-driver.js';

/** A driver that has just started knows nothing yet: its predecessor's trouble stays until it has been well this long. */
const PROVEN_MS = 60_000;

/** An endpoint that this process drives. */
export interface Driven {
  lease: Lease;
  /** Since when, by `performance.now()`. */
  since: number;
  health: EndpointHealth;
}

/** Remembers which conditions a process has saved for its endpoints, so that only changes are written. */
export class EndpointConditions {
  private told = new Map<string, string>();

  /** What has to be saved now. */
  changed(driven: Driven[], now: number): EndpointCondition[] {
    return driven
      .filter(({ lease, since, health }) => {
        const before = this.told.get(keyOf(lease));
        return before === undefined && health.healthy ? now - since >= PROVEN_MS : before !== textOf(health);
      })
      .map(({ lease, health }) => ({ lease, trouble: troubleOf(health) }));
  }

  /** The conditions were saved; endpoints that are no longer driven are forgotten. */
  keep(conditions: EndpointCondition[], driven: Driven[]): void {
    const known = new Set(driven.map(({ lease }) => keyOf(lease)));
    this.told = new Map([...this.told].filter(([key]) => known.has(key)));
    for (const { lease, trouble } of conditions) this.told.set(keyOf(lease), JSON.stringify(trouble));
  }
}

function troubleOf({ healthy, code, detail }: EndpointHealth): EndpointCondition['trouble'] {
  return healthy ? null : { code: code ?? ILL, detail: detail ?? '' };
}

const textOf = (health: EndpointHealth) => JSON.stringify(troubleOf(health));
const keyOf = ({ endpoint, fence }: Lease) => `${endpoint}#${fence}`;
