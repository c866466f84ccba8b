import type { Language } from './language.js';
import type { UpstreamErrorKind, UpstreamErrorScope } from './upstream-error.js';

/** One thing said in every language that operators read. */
export type Words = Readonly<Record<Language, string>>;

/**
 * One reason why a message does not get through, with everything that is decided about it. Each network keeps all of
 * its own in one table, by their stable codes.
 */
export interface DeliveryProblem {
  /** What became of the call; only `unknown` leaves it uncertain. What the relay does next is `decide` in outcome.ts. */
  readonly kind: UpstreamErrorKind;
  readonly scope: UpstreamErrorScope;
  /** How long to wait before the next try, in milliseconds, when the network does not name a time. */
  readonly retryAfterMs?: number;
  /**
   * The reason as an operator reads it: "Not delivered to the client: …". Without it operators read what the network
   * said. Only problems that end a message are told.
   */
  readonly reason?: Words;
}

/** The problems of one network, by code. */
export type ProblemTable = Readonly<Record<string, DeliveryProblem>>;
