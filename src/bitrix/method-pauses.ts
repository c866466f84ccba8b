import { Logger } from '@nestjs/common';
import type { UpstreamError } from '../common/upstream-error.js';
import { type Rest, type RestLimitsRepository, WHOLE_PORTAL } from '../storage/work/rest-limits.repository.js';
import { batchHalted, commandTime } from './batch-commands.js';
import { bitrixError } from './bitrix-problems.js';
import { noteBesideCall } from './call-notes.js';
import type { RateLimiter } from './rate-limiter.js';
import { isOperationLimit, operationPauseMs } from './rest-errors.js';
import type { CommandOutcome, RestCommand, RestTime } from './rest.types.js';
import { SharedRead } from './shared-read.js';

/**
 * A method rests when it has used this much of its 480 s of execution in ten minutes: one more call of the
 * longest duration, 60 s, then stays within them (apidocs.bitrix24.com, "Limits").
 */
const OPERATING_CEILING_S = 420;

/** Which methods of a portal may not be called now, and what answers say about that. */
export class MethodPauses {
  private readonly logger = new Logger(MethodPauses.name);
  /** Calls of many chats begin together; each needs to know what holds at that moment. */
  private readonly resting = new SharedRead((portalId: bigint) => this.limits.rests(portalId));

  constructor(
    private readonly limits: RestLimitsRepository,
    private readonly limiter: RateLimiter,
  ) {}

  of(portalId: bigint): Promise<Rest[]> {
    return this.resting.get(portalId);
  }

  /** After a call that was answered. */
  async afterAnswer(portalId: bigint, rests: Rest[], method: string, time: RestTime | undefined): Promise<void> {
    await this.worksAgain(portalId, rests, [method]);
    await this.pause(portalId, new Map([[method, excessMs(time)]]));
  }

  /** After a call that failed. */
  async afterError(portalId: bigint, method: string, error: unknown): Promise<void> {
    if (isOperationLimit(error)) await this.pause(portalId, new Map([[method, error.retryAfterMs]]));
  }

  /** After a batch that was answered; `batch` is the answer's `result`. */
  async afterBatch(
    portalId: bigint,
    rests: Rest[],
    commands: Record<string, RestCommand>,
    outcomes: readonly (readonly [string, CommandOutcome])[],
    batch: unknown,
  ): Promise<void> {
    const working = outcomes.filter(([, { ok }]) => ok).map(([key]) => commands[key]!.method);
    await this.worksAgain(portalId, rests, working);
    const pauses = new Map<string, number | undefined>();
    for (const [key, outcome] of outcomes) {
      const method = commands[key]!.method.toLowerCase();
      const pause = outcome.ok ? excessMs(commandTime(key, batch)) : limitPauseMs(outcome.error);
      if (pause !== undefined) pauses.set(method, Math.max(pause, pauses.get(method) ?? 0));
    }
    await this.pause(portalId, pauses);
  }

  /** Methods that answered, and with them the portal, are out of trouble. */
  private async worksAgain(portalId: bigint, rests: Rest[], methods: string[]): Promise<void> {
    const working = new Set([WHOLE_PORTAL, ...methods.map((method) => method.toLowerCase())]);
    const over = rests.filter(({ trouble, method }) => trouble && working.has(method)).map(({ method }) => method);
    if (over.length === 0) return;
    await noteBesideCall(() => this.limits.endTroubles(portalId, over));
    const names = over.map((method) => (method === WHOLE_PORTAL ? 'REST' : method)).join(', ');
    this.logger.log(`Portal ${portalId} accepts calls again: ${names}`);
  }

  private async pause(portalId: bigint, pauses: Map<string, number | undefined>): Promise<void> {
    for (const [method, pauseMs] of pauses) {
      if (pauseMs !== undefined) await noteBesideCall(() => this.limiter.pauseMethod(portalId, method, pauseMs));
    }
  }
}

/** Throws when the method may not be called now. */
export function assertNotResting(rests: Rest[], method: string): void {
  const rest = restOf(rests, method);
  if (rest) throw methodRests(rest);
}

/** Sets aside the commands whose method rests and, with `halt`, all that follow the first of them. */
export function withholdResting<Key extends string>(entries: [Key, RestCommand][], rests: Rest[], halt: boolean) {
  const ready: [Key, RestCommand][] = [];
  const held: [Key, CommandOutcome][] = [];
  for (const [key, command] of entries) {
    const rest = restOf(rests, command.method);
    if (rest) held.push([key, { ok: false, error: methodRests(rest) }]);
    else if (halt && held.length > 0) held.push([key, { ok: false, error: batchHalted() }]);
    else ready.push([key, command]);
  }
  return { ready, held };
}

function restOf(rests: Rest[], method: string): Rest | undefined {
  return rests.find((rest) => rest.restMs > 0 && rest.method === method.toLowerCase());
}

function methodRests({ restMs, trouble }: Rest): UpstreamError {
  const { code, detail } = trouble ?? {
    code: 'OPERATION_TIME_LIMIT',
    detail: 'the method rests for its execution time',
  };
  return bitrixError('not_sent', code, detail, 'method', restMs);
}

/** How long a method must rest after an answer of this cost; undefined: it need not. */
function excessMs(time: RestTime | undefined): number | undefined {
  return (time?.operating ?? 0) > OPERATING_CEILING_S ? operationPauseMs(time) : undefined;
}

function limitPauseMs(error: UpstreamError): number | undefined {
  return isOperationLimit(error) ? error.retryAfterMs : undefined;
}
