import { ILL, type EndpointCondition } from '../storage/work/endpoints.repository.js';
import type { Lease } from '../storage/work/lease.js';
import type { EndpointHealth } from './endpoint-driver.js';

/** A driver that has just begun knows nothing yet: what its predecessor met lasts until it has looked for this long. */
const PROVEN_MS = 60_000;

/** An endpoint that this process drives. */
export interface Driven {
  lease: Lease;
  /** Since when, by `performance.now()`. */
  since: number;
  health: EndpointHealth;
}

/** Remembers which conditions of its endpoints a process has told to the tables, so that only changes are told. */
export class EndpointConditions {
  private told = new Map<string, string>();

  /** What is to be told now. */
  changed(driven: Driven[], now: number): EndpointCondition[] {
    return driven
      .filter(({ lease, since, health }) => {
        const before = this.told.get(keyOf(lease));
        return before === undefined && health.healthy ? now - since >= PROVEN_MS : before !== textOf(health);
      })
      .map(({ lease, health }) => ({ lease, trouble: troubleOf(health) }));
  }

  /** They are in the tables; of endpoints that are driven no more nothing is kept. */
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
