import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import qs from 'qs';
import { type HttpAnswer, TransportError } from '../common/http-exchange.js';
import { outcomeOfError, watchCall } from '../common/spans.js';
import { UpstreamError } from '../common/upstream-error.js';
import { PortalsRepository, type PortalRecord } from '../storage/accounts/portals.repository.js';
import { type Rest, RestLimitsRepository, WHOLE_PORTAL } from '../storage/work/rest-limits.repository.js';
import { ApplicationsService } from './applications.service.js';
import { BitrixConnections } from './bitrix-connections.js';
import { isPortalAddress } from './portal-hosts.js';
import { RateLimiter } from './rate-limiter.js';
import { bitrixError, bitrixProblem } from './bitrix-problems.js';
import { isObject, parseObject } from '../common/json-fields.js';
import {
  classifyFault,
  classifyPage,
  classifyTransport,
  faultOf,
  isInstallationLost,
  isOperationLimit,
  isPageRefusal,
  isQueryLimit,
  isTokenRejected,
  isUserRejected,
  operationPauseMs,
  pageAboutWords,
  pageOfPortal,
  readFault,
} from './rest-errors.js';
import { commandsOf, loggedAnswer, noAnswer, RestRequestLog, type LoggedAnswer } from './rest-request-log.js';
import { RestTroubles } from './rest-troubles.js';
import { SharedRead } from './shared-read.js';
import {
  BATCH_LIMIT,
  type BatchAnswer,
  type BatchOptions,
  type CallOptions,
  type CommandOutcome,
  type RestAnswer,
  type RestCommand,
  type RestParams,
  type RestTime,
} from './rest.types.js';
import { assertCallable, TokensService, type Credentials } from './tokens.service.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 65_000;
const HEADERS = { Accept: 'application/json', 'Content-Type': 'application/json' };

/** Whoever would have to queue for longer at the portal's bucket is sent away. */
const MAX_WAIT_MS = 20_000;

/** So long a call that yields to others lets them go first; then it takes its turn, so that it is made at all. */
const YIELDS_MS = 1_000;

/**
 * A method rests when it has used this much of its 480 s of execution in ten minutes: one more call of the
 * longest duration, 60 s, then stays within them (apidocs.bitrix24.com, "Limits").
 */
const OPERATING_CEILING_S = 420;

/** A look at the portal's row holds for this long: whoever waited longer since then looks again before a call leaves. */
const LOOKED_MS = 100;

/** Administrators whose pairs are tried for one call. */
const MAX_USERS = 5;

/** Asks nothing of a portal: what answers it answers others; Bitrix24 has had it since its REST began. */
const HARMLESS = 'app.info';
const HARMLESS_TIMEOUT_MS = 10_000;
/** The answer to it counts for other calls that a page refused, if they began at most so long after it. */
const HARMLESS_KEPT_MS = 300;

/**
 * Calls REST methods of a portal: authorised, within the portal's limits, and with every outcome put into one of
 * the classes of {@link UpstreamError}. Nothing leaves the process for a portal that is not installed.
 * An error never carries a token, a secret or what was sent. An error of another class (the database is away) means
 * that nothing was sent: once there is an answer, failing to note what it says about limits does not change it.
 */
@Injectable()
export class RestClient {
  private readonly logger = new Logger(RestClient.name);
  /** Calls of many chats begin together; each needs to know what holds at that moment. */
  private readonly resting = new SharedRead((portalId: bigint) => this.limits.rests(portalId));
  /** What became of the harmless call, by portal. */
  private readonly verdicts = new Map<bigint, { begunAt: number; verdict: Promise<UpstreamError | undefined> }>();
  private readonly records = new SharedRead((portalId: bigint) => this.portals.findById(portalId));

  constructor(
    private readonly connections: BitrixConnections,
    private readonly portals: PortalsRepository,
    private readonly tokens: TokensService,
    private readonly limiter: RateLimiter,
    private readonly applications: ApplicationsService,
    private readonly limits: RestLimitsRepository,
    private readonly troubles: RestTroubles,
    private readonly log: RestRequestLog,
  ) {}

  /** Calls one method. Throws {@link UpstreamError} for everything that is not a success. */
  async call<Result>(
    portalId: bigint,
    method: string,
    params: RestParams = {},
    options: CallOptions = {},
  ): Promise<RestAnswer<Result>> {
    const permit = new Permit(this.limiter, portalId, options);
    try {
      const rests = await this.resting.get(portalId);
      const rest = restOf(rests, method);
      if (rest) throw methodRests(rest);
      const answer = await this.send<Result>(portalId, method, params, options, permit).catch(
        async (error: unknown) => {
          if (isOperationLimit(error)) await this.pauseMethods(portalId, new Map([[method, error.retryAfterMs]]));
          throw error;
        },
      );
      await this.worksAgain(portalId, rests, [method]);
      await this.pauseMethods(portalId, new Map([[method, excess(answer.time)]]));
      return answer;
    } finally {
      await this.note(() => permit.giveBack());
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
    const permit = new Permit(this.limiter, portalId, options);
    try {
      const rests = await this.resting.get(portalId);
      const halt = options.halt ?? false;
      const { ready, held } = withhold(entries, rests, halt);
      if (ready.length === 0) return { results: Object.fromEntries(held) as BatchAnswer<Key>['results'] };
      const body = {
        halt: halt ? 1 : 0,
        cmd: Object.fromEntries(ready.map(([key, command]) => [key, encode(command)])),
      };
      const answer = await this.send<unknown>(portalId, 'batch', body, options, permit);
      const outcomes = await Promise.all(
        ready.map(async ([key, { method }]) => {
          const outcome = readCommand(key, answer.result, halt);
          if (outcome.ok) return [key, outcome] as const;
          return [key, { ok: false, error: await this.keepTrouble(portalId, method, outcome.error) }] as const;
        }),
      );
      const working = outcomes.filter(([, { ok }]) => ok).map(([key]) => commands[key].method);
      await this.worksAgain(portalId, rests, working);
      await this.watchCommands(portalId, commands, outcomes, answer.result);
      return {
        results: Object.fromEntries([...outcomes, ...held]) as BatchAnswer<Key>['results'],
        ...(answer.time && { time: answer.time }),
      };
    } finally {
      await this.note(() => permit.giveBack());
    }
  }

  /**
   * The caller learned that a method takes nothing at all now, whatever it brings: it is left alone, for longer each
   * time. Answers the error to act upon.
   */
  holdMethod(portalId: bigint, method: string, error: UpstreamError): Promise<UpstreamError> {
    return this.troubles.keepMethod(portalId, method, error);
  }

  /** One call; what its failure says about the portal as a whole is kept. */
  private async send<Result>(
    portalId: bigint,
    method: string,
    params: RestParams,
    options: CallOptions,
    permit: Permit,
  ): Promise<RestAnswer<Result>> {
    try {
      return await this.insist<Result>(portalId, method, params, options, permit);
    } catch (error) {
      throw error instanceof UpstreamError ? await this.keepTrouble(portalId, method, error) : error;
    }
  }

  /**
   * Sends until there is an answer that another token, another administrator or the portal's new address cannot
   * change. Each of them is tried once (administrators: until none is left).
   */
  private async insist<Result>(
    portalId: bigint,
    method: string,
    params: RestParams,
    options: CallOptions,
    permit: Permit,
  ): Promise<RestAnswer<Result>> {
    let portal = await this.callable(portalId);
    let lookedAt = performance.now();
    let credentials = await this.tokens.accessToken(portalId, portal.installedAt);
    let [moved, renewed, users] = [false, false, 1];
    for (;;) {
      await permit.ready();
      // In the bucket, for a token, for another answer: the application may have been removed or installed anew meanwhile.
      while (performance.now() - lookedAt > LOOKED_MS) {
        const { installedAt } = portal;
        portal = await this.callable(portalId);
        lookedAt = performance.now();
        if (portal.installedAt > installedAt) credentials = await this.tokens.accessToken(portalId, portal.installedAt);
      }
      permit.use();
      const askedAt = performance.now();
      const { destination, answer, error } = await this.exchange<Result>(portal, method, credentials, params, options);
      if (destination && !moved) {
        portal = await this.follow(portal, destination, credentials);
        moved = true;
        continue;
      }
      if (answer) return answer;
      if (isTokenRejected(error) && !renewed) {
        credentials = await this.tokens.refreshAfterRejection(portalId, credentials.token);
        renewed = true;
      } else if (isUserRejected(error) && users < MAX_USERS) {
        credentials = await this.tokens.rejectUser(portalId, credentials, error.code);
        users += 1;
        renewed = false;
      } else if (isPageRefusal(error)) {
        throw await this.judgePage(portal, method, credentials, error, askedAt);
      } else {
        throw await this.noteTrouble(portal, credentials, error);
      }
    }
  }

  /** One request, its answer read. Throws only when no answer came. */
  private exchange<Result>(
    portal: PortalRecord,
    method: string,
    credentials: Credentials,
    params: RestParams,
    options: CallOptions,
  ): Promise<Exchange<Result>> {
    const beganAt = performance.now();
    const log = (answer: LoggedAnswer | null) => {
      if (answer)
        this.log.add({ portalId: portal.id, method, commands: commandsOf(method, params), ...answer }, beganAt);
    };
    return watchCall(
      'bitrix24',
      method,
      async () => {
        const answer = await this.post(portal, method, credentials, params, options).catch((error: unknown) => {
          log(noAnswer(error));
          throw error;
        });
        const destination = redirection(answer);
        const body = parseObject(answer.text);
        log(loggedAnswer(answer, body));
        try {
          return { destination, answer: readAnswer<Result>(answer, body) };
        } catch (error) {
          return { destination, error };
        }
      },
      ({ answer, error }) => (answer ? 'ok' : outcomeOfError(error)),
    );
  }

  private async post(
    { clientEndpoint, clientId }: PortalRecord,
    method: string,
    { token }: Credentials,
    params: RestParams,
    { timeoutMs = DEFAULT_TIMEOUT_MS, lease }: CallOptions,
  ): Promise<HttpAnswer> {
    const body = JSON.stringify(params);
    try {
      const request = {
        url: new URL(clientEndpoint + method),
        headers: { ...HEADERS, Authorization: `Bearer ${token}` },
        body,
        timeoutMs: Math.min(timeoutMs, MAX_TIMEOUT_MS),
        lease,
      };
      return await this.connections.post(request, clientId);
    } catch (error) {
      throw error instanceof TransportError ? classifyTransport(error) : error;
    }
  }

  private async callable(portalId: bigint): Promise<PortalRecord> {
    const portal = await this.records.get(portalId);
    assertCallable(portal);
    return portal;
  }

  /**
   * A renamed portal answers 302 with its new host, and one that moved to https redirects to itself. That address is
   * about to get our token, so it has to be one of Bitrix24's or the one that is named; a deleted portal redirects to
   * the vendor's site instead. Never back from https to http.
   */
  private async follow(portal: PortalRecord, destination: URL, credentials: Credentials): Promise<PortalRecord> {
    const known = new URL(portal.clientEndpoint);
    const rules = await this.applications.hostRules(portal.clientId);
    const secured =
      known.protocol === 'http:' && destination.protocol === 'https:' && known.hostname === destination.hostname;
    const trusted = destination.protocol === known.protocol && isPortalAddress(destination, rules);
    if (!secured && !trusted) {
      throw bitrixProblem('REDIRECT_REFUSED', `the portal redirects to ${destination.host}, which is no portal`);
    }
    const moved = { ...portal, domain: destination.host, clientEndpoint: destination.origin + known.pathname };
    if (secured) await this.assertSamePortal(moved, credentials);
    await this.portals.saveRename(portal.id, moved.domain, moved.clientEndpoint);
    this.logger.log(`Portal ${portal.id} moved from ${known.origin} to ${destination.origin}`);
    return moved;
  }

  /** Whoever answers there must know our token: only the portal that it was issued for does. */
  private async assertSamePortal(portal: PortalRecord, credentials: Credentials): Promise<void> {
    const { answer, error } = await this.askHarmless(portal, credentials);
    if (error && !isTokenRejected(error)) throw error;
    const { CODE: code } = isObject(answer?.result) ? answer.result : {};
    const another = typeof code === 'string' && code.startsWith('local.') && code !== portal.clientId;
    if (!another) return;
    throw bitrixProblem(
      'REDIRECT_REFUSED',
      `the portal redirects to ${portal.domain}, where another application answers`,
    );
  }

  /**
   * What a page in place of an answer means. Where a call that asks for nothing gets a page too, the portal is closed;
   * where it is answered, the page was about what the call said, and nothing of it happened.
   */
  private async judgePage(
    portal: PortalRecord,
    method: string,
    credentials: Credentials,
    page: UpstreamError,
    askedAt: number,
  ): Promise<UpstreamError> {
    if (method === HARMLESS) return pageOfPortal(page);
    const verdict = await this.harmless(portal, credentials, askedAt);
    if (verdict?.scope === 'portal') return verdict;
    // It did not come through, for another reason: nobody knows, and nothing happened.
    if (verdict && verdict.kind !== 'refused') return bitrixError('not_sent', page.code, page.detail, 'endpoint');
    return isPageRefusal(verdict) ? pageOfPortal(verdict) : pageAboutWords(page);
  }

  /**
   * How the harmless call ends; undefined: answered. One call for all that were refused at about the same time: that the
   * portal was well before says nothing about a page that came later.
   */
  private harmless(
    portal: PortalRecord,
    credentials: Credentials,
    askedAt: number,
  ): Promise<UpstreamError | undefined> {
    const last = this.verdicts.get(portal.id);
    if (last && askedAt - last.begunAt < HARMLESS_KEPT_MS) return last.verdict;
    const verdict = this.askHarmless(portal, credentials).then(
      ({ error }) => (error instanceof UpstreamError ? error : undefined),
      (error: unknown) => {
        if (error instanceof UpstreamError) return bitrixError('unknown', error.code, error.detail, 'endpoint');
        throw error;
      },
    );
    this.verdicts.set(portal.id, { begunAt: performance.now(), verdict });
    verdict.catch(() => this.verdicts.delete(portal.id));
    return verdict;
  }

  private async askHarmless(portal: PortalRecord, credentials: Credentials): Promise<Exchange<unknown>> {
    await new Permit(this.limiter, portal.id).ready();
    await this.callable(portal.id);
    return this.exchange(portal, HARMLESS, credentials, {}, { timeoutMs: HARMLESS_TIMEOUT_MS });
  }

  /** Remembers what an error says about the whole portal, and answers the error to throw. */
  private async noteTrouble(portal: PortalRecord, { userId }: Credentials, error: unknown): Promise<unknown> {
    if (isQueryLimit(error)) {
      const retryAfterMs = (await this.note(() => this.limiter.penalise(portal.id))) ?? error.retryAfterMs;
      return bitrixError('not_sent', error.code, error.detail, 'endpoint', retryAfterMs);
    }
    if (isInstallationLost(error)) {
      const reason = `${error.code}: ${error.detail}`;
      if (await this.note(() => this.portals.requireAuthorisation(portal.id, reason, portal.installedAt))) {
        this.logger.error(`Portal ${portal.id} has to be authorised again: ${reason}`);
      }
    }
    if (isTokenRejected(error)) this.tokens.renewalDidNotHelp(portal.id, userId);
    return error;
  }

  private async watchCommands(
    portalId: bigint,
    commands: Record<string, RestCommand>,
    outcomes: readonly (readonly [string, CommandOutcome])[],
    result: unknown,
  ): Promise<void> {
    const pauses = new Map<string, number | undefined>();
    for (const [key, outcome] of outcomes) {
      const method = commands[key]!.method.toLowerCase();
      const pause = outcome.ok ? excess(timeOf(key, result)) : pauseOf(outcome.error);
      if (pause !== undefined) pauses.set(method, Math.max(pause, pauses.get(method) ?? 0));
    }
    await this.pauseMethods(portalId, pauses);
  }

  /** Keeping it must not hide the trouble itself. */
  private async keepTrouble(portalId: bigint, method: string, error: UpstreamError): Promise<UpstreamError> {
    return (await this.note(() => this.troubles.keep(portalId, method, error))) ?? error;
  }

  /** Methods that answered, and so the portal, are in trouble no longer. */
  private async worksAgain(portalId: bigint, rests: Rest[], methods: string[]): Promise<void> {
    const working = new Set([WHOLE_PORTAL, ...methods.map((method) => method.toLowerCase())]);
    const over = rests.filter(({ trouble, method }) => trouble && working.has(method)).map(({ method }) => method);
    if (over.length === 0) return;
    await this.note(() => this.limits.endTroubles(portalId, over));
    this.logger.log(
      `Portal ${portalId}: ${over.map((method) => (method === WHOLE_PORTAL ? 'it' : method)).join(', ')} works again`,
    );
  }

  private async pauseMethods(portalId: bigint, pauses: Map<string, number | undefined>): Promise<void> {
    for (const [method, pause] of pauses) {
      if (pause !== undefined) await this.note(() => this.limiter.pauseMethod(portalId, method, pause));
    }
  }

  /** Notes something beside a call whose outcome is known already; failing to must not change that outcome. */
  private async note<Result>(write: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await write();
    } catch (error) {
      this.logger.warn(`What an answer of Bitrix24 says about its limits could not be stored: ${String(error)}`);
      return undefined;
    }
  }
}

/** What came back: an answer, or an error that says why there is none; `destination`: the portal lives elsewhere. */
interface Exchange<Result> {
  destination: URL | undefined;
  answer?: RestAnswer<Result>;
  error?: unknown;
}

/** A call's place in the portal's bucket: brought along or taken, one for every request that really leaves. */
class Permit {
  private held: boolean;

  constructor(
    private readonly limiter: RateLimiter,
    private readonly portalId: bigint,
    private readonly options: Pick<CallOptions, 'permit' | 'yields'> = {},
  ) {
    this.held = options.permit ?? false;
  }

  /** Waits until a request may leave. */
  async ready(): Promise<void> {
    if (!this.held) await this.take();
  }

  /** A request leaves: the next one needs another place. */
  use(): void {
    this.held = false;
  }

  async giveBack(): Promise<void> {
    if (this.held) await this.limiter.release(this.portalId, 1);
    this.held = false;
  }

  private async take(): Promise<void> {
    if (this.options.yields && (await this.limiter.waitForSpare(this.portalId, YIELDS_MS))) {
      this.held = true;
      return;
    }
    const wait = await this.limiter.reserve(this.portalId);
    this.held = true;
    if (wait > MAX_WAIT_MS) {
      throw bitrixProblem('LOCAL_QUEUE_FULL', "the portal's request limit is used up", {
        retryAfterMs: wait - MAX_WAIT_MS,
      });
    }
    if (wait > 0) await sleep(wait);
  }
}

function readAnswer<Result>(
  { status, text }: HttpAnswer,
  body: Record<string, unknown> | undefined,
): RestAnswer<Result> {
  if (!body) throw classifyPage(status, text);
  const time = isObject(body['time']) ? (body['time'] as RestTime) : undefined;
  const fault = faultOf(body);
  if (fault) throw classifyFault(fault, { status, ...(time && { time }) });
  if (!('result' in body) || status >= 300) throw classifyPage(status, text);
  return {
    result: body['result'] as Result,
    ...(time && { time }),
    ...(typeof body['next'] === 'number' && { next: body['next'] }),
    ...(typeof body['total'] === 'number' && { total: body['total'] }),
  };
}

function redirection({ status, headers: { location } }: HttpAnswer): URL | undefined {
  const moved = [301, 302, 303, 307, 308].includes(status);
  return moved && typeof location === 'string' && URL.canParse(location) ? new URL(location) : undefined;
}

/** Sets aside the commands whose method rests and, with `halt`, all that follow the first of them. */
function withhold<Key extends string>(entries: [Key, RestCommand][], rests: Rest[], halt: boolean) {
  const ready: [Key, RestCommand][] = [];
  const held: [Key, CommandOutcome][] = [];
  for (const [key, command] of entries) {
    const rest = restOf(rests, command.method);
    if (rest) held.push([key, { ok: false, error: methodRests(rest) }]);
    else if (halt && held.length > 0) held.push([key, { ok: false, error: halted() }]);
    else ready.push([key, command]);
  }
  return { ready, held };
}

/**
 * A command as Bitrix24 wants it, `method?query`, the query by the rules of PHP's http_build_query: indexed
 * brackets, booleans as 1 and 0, null left out, space as +.
 */
function encode({ method, params }: RestCommand): string {
  const query = qs.stringify(params, {
    arrayFormat: 'indices',
    format: 'RFC1738',
    skipNulls: true,
    filter: (_key, value: unknown) => (typeof value === 'boolean' ? Number(value) : value),
  });
  return query ? `${method}?${query}` : method;
}

function readCommand(key: string, batch: unknown, halt: boolean): CommandOutcome {
  // First the errors: a command that answers `{result: false, error}` stands in both lists.
  const fault = readFault(member(batch, 'result_error', key));
  const time = timeOf(key, batch);
  if (fault) return { ok: false, error: classifyFault(fault, { ...(time && { time }) }) };
  const result = member(batch, 'result', key);
  if (result !== undefined) return { ok: true, result, ...(time && { time }) };
  if (halt && hasErrors(batch)) return { ok: false, error: halted() };
  return {
    ok: false,
    error: bitrixProblem('NO_RESULT', 'the batch answered without this command'),
  };
}

/** PHP writes an empty map as `[]`, and one with the keys 0, 1, 2 as a list. */
function member(batch: unknown, list: string, key: string): unknown {
  const entries = isObject(batch) ? batch[list] : undefined;
  if (typeof entries !== 'object' || entries === null || !Object.hasOwn(entries, key)) return undefined;
  return (entries as Record<string, unknown>)[key];
}

function timeOf(key: string, batch: unknown): RestTime | undefined {
  const time = member(batch, 'result_time', key);
  return isObject(time) ? (time as RestTime) : undefined;
}

function hasErrors(batch: unknown): boolean {
  const errors = isObject(batch) ? batch['result_error'] : undefined;
  return typeof errors === 'object' && errors !== null && Object.keys(errors).length > 0;
}

function excess(time: RestTime | undefined): number | undefined {
  return (time?.operating ?? 0) > OPERATING_CEILING_S ? operationPauseMs(time) : undefined;
}

function pauseOf(error: UpstreamError): number | undefined {
  return isOperationLimit(error) ? error.retryAfterMs : undefined;
}

/** A method that may not be called now. */
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

function halted(): UpstreamError {
  return bitrixProblem('BATCH_HALTED', 'an earlier command of the batch failed');
}
