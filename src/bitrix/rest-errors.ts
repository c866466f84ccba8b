import { LEASE_LOST, type TransportError } from '../common/http-exchange.js';
import { redact } from '../common/redact.js';
import type { DeliveryProblem } from '../common/delivery-problem.js';
import { isObject } from '../common/json-fields.js';
import { UpstreamError } from '../common/upstream-error.js';
import { bitrixError, bitrixProblem, portalProblem } from './bitrix-problems.js';
import type { RestTime } from './rest.types.js';

/** An error as Bitrix24 words it: `{"error": …, "error_description": …, "argument": …}`. */
export interface RestFault {
  code: string;
  description: string;
  argument?: string;
}

/** What Bitrix24 answered beside the fault; a command inside a batch has no status of its own. */
export interface FaultContext {
  status?: number;
  time?: RestTime;
}

const MINUTE_MS = 60_000;

/** How long a method rests after OPERATION_TIME_LIMIT when Bitrix24 does not say. */
const OPERATION_PAUSE_MS = MINUTE_MS;

/** The longest that a method can have to rest: execution time is counted over ten minutes. */
const LONGEST_OPERATION_PAUSE_MS = 10 * MINUTE_MS;

const NOT_SENT: DeliveryProblem = { kind: 'not_sent', scope: 'message' };
const REST_IS_CLOSED: DeliveryProblem = { kind: 'unauthorised', scope: 'portal', retryAfterMs: MINUTE_MS / 2 };

const has = (error: unknown, code: string): error is UpstreamError =>
  error instanceof UpstreamError && error.code.toUpperCase() === code;
const needs = (error: unknown, remedy: 'new_token' | 'another_user' | 'installation'): error is UpstreamError =>
  error instanceof UpstreamError && portalProblem(error.code)?.remedy === remedy;

/** The access token was refused; another one of the same user may do. */
export const isTokenRejected = (error: unknown): error is UpstreamError => needs(error, 'new_token');
/** The token's user was refused (dismissed, no access to the application); another administrator may do. */
export const isUserRejected = (error: unknown): error is UpstreamError => needs(error, 'another_user');
/** The installation is gone; only a new one helps. */
export const isInstallationLost = (error: unknown): error is UpstreamError => needs(error, 'installation');
export const isQueryLimit = (error: unknown): error is UpstreamError => has(error, 'QUERY_LIMIT_EXCEEDED');
export const isOperationLimit = (error: unknown): error is UpstreamError => has(error, 'OPERATION_TIME_LIMIT');

/**
 * The fault an answer carries, wherever Bitrix24 put it: at the top with any status, 200 included, or, as
 * imconnector.register does it, as a result that is itself `{result: false, error, error_description}`.
 */
export function faultOf(body: Record<string, unknown>): RestFault | undefined {
  const fault = readFault(body);
  if (fault) return fault;
  const { result } = body;
  return isObject(result) && typeof result['error_description'] === 'string' ? readFault(result) : undefined;
}

/** Reads one error object, or the bare code some commands of a batch answer with. */
export function readFault(value: unknown): RestFault | undefined {
  if (typeof value === 'string' && value !== '') return { code: value, description: '' };
  if (!isObject(value)) return undefined;
  const { error, error_description: description, argument } = value;
  if (typeof error !== 'string' && typeof error !== 'number') return undefined;
  // A refusal that a method gives no code (crm/lib/automation/rest/proxy.php).
  const code = error === '' && typeof description === 'string' && description !== '' ? 'ERROR_CORE' : String(error);
  if (code === '') return undefined;
  return {
    code,
    description: typeof description === 'string' ? description : '',
    ...(typeof argument === 'string' && { argument }),
  };
}

/** What a fault means for the call. The code decides; the status only where the code says too little. */
export function classifyFault(fault: RestFault, context: FaultContext = {}): UpstreamError {
  const { kind, scope, retryAfterMs } = meaningOf(fault, context);
  return bitrixError(kind, fault.code, describe(fault), scope, retryAfterMs);
}

function meaningOf(fault: RestFault, { status = 0, time }: FaultContext): DeliveryProblem {
  const code = fault.code.toUpperCase();
  if (code === 'OPERATION_TIME_LIMIT') {
    return { kind: 'not_sent', scope: 'method', retryAfterMs: operationPauseMs(time) };
  }
  // One code, two meanings: REST is closed for the portal (401, 403), or this user may not use this method: 400, or 403 in
  // the words of rest/lib/accessexception.php and imopenlines/lib/rest.php (yuliai/bitrix-modules).
  const isOfUser = /^(?:access denied!|you do?n.?t have access)/i.test(fault.description);
  if (code === 'ACCESS_DENIED' && (status === 401 || status === 403) && !isOfUser) return REST_IS_CLOSED;
  // The portal moved to https; the web server says so before any token is looked at.
  if (code === 'INVALID_REQUEST' && /https/i.test(fault.description)) return { kind: 'not_sent', scope: 'portal' };
  if (code === 'ERROR_CORE' && fault.description.includes('SQL query error')) return NOT_SENT;
  const known = portalProblem(code);
  if (known) return known;
  if (status >= 500) return NOT_SENT;
  return status === 429 ? { kind: 'not_sent', scope: 'endpoint' } : { kind: 'refused', scope: 'message' };
}

/**
 * Milliseconds until a method may be called again, by `operating_reset_at` on the portal's own clock; a minute
 * when the answer does not name it.
 */
export function operationPauseMs(time: RestTime | undefined): number {
  if (!time?.operating_reset_at) return OPERATION_PAUSE_MS;
  const portalNow = time.finish ?? Date.now() / 1000;
  const pause = (time.operating_reset_at - portalNow) * 1000;
  return Math.min(Math.max(Math.ceil(pause), 1_000), LONGEST_OPERATION_PAUSE_MS);
}

/**
 * What an answer without JSON means: a gateway, a filter, a licence page or a web server spoke, not the REST API. With
 * 4xx it spoke before the application saw the request, so nothing of it happened; whether it minds these words or every
 * call, the page does not tell.
 */
export function classifyPage(status: number, text = ''): UpstreamError {
  const code = `HTTP_${status}`;
  const title = titleOf(text);
  const said = `Bitrix24 answered with a page instead of JSON (${status}${title ? `, “${title}”` : ''})`;
  const untouched = (status >= 300 && status < 400) || [408, 429, 503].includes(status);
  if (untouched) return bitrixError('not_sent', code, said, 'endpoint');
  if (status >= 400 && status < 500) return bitrixError('refused', code, said, 'message');
  // A gateway that lost its server (502) knows that the request has ended, one that lost its patience (504) does not.
  const over = status !== 504;
  return new UpstreamError({ network: 'bitrix24', kind: 'unknown', code, detail: said, scope: 'message', over });
}

/** A page came where the REST API should have judged the call. */
export const isPageRefusal = (error: unknown): error is UpstreamError =>
  error instanceof UpstreamError && error.kind === 'refused' && /^HTTP_4\d\d$/.test(error.code);

/** The page came for these words, while another call was answered: a filter, or the size. */
export function pageAboutWords({ code, detail }: UpstreamError): UpstreamError {
  return code === 'HTTP_413'
    ? bitrixProblem('too_large', `The web server of the portal finds the request too large. ${detail}.`)
    : bitrixProblem('filtered', `A filter before the portal refuses these words. ${detail}.`);
}

/** The page comes whatever is asked. */
export function pageOfPortal({ code, detail }: UpstreamError): UpstreamError {
  return bitrixError('unauthorised', code, detail, 'portal');
}

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', nbsp: ' ', laquo: '«', raquo: '»' };

/** The title of a page, for people; '' when it has none. */
function titleOf(page: string): string {
  const title = /<title[^>]*>([^<]{0,500})/i.exec(page.slice(0, 20_000))?.[1] ?? '';
  const words = title
    .replace(/&#(\d{1,6});/g, (_all, point: string) => String.fromCodePoint(Math.min(Number(point), 0x10ffff)))
    .replace(/&([a-z]{2,6});/g, (whole, name: string) => ENTITIES[name] ?? whole);
  return redact(words).replace(/\s+/g, ' ').trim().slice(0, 100);
}

/** A connection that never stood carried nothing; after that nobody knows. */
export function classifyTransport(failure: TransportError): UpstreamError {
  if (failure.code === LEASE_LOST) {
    return bitrixProblem(LEASE_LOST, 'Another replica drives this portal now');
  }
  return failure.written
    ? bitrixError('unknown', failure.code, 'The connection ended before an answer came', 'message')
    : bitrixError('not_sent', failure.code, 'Bitrix24 could not be reached', 'endpoint');
}

/** Bitrix24's words for people: without markup, credentials and anything long. */
export function describe({ description, argument }: RestFault): string {
  const words = redact(description.replace(/<[^>]*>/g, ' '))
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, 300);
  const where = argument && !words.includes(argument) ? ` (${argument.slice(0, 60)})` : '';
  return `${words || 'no description'}${where}`;
}
