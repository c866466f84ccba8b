import type { ClientUpdateRow } from './intake.rows.js';
import type { Lease } from '../work/lease.js';

/** The poll that brought updates: the offset that confirms them moves with them, while the lease holds. */
export interface Poll {
  lease: Lease;
  botId: bigint;
  nextOffset: bigint;
}

/** Updates that are kept together, in their order: one that was pushed, or all that a poll brought. */
export interface UpdateBatch {
  updates: ClientUpdateRow[];
  poll?: Poll;
}
