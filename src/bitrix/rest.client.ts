import { Injectable } from '@nestjs/common';
import { UpstreamError } from '../common/upstream-error.js';
import { PortalsRepository } from '../storage/accounts/portals.repository.js';
import { RestLimitsRepository } from '../storage/work/rest-limits.repository.js';
import { ApplicationsService } from './applications.service.js';
import { BitrixConnections } from './bitrix-connections.js';
import { encodeCommand, readCommand } from './batch-commands.js';
import { noteBesideCall } from './call-notes.js';
import { CallablePortals } from './callable-portals.js';
import { HarmlessCall } from './harmless-call.js';
import { assertNotResting, MethodPauses, withholdResting } from './method-pauses.js';
import { PortalMove } from './portal-move.js';
import { PortalRequests } from './portal-requests.js';
import { RateLimiter } from './rate-limiter.js';
import { RequestPermit } from './request-permit.js';
import { RestExchange } from './rest-exchange.js';
import { RestRequestLog } from './rest-request-log.js';
import { RestTroubles } from './rest-troubles.js';
import {
  BATCH_LIMIT,
  type BatchAnswer,
  type BatchOptions,
  type CallOptions,
  type RestAnswer,
  type RestCommand,
  type RestParams,
} from './rest.types.js';
import { TokensService } from './tokens.service.js';

/**
 * Calls REST methods of a portal: authorised, within the portal's limits, and with every outcome put into one of
 * the classes of {@link UpstreamError}. Nothing leaves the process for a portal that is not installed.
 * An error never carries a token, a secret or what was sent. An error of another class (the database is away) means
 * that nothing was sent: once there is an answer, failing to store what it says about limits does not change it.
 */
@Injectable()
export class RestClient {
  private readonly pauses: MethodPauses;
  private readonly requests: PortalRequests;

  constructor(
    connections: BitrixConnections,
    portals: PortalsRepository,
    tokens: TokensService,
    private readonly limiter: RateLimiter,
    applications: ApplicationsService,
    limits: RestLimitsRepository,
    private readonly troubles: RestTroubles,
    log: RestRequestLog,
  ) {
    const exchange = new RestExchange(connections, log);
    const callable = new CallablePortals(portals);
    const harmless = new HarmlessCall(exchange, limiter, callable);
    const move = new PortalMove(portals, applications, harmless);
    this.pauses = new MethodPauses(limits, limiter);
    this.requests = new PortalRequests(callable, portals, tokens, limiter, troubles, exchange, harmless, move);
  }

  /** Calls one method. Throws {@link UpstreamError} for everything that is not a success. */
  async call<Result>(
    portalId: bigint,
    method: string,
    params: RestParams = {},
    options: CallOptions = {},
  ): Promise<RestAnswer<Result>> {
    return this.once<Result>(portalId, method, options, (permit) =>
      this.requests.send<Result>(portalId, method, params, options, permit),
    );
  }

  /**
   * Calls one method with the access token of somebody who looks at a page of ours: with their rights, within the same
   * limits. Nothing is renewed or stored. Throws {@link UpstreamError} for everything that is not a success.
   */
  async callAs<Result>(
    portalId: bigint,
    accessToken: string,
    method: string,
    params: RestParams = {},
    options: CallOptions = {},
  ): Promise<RestAnswer<Result>> {
    return this.once<Result>(portalId, method, options, (permit) =>
      this.requests.sendAs<Result>(portalId, accessToken, method, params, options, permit),
    );
  }

  private async once<Result>(
    portalId: bigint,
    method: string,
    options: CallOptions,
    send: (permit: RequestPermit) => Promise<RestAnswer<Result>>,
  ): Promise<RestAnswer<Result>> {
    const permit = new RequestPermit(this.limiter, portalId, options);
    try {
      const rests = await this.pauses.of(portalId);
      assertNotResting(rests, method);
      const answer = await send(permit).catch(async (error: unknown) => {
        await this.pauses.afterError(portalId, method, error);
        throw error;
      });
      await this.pauses.afterAnswer(portalId, rests, method, answer.time);
      return answer;
    } finally {
      await noteBesideCall(() => permit.giveBack());
    }
  }

  /**
   * Sends up to 50 commands as one request and answers each command's own outcome, by its key. Commands of a
   * method that rests are not sent. Throws {@link UpstreamError} when the request as a whole had no success; its
   * class then holds for every command.
   */
  async callBatch<Key extends string>(
    portalId: bigint,
    commands: Record<Key, RestCommand>,
    options: BatchOptions = {},
  ): Promise<BatchAnswer<Key>> {
    const entries = Object.entries(commands) as [Key, RestCommand][];
    if (entries.length > BATCH_LIMIT)
      throw new RangeError(`a batch takes ${BATCH_LIMIT} commands, not ${entries.length}`);
    const permit = new RequestPermit(this.limiter, portalId, options);
    try {
      const rests = await this.pauses.of(portalId);
      const halt = options.halt ?? false;
      const { ready, held } = withholdResting(entries, rests, halt);
      if (ready.length === 0) return { results: Object.fromEntries(held) as BatchAnswer<Key>['results'] };
      const body = {
        halt: halt ? 1 : 0,
        cmd: Object.fromEntries(ready.map(([key, command]) => [key, encodeCommand(command)])),
      };
      const answer = await this.requests.send<unknown>(portalId, 'batch', body, options, permit);
      const outcomes = await Promise.all(
        ready.map(async ([key, { method }]) => {
          const outcome = readCommand(key, answer.result, halt);
          if (outcome.ok) return [key, outcome] as const;
          const error = await this.requests.keepTrouble(portalId, method, outcome.error);
          return [key, { ok: false, error }] as const;
        }),
      );
      await this.pauses.afterBatch(portalId, rests, commands, outcomes, answer.result);
      return {
        results: Object.fromEntries([...outcomes, ...held]) as BatchAnswer<Key>['results'],
        ...(answer.time && { time: answer.time }),
      };
    } finally {
      await noteBesideCall(() => permit.giveBack());
    }
  }

  /**
   * The caller learned that a method takes nothing at all now, whatever it brings: it is left alone, for longer each
   * time. Answers the error to act upon.
   */
  holdMethod(portalId: bigint, method: string, error: UpstreamError): Promise<UpstreamError> {
    return this.troubles.keepMethod(portalId, method, error);
  }
}
