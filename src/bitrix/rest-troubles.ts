import { Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { UpstreamError } from '../common/upstream-error.js';
import { RestLimitsRepository, type Pauses, WHOLE_PORTAL } from '../storage/work/rest-limits.repository.js';
import { bitrixError } from './bitrix-problems.js';

/** Methods without which messages, changes or statuses do not travel; what other methods are for can be missed. */
const CARRIES_MESSAGES = /^imconnector\.(?:send|update|delete)\./i;

const METHOD_MISSING = new Set(['ERROR_METHOD_NOT_FOUND', 'INSUFFICIENT_SCOPE', 'INVALID_SCOPE']);

const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 300_000;

/** While the portal as a whole rests, its driver asks nothing of it; then everything that waits is due. */
const DUE_AGAIN_MS = 1_000;

/**
 * Remembers what keeps a portal, or one of its methods, from taking any message: the cause for the doctor, and when it
 * is looked again, after pauses that grow from seconds to five minutes. All replicas know the same.
 */
@Injectable()
export class RestTroubles implements OnApplicationBootstrap {
  private readonly logger = new Logger(RestTroubles.name);

  constructor(private readonly limits: RestLimitsRepository) {}

  /** What the environment says may have changed: nothing waits for the end of a pause. */
  async onApplicationBootstrap(): Promise<void> {
    await this.limits.endPauses();
  }

  /** Somebody changed something about an application: what is in trouble at its portals is tried at once. */
  async tryAgain(clientId: string): Promise<void> {
    await this.limits.endPauses(clientId);
  }

  /** Keeps what an error says beyond the message that met it, and answers the error to act upon. */
  async keep(portalId: bigint, method: string, error: UpstreamError): Promise<UpstreamError> {
    if (error.scope === 'portal') {
      await this.note(portalId, WHOLE_PORTAL, error, error.retryAfterMs);
      return bitrixError(error.kind, error.code, error.detail, 'portal', DUE_AGAIN_MS);
    }
    if (METHOD_MISSING.has(error.code.toUpperCase()) && CARRIES_MESSAGES.test(method)) {
      return this.keepMethod(portalId, method, error);
    }
    return error;
  }

  /** The method takes nothing at all now: it is left alone for a while, others are called. */
  async keepMethod(portalId: bigint, method: string, error: UpstreamError): Promise<UpstreamError> {
    const restMs = await this.note(portalId, method.toLowerCase(), error);
    return bitrixError('not_sent', error.code, error.detail, 'method', restMs);
  }

  /** For how many milliseconds the portal as a whole is to be left alone; 0: it may be called. */
  async portalRestMs(portalId: bigint): Promise<number> {
    const rests = await this.limits.rests(portalId);
    return rests.find(({ method }) => method === WHOLE_PORTAL)?.restMs ?? 0;
  }

  private async note(
    portalId: bigint,
    method: string,
    { code, detail }: UpstreamError,
    first = FIRST_PAUSE_MS,
  ): Promise<number> {
    const pauses: Pauses = { first, longest: Math.max(first, LONGEST_PAUSE_MS) };
    const restMs = await this.limits.keepTrouble(portalId, { method, code, detail }, pauses);
    const what = method === WHOLE_PORTAL ? 'the portal' : method;
    this.logger.warn(`Portal ${portalId}: ${what} waits for ${Math.round(restMs / 1000)} s (${code}: ${detail})`);
    return restMs;
  }
}
