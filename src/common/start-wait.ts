import { EventEmitter } from 'node:events';

/** What the start of this process waits for. */
export interface StartWait {
  /** For machines, such as `database`. */
  what: string;
  /** Code of the last failure, such as ECONNREFUSED. */
  reason: string;
  /** When the waiting began. */
  since: Date;
}

/** Tells when the start of this process waits, each time it has looked in vain, and when it goes on. */
export const startWaits = new EventEmitter<{ wait: [StartWait]; over: [] }>();
