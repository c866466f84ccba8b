import type { Fence } from '../common/http-exchange.js';
import type { UpstreamError } from '../common/upstream-error.js';

/** What a portal says about the cost of a call; seconds and unix seconds (apidocs.bitrix24.com, "Limits"). */
export interface RestTime {
  start?: number;
  finish?: number;
  duration?: number;
  processing?: number;
  /** Seconds of execution this application has used of the method in the current ten minutes. */
  operating?: number;
  /** When the oldest of those minutes is forgotten. */
  operating_reset_at?: number;
}

/** The success envelope of a REST call. `next` and `total` come only from lists. */
export interface RestAnswer<Result> {
  result: Result;
  time?: RestTime;
  next?: number;
  total?: number;
}

export type RestParams = Record<string, unknown>;

export interface RestCommand {
  method: string;
  params: RestParams;
}

export interface CallOptions {
  /** 30 s unless given, 65 s at most: Bitrix24 itself ends a request after 60 s. */
  timeoutMs?: number;
  /** The caller holds a permit of RateLimiter.tryReserve for this call; it is used up or given back. */
  permit?: boolean;
  /** The caller acts by this lease: when it is over nothing leaves any more, however long the call waited before. */
  lease?: Fence;
  /** Other calls go first: it waits for room to spare in the portal's bucket, though only for a moment. */
  yields?: boolean;
}

export interface BatchOptions extends CallOptions {
  /** Stop at the first command that fails; those after it are answered as not sent. */
  halt?: boolean;
}

/** Outcome of one command of a batch. */
export type CommandOutcome = { ok: true; result: unknown; time?: RestTime } | { ok: false; error: UpstreamError };

export interface BatchAnswer<Key extends string = string> {
  results: Record<Key, CommandOutcome>;
  time?: RestTime;
}

/** Most commands Bitrix24 takes in one batch. */
export const BATCH_LIMIT = 50;
