import { type HttpAnswer, TransportError } from '../common/http-exchange.js';
import { isObject, parseObject } from '../common/json-fields.js';
import { outcomeOfError, watchCall } from '../common/spans.js';
import type { PortalRecord } from '../storage/accounts/portals.repository.js';
import type { BitrixConnections } from './bitrix-connections.js';
import { classifyFault, classifyPage, classifyTransport, faultOf } from './rest-errors.js';
import { commandsOf, loggedAnswer, noAnswer, type LoggedAnswer, type RestRequestLog } from './rest-request-log.js';
import type { CallOptions, RestAnswer, RestParams, RestTime } from './rest.types.js';
import type { Credentials } from './tokens.service.js';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_TIMEOUT_MS = 65_000;
const HEADERS = { Accept: 'application/json', 'Content-Type': 'application/json' };

/** What came back: an answer, or the error it amounts to. `destination`: the portal lives at another address. */
export interface Exchange<Result> {
  destination: URL | undefined;
  answer?: RestAnswer<Result>;
  error?: unknown;
}

/** One HTTP request to a portal, with its answer read and put into a class of UpstreamError. */
export class RestExchange {
  constructor(
    private readonly connections: BitrixConnections,
    private readonly log: RestRequestLog,
  ) {}

  /** Rejects only when no answer came. */
  run<Result>(
    portal: PortalRecord,
    method: string,
    credentials: Credentials,
    params: RestParams,
    options: CallOptions,
  ): Promise<Exchange<Result>> {
    const beganAt = performance.now();
    const log = (answer: LoggedAnswer | null) => {
      if (!answer) return;
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
