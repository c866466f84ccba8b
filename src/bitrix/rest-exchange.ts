import { type HttpAnswer, TransportError } from '../common/http-exchange.js';
import { isObject, parseObject } from '../common/json-fields.js';
import { outcomeOfError, watchCall } from '../common/spans.js';
import type { PortalRecord } from '../storage/accounts/portals.repository.js';
import type { RestConnections } from './rest-connections.js';
import { classifyFault, classifyPage, classifyTransport, faultOf } from './rest-errors.js';
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
  constructor(private readonly connections: RestConnections) {}

  /** Rejects only when no answer came. */
  run<Result>(
    portal: PortalRecord,
    method: string,
    credentials: Credentials,
    params: RestParams,
    options: CallOptions,
  ): Promise<Exchange<Result>> {
    return watchCall(
      'bitrix24',
      method,
      async () => {
        const answer = await this.post(portal.clientEndpoint + method, credentials, params, options);
        const destination = redirection(answer);
        try {
          return { destination, answer: readAnswer<Result>(answer) };
        } catch (error) {
          return { destination, error };
        }
      },
      ({ answer, error }) => (answer ? 'ok' : outcomeOfError(error)),
    );
  }

  private async post(
    url: string,
    { token }: Credentials,
    params: RestParams,
    { timeoutMs = DEFAULT_TIMEOUT_MS, lease }: CallOptions,
  ): Promise<HttpAnswer> {
    const body = JSON.stringify(params);
    try {
      return await this.connections.post({
        url: new URL(url),
        headers: { ...HEADERS, Authorization: `Bearer ${token}` },
        body,
        timeoutMs: Math.min(timeoutMs, MAX_TIMEOUT_MS),
        lease,
      });
    } catch (error) {
      throw error instanceof TransportError ? classifyTransport(error) : error;
    }
  }
}

function readAnswer<Result>({ status, text }: HttpAnswer): RestAnswer<Result> {
  const body = parseObject(text);
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
