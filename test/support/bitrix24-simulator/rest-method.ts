import type { Faults } from './faults.js';
import type { Cause } from './connector-events.js';
import type { Params } from './php-encoding.js';
import type { PortalApp, PortalUser } from './portal-model.js';
import type { Portal } from './portal.js';

/** On whose behalf a method runs. */
export interface RestContext {
  portal: Portal;
  /** Null for an inbound webhook. */
  app: PortalApp | null;
  user: PortalUser;
  faults: Faults;
  /** Passed on to the events the call raises. */
  cause: Cause;
  /** Of a list: how many of its items to pass over. */
  start: number;
  /** Simulated execution of the call; without latency it is over at once. */
  work: () => Promise<void>;
}

/** A list answer with paging. */
export class Page {
  constructor(
    readonly result: unknown,
    readonly total: number,
    readonly next?: number,
  ) {}
}

/** One REST method. Top-level parameter keys arrive in upper case. */
export interface RestMethod {
  /** Any one of these scopes; none: open to every token. */
  scopes: string[];
  /** True: OAuth tokens only, webhooks are refused with WRONG_AUTH_TYPE. */
  appOnly?: boolean;
  /** True: the names of parameters count with their case, and come as they were given. */
  keysAsGiven?: boolean;
  run: (params: Params, context: RestContext) => unknown;
}

/** Names in lower case. */
export type RestMethods = Record<string, RestMethod>;
