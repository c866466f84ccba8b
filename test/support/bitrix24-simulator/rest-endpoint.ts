import { setTimeout as sleep } from 'node:timers/promises';
import { APPLICATION_METHODS } from './application-methods.js';
import { CRM_ACTIVITY_METHODS } from './crm-activity-methods.js';
import { CRM_ITEM_METHODS } from './crm-item-methods.js';
import { CRM_RECORD_METHODS } from './crm-record-methods.js';
import type { Faults, TransportFault } from './faults.js';
import { htmlPage, parseForm, requestParams, type Answer, type Exchange, type Reply } from './http-exchange.js';
import { IMCONNECTOR_METHODS } from './imconnector-methods.js';
import { MESSAGE_SERVICE_METHODS } from './message-service-methods.js';
import { accessToken } from './oauth-server.js';
import { MESSENGER_EVENT_METHODS } from './messenger-events.js';
import { OPENLINES_METHODS } from './openlines-methods.js';
import { PLACEMENT_METHODS } from './placement-methods.js';
import { isArray, isEmpty, phpArray, phpJson, portalDate, text, upperKeys, type Params } from './php-encoding.js';
import type { PortalApp, PortalUser } from './portal-model.js';
import type { Portal } from './portal.js';
import { RestError } from './rest-error.js';
import { Page, type RestContext, type RestMethod } from './rest-method.js';
import { ROBOT_METHODS } from './robot-methods.js';
import type { TokenStore } from './token-store.js';
import { TRIGGER_METHODS } from './trigger-methods.js';

const METHODS = new Map<string, RestMethod>(
  Object.entries({
    ...APPLICATION_METHODS,
    ...CRM_ACTIVITY_METHODS,
    ...CRM_ITEM_METHODS,
    ...CRM_RECORD_METHODS,
    ...IMCONNECTOR_METHODS,
    ...MESSAGE_SERVICE_METHODS,
    ...MESSENGER_EVENT_METHODS,
    ...OPENLINES_METHODS,
    ...PLACEMENT_METHODS,
    ...ROBOT_METHODS,
    ...TRIGGER_METHODS,
  }),
);
const MAX_BATCH = 50;
const CALLS_KEPT = 5000;

/** One REST call, as the test sees it afterwards. Commands of a batch are listed before the batch itself. */
export interface RestCall {
  at: number;
  method: string;
  params: Params;
  /** HTTP status, or for a command inside a batch the status it would have had. */
  status: number;
  answer: unknown;
  inBatch: boolean;
}

interface Caller {
  app: PortalApp | null;
  user: PortalUser;
  clientId: string;
  eventTtl?: number;
}

interface Outcome {
  result: unknown;
  total?: number;
  next?: number;
  time: Params;
}

/** A handler that answers `{error, error_description}` itself: the whole body, HTTP 200, no `time`. */
class RawBody {
  constructor(readonly body: Params) {}
}

/** `/rest/METHOD` of one portal: authentication, limits, envelope, batch. */
export class RestEndpoint {
  readonly calls: RestCall[] = [];
  /** Requests that carried an access token in the URL. */
  tokensInUrl = 0;
  /** Requests made with a token that came with an event. */
  eventTokensUsed = 0;
  /** Requests of an application that is no longer installed. */
  callsAfterUninstall = 0;

  constructor(
    private readonly portal: Portal,
    private readonly tokens: TokenStore,
    private readonly faults: Faults,
    private readonly latencyMs: () => number,
  ) {}

  async answer(exchange: Exchange): Promise<Answer> {
    const path = parsePath(exchange.path);
    const { params, query } = requestParams(exchange);
    if (query['auth'] !== undefined || query['access_token'] !== undefined) this.tokensInUrl += 1;
    const commands =
      path.method === 'batch'
        ? [...parseCommands(params)].map(({ method, query: raw }) => [method, parseForm(raw)] as const)
        : [];
    const fault = this.faults.takeTransport([[path.method, params], ...commands], true);
    const perform = (): Promise<Reply> => this.inTime(this.perform(path, params, exchange));
    return fault === undefined ? perform() : this.fail(fault, perform);
  }

  /** The front end does not wait for ever; what it no longer waits for goes on. */
  private async inTime(reply: Promise<Reply>): Promise<Reply> {
    const answered = new AbortController();
    const late = sleep(this.portal.requestTimeoutMs, htmlPage(504, 'Gateway Time-out'), { signal: answered.signal });
    return Promise.race([reply, late]).finally(() => answered.abort());
  }

  private async fail(fault: TransportFault, perform: () => Promise<Reply>): Promise<Answer> {
    if (fault === 'dropBefore') return 'drop';
    if (fault === 'dropAfter') {
      await perform();
      return 'drop';
    }
    if ('html' in fault) {
      if (fault.performed) await perform();
      return htmlPage(fault.html, 'Bad Gateway');
    }
    const reply = fault.performed === false ? htmlPage(504, 'Gateway Time-out') : await perform();
    await sleep(fault.delayMs);
    return reply;
  }

  private async perform(path: RestPath, params: Params, exchange: Exchange): Promise<Reply> {
    const at = this.portal.clock.now();
    let clientId = '';
    try {
      this.portal.limits.admit(exchange.ip);
      if (this.portal.httpsOnly && !this.portal.url.startsWith('https:'))
        throw new RestError(400, 'INVALID_REQUEST', 'Https required.');
      const caller = this.authenticate(path, params, exchange);
      ({ clientId } = caller);
      this.checkPortal();
      const { auth: _auth, access_token: _token, ...own } = params;
      const refusal = this.faults.takeRefusal(path.method, own, true);
      if (refusal !== undefined)
        throw new RestError(refusal.status, refusal.error, refusal.description ?? '', refusal.extra);
      const outcome =
        path.method === 'batch' ? await this.batch(own, caller, at) : await this.run(path.method, own, caller, at);
      return this.reply(path.method, params, at, 200, outcome instanceof RawBody ? outcome.body : outcome, clientId);
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      return this.reply(path.method, params, at, error.status, error.body, clientId);
    }
  }

  private reply(method: string, params: Params, at: number, status: number, body: unknown, clientId: string): Reply {
    this.record({ at, method, params, status, answer: body, inBatch: false });
    const headers: Record<string, string> = {
      'Content-Type': 'application/json; charset=utf-8',
      'Access-Control-Allow-Origin': '*',
      'X-Content-Type-Options': 'nosniff',
      ...(clientId === '' ? {} : { 'X-Bitrix-Rest-Application': clientId }),
    };
    return { status, headers, body: phpJson(body) };
  }

  private record(call: RestCall): void {
    this.calls.push(call);
    // Cut seldom: a shift for every call would cost more than the call.
    if (this.calls.length > 2 * CALLS_KEPT) this.calls.splice(0, CALLS_KEPT);
  }

  // Who is calling

  private authenticate(path: RestPath, params: Params, exchange: Exchange): Caller {
    if (path.webhook !== undefined) return this.webhookCaller(path.webhook);
    const token = accessToken(exchange, params);
    if (token === '') throw new RestError(401, 'NO_AUTH_FOUND', 'Wrong authorization data');
    const grant = this.tokens.findAccess(token);
    if (grant === undefined || grant.portal !== this.portal)
      throw new RestError(401, 'invalid_token', 'Unable to get application by token');
    const { app, eventTtl } = grant;
    if (app.deleted) this.callsAfterUninstall += 1;
    if (eventTtl !== undefined) this.eventTokensUsed += 1;
    if (grant.expiresAt <= this.portal.clock.now())
      throw new RestError(401, 'expired_token', 'The access token provided has expired.');
    const user = this.portal.users.get(grant.userId);
    if (user === undefined || !user.active) throw new RestError(401, 'authorization_error', 'Unable to authorize user');
    if (app.deleted) throw new RestError(401, 'ERROR_OAUTH', 'Application not installed');
    if (app.paymentExpired) throw new RestError(401, 'PAYMENT_REQUIRED', 'Subscription has been ended');
    if (!user.appAccess)
      throw new RestError(403, 'user_access_error', 'The user does not have access to the application.');
    return { app, user, clientId: app.clientId, eventTtl };
  }

  private webhookCaller({ userId, code }: { userId: number; code: string }): Caller {
    const user = this.portal.users.get(userId);
    if (user === undefined || this.portal.webhooks.get(code) !== userId)
      throw new RestError(401, 'INVALID_CREDENTIALS', 'Invalid request credentials');
    return { app: null, user, clientId: `webhook-${code}` };
  }

  private checkPortal(): void {
    const { refusal } = this.portal;
    if (refusal === 'PORTAL_DELETED') throw new RestError(403, refusal, 'Portal was deleted');
    if (refusal === 'OVERLOAD_LIMIT') throw new RestError(503, refusal, 'REST API is blocked due to overload.');
    if (refusal === 'ACCESS_DENIED') throw new RestError(403, refusal, 'REST is available only on commercial plans.');
  }

  // One method

  private async run(name: string, params: Params, caller: Caller, at: number): Promise<Outcome | RawBody> {
    const method = METHODS.get(name);
    if (method === undefined || this.portal.missingMethods.has(name))
      throw new RestError(404, 'ERROR_METHOD_NOT_FOUND', 'Method not found!');
    this.checkAccess(method, caller);
    this.portal.limits.checkOperating(caller.clientId, name);
    const { START: start, ...upper } = upperKeys(params);
    const own = method.keysAsGiven === true ? params : upper;
    let worked = false;
    const work = async (): Promise<void> => {
      worked = true;
      if (this.latencyMs() > 0) await sleep(this.latencyMs());
    };
    const cause = { userId: caller.user.id, eventTtl: caller.eventTtl };
    const context: RestContext = {
      portal: this.portal,
      app: caller.app,
      user: caller.user,
      faults: this.faults,
      cause,
      start: Number(text(start)) || 0,
      work,
    };
    const began = performance.now();
    const result = await method.run(own, context);
    if (!worked) await work();
    const seconds = (performance.now() - began) / 1000 + this.portal.executionSeconds(name, own);
    const time = this.time(at, this.portal.limits.charge(caller.clientId, name, seconds));
    if (isArray(result) && !isEmpty(result['error']) && !isEmpty(result['error_description']))
      return new RawBody(result);
    if (result instanceof Page)
      return {
        result: result.result,
        ...(result.next === undefined ? {} : { next: result.next }),
        total: result.total,
        time,
      };
    return { result, time };
  }

  private checkAccess(method: RestMethod, { app }: Caller): void {
    if (method.appOnly === true && app === null) {
      throw new RestError(
        403,
        'WRONG_AUTH_TYPE',
        'Current authorization type is denied for this method Application context required',
      );
    }
    if (app !== null && method.scopes.length > 0 && !method.scopes.some((scope) => app.scope.includes(scope))) {
      throw new RestError(
        401,
        'insufficient_scope',
        'The request requires higher privileges than provided by the access token',
      );
    }
  }

  /** `start` and `processing` are whole seconds in current builds. */
  private time(from: number, operating: Params = {}): Params {
    const until = this.portal.clock.now();
    return {
      start: Math.floor(from / 1000),
      finish: until / 1000,
      duration: (until - from) / 1000,
      processing: Math.floor((until - from) / 1000),
      date_start: portalDate(from),
      date_finish: portalDate(until),
      ...operating,
    };
  }

  // Batch

  private async batch(params: Params, caller: Caller, at: number): Promise<Outcome> {
    const results: Array<[string, unknown]> = [];
    const errors: Array<[string, unknown]> = [];
    const totals: Array<[string, unknown]> = [];
    const nexts: Array<[string, unknown]> = [];
    const times: Array<[string, unknown]> = [];
    const halt = !isEmpty(upperKeys(params)['HALT']);
    let count = 0;
    for (const { key, method, query } of parseCommands(params)) {
      count += 1;
      const own = withResults(parseForm(query), Object.fromEntries(results));
      const done = await this.command(method, own, caller, count);
      if (done instanceof RestError) errors.push([key, done.body]);
      else if (done instanceof RawBody) {
        errors.push([key, done.body]);
        if (done.body['result'] !== undefined) results.push([key, done.body['result']]);
      } else {
        results.push([key, done.result]);
        if (done.total !== undefined) totals.push([key, done.total]);
        if (done.next !== undefined) nexts.push([key, done.next]);
        times.push([key, done.time]);
      }
      if (halt && errors.length > 0) break;
    }
    const result = {
      result: phpArray(results),
      result_error: phpArray(errors),
      result_total: phpArray(totals),
      result_next: phpArray(nexts),
      result_time: phpArray(times),
    };
    return { result, time: this.time(at, this.portal.limits.charge(caller.clientId, 'batch', 0)) };
  }

  private async command(
    method: string,
    params: Params,
    caller: Caller,
    position: number,
  ): Promise<Outcome | RawBody | RestError> {
    const at = this.portal.clock.now();
    try {
      if (position > MAX_BATCH) throw new RestError(400, 'ERROR_BATCH_LENGTH_EXCEEDED', 'Max batch length exceeded');
      if (method === 'batch')
        throw new RestError(405, 'ERROR_BATCH_METHOD_NOT_ALLOWED', 'Method is not allowed for batch usage');
      const refusal = this.faults.takeRefusal(method, params, false);
      if (refusal !== undefined)
        throw new RestError(refusal.status, refusal.error, refusal.description ?? '', refusal.extra);
      const done = await this.run(method, params, caller, at);
      this.record({
        at,
        method,
        params,
        status: 200,
        answer: done instanceof RawBody ? done.body : done,
        inBatch: true,
      });
      return done;
    } catch (error) {
      if (!(error instanceof RestError)) throw error;
      this.record({ at, method, params, status: error.status, answer: error.body, inBatch: true });
      return error;
    }
  }
}

interface RestPath {
  /** Lower case, without `.json`. */
  method: string;
  webhook?: { userId: number; code: string };
}

function parsePath(path: string): RestPath {
  const webhook = /^\/rest\/(\d+)\/([^/]+)\/([^/]+)\/?$/.exec(path);
  const method = (webhook?.[3] ?? path.replace(/^\/rest\//, '').replace(/\/$/, ''))
    .toLowerCase()
    .replace(/\.json$/, '');
  return webhook === null ? { method } : { method, webhook: { userId: Number(webhook[1]), code: webhook[2] ?? '' } };
}

/** Commands of a batch; entries that are no strings are skipped. */
function* parseCommands(params: Params): Generator<{ key: string; method: string; query: string }> {
  const commands = upperKeys(params)['CMD'];
  if (!isArray(commands)) return;
  for (const [key, command] of Object.entries(commands)) {
    if (typeof command !== 'string') continue;
    const mark = command.indexOf('?');
    const method = (mark < 0 ? command : command.slice(0, mark))
      .trim()
      .toLowerCase()
      .replace(/\.json$/, '');
    yield { key, method, query: mark < 0 ? '' : command.slice(mark + 1) };
  }
}

const REFERENCE = /\$result((?:\[[^\]]*\])+)/g;

/** Replaces `$result[key][path]` by what earlier commands answered; alone it keeps its type, inside a text it becomes text. */
function withResults(value: Params, results: Params): Params {
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, substitute(inner, results)]));
}

function substitute(value: unknown, results: Params): unknown {
  if (Array.isArray(value)) return value.map((inner) => substitute(inner, results));
  if (isArray(value)) return withResults(value, results);
  if (typeof value !== 'string' || !value.includes('$result[')) return value;
  const whole = /^\$result((?:\[[^\]]*\])+)$/.exec(value)?.[1];
  if (whole !== undefined) return lookUp(whole, results);
  return value.replace(REFERENCE, (_all, path: string) => text(lookUp(path, results)));
}

function lookUp(path: string, results: Params): unknown {
  let found: unknown = results;
  for (const [, key] of path.matchAll(/\[([^\]]*)\]/g)) found = isArray(found) ? found[key ?? ''] : undefined;
  return found;
}
