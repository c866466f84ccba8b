import { LEASE_LOST, type TransportError } from '../common/http-exchange.js';
import { redact } from '../common/redact.js';
import { UpstreamError, type UpstreamErrorKind, type UpstreamErrorScope } from '../common/upstream-error.js';
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

type Outcome = [kind: UpstreamErrorKind, scope: UpstreamErrorScope, retryAfterMs?: number];

const MINUTE_MS = 60_000;
const HALF_MINUTE_MS = 30_000;

/** How long a method rests after OPERATION_TIME_LIMIT when Bitrix24 does not say. */
const OPERATION_PAUSE_MS = MINUTE_MS;

/** The longest a method can have to rest: execution time is counted over ten minutes. */
const LONGEST_OPERATION_PAUSE_MS = 10 * MINUTE_MS;

/** Bitrix24's codes, upper case: it spells some of them both ways. Everything that is not here is a refusal. */
const OUTCOMES: Record<string, Outcome> = {
  // Checked before a method runs, so nothing happened.
  QUERY_LIMIT_EXCEEDED: ['not_sent', 'endpoint', 1_500],
  OPERATION_TIME_LIMIT: ['not_sent', 'method', OPERATION_PAUSE_MS],
  INTERNAL_SERVER_ERROR: ['not_sent', 'message'],
  ERROR_UNEXPECTED_ANSWER: ['not_sent', 'message'],
  INTERNAL_WRONG_TRANSPORT: ['not_sent', 'message'],

  // Somebody has to switch the line or the connector on again; the messages wait for that.
  NOT_ACTIVE_LINE: ['not_sent', 'line', MINUTE_MS],
  IMCONNECTOR_NO_CORRECT_PROVIDER: ['not_sent', 'line', MINUTE_MS],
  IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR: ['not_sent', 'line', MINUTE_MS],
  IMCONNECTOR_COULD_NOT_GET_PROVIDER_OBJECT: ['not_sent', 'line', MINUTE_MS],
  IMCONNECTOR_PROVIDER_NO_ACTIVE_CONNECTOR: ['not_sent', 'line', MINUTE_MS],
  IMCONNECTOR_PROVIDER_CONNECTOR: ['not_sent', 'line', MINUTE_MS],
  IMCONNECTOR_PROVIDER_LINE: ['not_sent', 'line', MINUTE_MS],
  NOT_AVAILABLE_CONNECTOR: ['not_sent', 'line', MINUTE_MS],

  // A refreshed token was refused as well, or the token's user.
  EXPIRED_TOKEN: ['unauthorised', 'endpoint', MINUTE_MS],
  INVALID_TOKEN: ['unauthorised', 'endpoint', MINUTE_MS],
  NO_AUTH_FOUND: ['unauthorised', 'endpoint', MINUTE_MS],
  AUTHORIZATION_ERROR: ['unauthorised', 'endpoint', MINUTE_MS],
  USER_ACCESS_ERROR: ['unauthorised', 'endpoint', MINUTE_MS],
  // Only a new installation helps.
  PORTAL_DELETED: ['unauthorised', 'endpoint'],
  APPLICATION_NOT_FOUND: ['unauthorised', 'endpoint'],
  ERROR_OAUTH: ['unauthorised', 'endpoint'],
  NOT_INSTALLED: ['unauthorised', 'endpoint'],
  // Heals without us (a payment, the support); the times are those of the first look.
  PAYMENT_REQUIRED: ['unauthorised', 'portal', HALF_MINUTE_MS],
  OVERLOAD_LIMIT: ['unauthorised', 'portal', 10 * MINUTE_MS],
  INVALID_CREDENTIALS: ['unauthorised', 'portal', HALF_MINUTE_MS],
  INSUFFICIENT_SCOPE: ['unauthorised', 'method', 5 * MINUTE_MS],
  INVALID_SCOPE: ['unauthorised', 'method', 5 * MINUTE_MS],

  ERROR_METHOD_NOT_FOUND: ['refused', 'method'],
  ERROR_BATCH_METHOD_NOT_ALLOWED: ['refused', 'method'],
  WRONG_AUTH_TYPE: ['refused', 'method'],
};

const REFRESHABLE = new Set(['EXPIRED_TOKEN', 'INVALID_TOKEN', 'NO_AUTH_FOUND']);
const USER_REJECTED = new Set(['AUTHORIZATION_ERROR', 'USER_ACCESS_ERROR']);
const INSTALLATION_LOST = new Set(['PORTAL_DELETED', 'APPLICATION_NOT_FOUND', 'ERROR_OAUTH', 'NOT_INSTALLED']);

const is = (codes: Set<string>, error: unknown): error is UpstreamError =>
  error instanceof UpstreamError && codes.has(error.code.toUpperCase());

/** The access token was refused; another one of the same user may do. */
export const isTokenRejected = (error: unknown): error is UpstreamError => is(REFRESHABLE, error);
/** The token's user was refused (dismissed, no access to the application); another administrator may do. */
export const isUserRejected = (error: unknown): error is UpstreamError => is(USER_REJECTED, error);
/** The installation is gone; only a new one helps. */
export const isInstallationLost = (error: unknown): error is UpstreamError => is(INSTALLATION_LOST, error);
export const isQueryLimit = (error: unknown): error is UpstreamError => is(new Set(['QUERY_LIMIT_EXCEEDED']), error);
export const isOperationLimit = (error: unknown): error is UpstreamError =>
  is(new Set(['OPERATION_TIME_LIMIT']), error);

/** The parsed JSON object, or undefined when the text is none: an HTML page, an empty or a cut body. */
export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const parsed: unknown = JSON.parse(text);
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * The fault an answer carries, wherever Bitrix24 put it: at the top with any status, 200 included, or, as
 * imconnector.register does it, as a result that is itself `{result: false, error, error_description}`.
 */
export function faultOf(body: Record<string, unknown>): RestFault | undefined {
  const fault = readFault(body);
  if (fault) return fault;
  const { result } = body;
  return isRecord(result) && typeof result['error_description'] === 'string' ? readFault(result) : undefined;
}

/** Reads one error object, or the bare code some commands of a batch answer with. */
export function readFault(value: unknown): RestFault | undefined {
  if (typeof value === 'string' && value !== '') return { code: value, description: '' };
  if (!isRecord(value)) return undefined;
  const { error, error_description: description, argument } = value;
  if ((typeof error !== 'string' && typeof error !== 'number') || error === '') return undefined;
  return {
    code: String(error),
    description: typeof description === 'string' ? description : '',
    ...(typeof argument === 'string' && { argument }),
  };
}

/** What a fault means for the call. The code decides; the status only where the code says too little. */
export function classifyFault(fault: RestFault, context: FaultContext = {}): UpstreamError {
  const [kind, scope, retryAfterMs] = outcomeOf(fault, context);
  return bitrixError(kind, fault.code, describe(fault), scope, retryAfterMs);
}

function outcomeOf(fault: RestFault, { status = 0, time }: FaultContext): Outcome {
  const code = fault.code.toUpperCase();
  if (code === 'OPERATION_TIME_LIMIT') return ['not_sent', 'method', operationPauseMs(time)];
  // One code, two meanings: REST is closed for the portal (401, 403), or this user may not use this method (400).
  if (code === 'ACCESS_DENIED') {
    return status === 401 || status === 403 ? ['unauthorised', 'portal', HALF_MINUTE_MS] : ['refused', 'message'];
  }
  // The portal moved to https; the web server says so before any token is looked at.
  if (code === 'INVALID_REQUEST' && /https/i.test(fault.description)) return ['not_sent', 'portal'];
  if (code === 'ERROR_CORE' && fault.description.includes('SQL query error')) return ['not_sent', 'message'];
  const known = OUTCOMES[code];
  if (known) return known;
  if (status >= 500) return ['not_sent', 'message'];
  if (status === 429) return ['not_sent', 'endpoint'];
  return ['refused', 'message'];
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
    ? bitrixError(
        'refused',
        'too_large',
        `The web server of the portal finds the request too large. ${detail}.`,
        'message',
      )
    : bitrixError('refused', 'filtered', `A filter before the portal refuses these words. ${detail}.`, 'message');
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
    return bitrixError('not_sent', LEASE_LOST, 'Another replica drives this portal now', 'message');
  }
  return failure.written
    ? bitrixError('unknown', failure.code, 'The connection ended before an answer came', 'message')
    : bitrixError('not_sent', failure.code, 'Bitrix24 could not be reached', 'endpoint');
}

export function bitrixError(
  kind: UpstreamErrorKind,
  code: string,
  detail: string,
  scope: UpstreamErrorScope,
  retryAfterMs?: number,
): UpstreamError {
  return new UpstreamError({
    network: 'bitrix24',
    kind,
    code,
    detail,
    scope,
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  });
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
