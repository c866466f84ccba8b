import type { Params } from './php-encoding.js';

/** The call is refused with this status and JSON, and not performed. */
export interface Refusal {
  status: number;
  error: string;
  description?: string;
  /** Further keys of the body. */
  extra?: Params;
}

/**
 * What goes wrong on the wire: the connection is cut before or after the call was performed, the front end answers with
 * an HTML page, or the answer is late (performed at once; with `performed: false` it is never performed and ends as a 504 page).
 */
export type TransportFault =
  | 'dropBefore'
  | 'dropAfter'
  | { html: 500 | 502 | 503 | 504; performed: boolean }
  | { delayMs: number; performed?: boolean };

/** What goes wrong with one element of `imconnector.send.messages` inside a successful answer. */
export type ElementFault = { elementError: string[] } | 'omitSession';

export type Fault = Refusal | TransportFault | ElementFault;

/** A REST method, the OAuth server, the event queue (which knows `dropBefore` and `delayMs`), or any REST request. */
export type FaultTarget = 'oauth' | 'event' | '*' | (string & {});

interface Planned {
  target: FaultTarget;
  fault: Fault;
  times: number;
  match: (params: Params) => boolean;
}

/** Planned failures, used up in the order in which they were planned. */
export class Faults {
  private planned: Planned[] = [];

  /**
   * Lets the next `times` calls of `target` fail. `match` sees the parameters of the call (for element faults: one message).
   * A transport fault aimed at a method also hits the batch that carries it; a refusal hits only that command.
   */
  next(target: FaultTarget, fault: Fault, times = 1, match: (params: Params) => boolean = () => true): void {
    this.planned.push({ target: target.toLowerCase(), fault, times, match });
  }

  /** Forgets whatever has not happened yet. */
  clear(): void {
    this.planned = [];
  }

  /** `anyTarget`: also take faults aimed at `*`, for what is a REST request and not a command inside a batch. */
  takeTransport(calls: Array<readonly [string, Params]>, anyTarget: boolean): TransportFault | undefined {
    return this.take(calls, anyTarget, isTransport);
  }

  takeRefusal(method: string, params: Params, anyTarget: boolean): Refusal | undefined {
    return this.take([[method, params]], anyTarget, isRefusal);
  }

  takeElement(method: string, element: Params): ElementFault | undefined {
    return this.take([[method, element]], false, isElement);
  }

  private take<F extends Fault>(
    calls: Array<readonly [string, Params]>,
    anyTarget: boolean,
    is: (fault: Fault) => fault is F,
  ): F | undefined {
    if (this.planned.length === 0) return undefined;
    for (const plan of this.planned) {
      if (!is(plan.fault)) continue;
      const hit = calls.some(
        ([name, params]) => (plan.target === name || (anyTarget && plan.target === '*')) && plan.match(params),
      );
      if (!hit) continue;
      plan.times -= 1;
      if (plan.times <= 0) this.planned = this.planned.filter((other) => other !== plan);
      return plan.fault;
    }
    return undefined;
  }
}

function isRefusal(fault: Fault): fault is Refusal {
  return typeof fault === 'object' && 'error' in fault;
}

function isElement(fault: Fault): fault is ElementFault {
  return fault === 'omitSession' || (typeof fault === 'object' && 'elementError' in fault);
}

function isTransport(fault: Fault): fault is TransportFault {
  return !isRefusal(fault) && !isElement(fault);
}
