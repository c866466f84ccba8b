import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { isObject } from '../common/json-fields.js';
import { type HttpAnswer, LEASE_LOST } from '../common/http-exchange.js';
import { UpstreamError } from '../common/upstream-error.js';
import { within } from '../common/within.js';
import { type RestRequest, RestRequestsRepository } from '../storage/work/rest-requests.repository.js';
import { faultOf, readFault } from './rest-errors.js';
import type { RestParams } from './rest.types.js';

const STORE_EVERY_MS = 1_000;
/** In one statement. */
const GROUP = 1_000;
/** Kept in memory at most, some 2 MB; what comes on top is not logged. */
const MOST_WAITING = 10_000;
/** How long the last ones may take when the program stops. */
const LAST_MS = 2_000;

const CODE = /^[\w.:-]{1,64}$/;
/** In place of a code that is none. */
const NO_CODE = 'ERROR';

/** What an answer says of itself, its words left out. */
export type LoggedAnswer = Pick<RestRequest, 'status' | 'errorCode' | 'bytes' | 'operating'>;

interface Waiting extends RestRequest {
  beganAt: number;
}

/**
 * The log of REST requests, three days of each portal. It is written in groups beside the work that it tells of: whatever
 * happens to it, no message waits. A process that is killed loses its last second.
 */
@Injectable()
export class RestRequestLog implements BeforeApplicationShutdown {
  private readonly logger = new Logger(RestRequestLog.name);
  private waiting: Waiting[] = [];
  private storing: Promise<void> | null = null;
  private dropped = 0;

  constructor(private readonly requests: RestRequestsRepository) {}

  /** @param beganAt by `performance.now()` */
  add(request: Omit<RestRequest, 'durationMs'>, beganAt: number): void {
    if (this.waiting.length >= MOST_WAITING) this.dropped += 1;
    else this.waiting.push({ ...request, durationMs: Math.round(performance.now() - beganAt), beganAt });
  }

  @Interval(STORE_EVERY_MS)
  store(): Promise<void> {
    this.storing ??= this.storeAll().finally(() => (this.storing = null));
    return this.storing;
  }

  async beforeApplicationShutdown(): Promise<void> {
    const last = this.store().then(() => this.store());
    await within(LAST_MS, last).catch(() => undefined);
  }

  private async storeAll(): Promise<void> {
    while (this.waiting.length > 0) {
      const group = this.waiting.splice(0, GROUP);
      const now = performance.now();
      try {
        await this.requests.add(group.map(({ beganAt, ...request }) => ({ ...request, agoMs: now - beganAt })));
      } catch (error) {
        // The log is worth no second attempt: what is in trouble now needs the database for messages.
        const lost = group.length + this.waiting.length + this.dropped;
        [this.waiting, this.dropped] = [[], 0];
        this.logger.warn(`${lost} REST requests are missing from the log, which could not be stored: ${String(error)}`);
      }
    }
    if (this.dropped === 0) return;
    this.logger.warn(`${this.dropped} REST requests are missing from the log: they came faster than it is stored`);
    this.dropped = 0;
  }
}

/** Methods of the commands of a batch, each once; none: it is no batch. */
export function commandsOf(method: string, { cmd }: RestParams): string[] {
  if (method !== 'batch' || !isObject(cmd)) return [];
  return [...new Set(Object.values(cmd).map((command) => String(command).split('?', 1)[0]!))];
}

/** No answer came; null: nothing was sent, because another replica is to do it. */
export function noAnswer(error: unknown): LoggedAnswer | null {
  const code = error instanceof UpstreamError ? error.code : 'ERROR';
  return code === LEASE_LOST ? null : { status: null, errorCode: code, bytes: null, operating: null };
}

/** Of an answer that came. */
export function loggedAnswer({ status, text }: HttpAnswer, body: Record<string, unknown> | undefined): LoggedAnswer {
  const time = isObject(body?.['time']) ? body['time'] : {};
  const operating = time['operating'];
  return {
    status,
    errorCode: errorCodeOf(status, body),
    bytes: Buffer.byteLength(text),
    operating: typeof operating === 'number' ? operating : null,
  };
}

function errorCodeOf(status: number, body: Record<string, unknown> | undefined): string | null {
  if (!body) return `HTTP_${status}`;
  const fault = faultOf(body) ?? firstFaultOf(body['result']);
  // Some answers put a sentence in the place of the code, and in it may stand what somebody wrote.
  if (fault) return CODE.test(fault.code) ? fault.code : NO_CODE;
  return 'result' in body && status < 300 ? null : `HTTP_${status}`;
}

function firstFaultOf(batch: unknown) {
  const errors = isObject(batch) ? batch['result_error'] : undefined;
  if (typeof errors !== 'object' || errors === null) return undefined;
  const [first] = Object.values(errors);
  return readFault(first);
}
