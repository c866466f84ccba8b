import type { DeliveryProblem } from '../common/delivery-problem.js';
import { UpstreamError, type UpstreamErrorKind, type UpstreamErrorScope } from '../common/upstream-error.js';

/** A problem as Bitrix24 reports it, or as this side finds it before it asks. */
interface BitrixProblem extends DeliveryProblem {
  /**
   * Who may succeed where this call did not: the same user with a new access token, another administrator, or nobody
   * before the application is installed again.
   */
  readonly remedy?: 'new_token' | 'another_user' | 'installation';
  /** The portal does not let the application use the method at all; without: not this once. */
  readonly withholds?: 'method';
  /** What the words of the message are refused for, whichever method brings them. */
  readonly fault?: 'words';
}

const SECOND_MS = 1_000;
const HALF_MINUTE_MS = 30 * SECOND_MS;
const MINUTE_MS = 60 * SECOND_MS;

const REFUSED = { kind: 'refused', scope: 'message' } as const;
const NOT_SENT = { kind: 'not_sent', scope: 'message' } as const;
/** Somebody has to switch the line or the connector on again; the messages wait for that. */
const LINE_IS_OFF = { kind: 'not_sent', scope: 'line', retryAfterMs: MINUTE_MS } as const;
const NEEDS_INSTALLATION = { kind: 'unauthorised', scope: 'endpoint' } as const;
const NO_SCOPE = { kind: 'unauthorised', scope: 'method', retryAfterMs: 5 * MINUTE_MS, withholds: 'method' } as const;
const METHOD_REFUSED = { kind: 'refused', scope: 'method', withholds: 'method' } as const;
/** A refreshed token was refused as well, or the token's user. */
const TOKEN_REFUSED = { kind: 'unauthorised', scope: 'endpoint', retryAfterMs: MINUTE_MS } as const;

/** Codes of the REST API in upper case, as it spells some of them both ways. What is missing here is a refusal. */
const OF_THE_PORTAL = {
  // Checked before a method runs, so nothing happened.
  QUERY_LIMIT_EXCEEDED: { kind: 'not_sent', scope: 'endpoint', retryAfterMs: 1_500 },
  OPERATION_TIME_LIMIT: { kind: 'not_sent', scope: 'method', retryAfterMs: MINUTE_MS },
  INTERNAL_SERVER_ERROR: NOT_SENT,
  ERROR_UNEXPECTED_ANSWER: NOT_SENT,
  INTERNAL_WRONG_TRANSPORT: NOT_SENT,

  NOT_ACTIVE_LINE: LINE_IS_OFF,
  IMCONNECTOR_NO_CORRECT_PROVIDER: LINE_IS_OFF,
  IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR: LINE_IS_OFF,
  IMCONNECTOR_COULD_NOT_GET_PROVIDER_OBJECT: LINE_IS_OFF,
  IMCONNECTOR_PROVIDER_NO_ACTIVE_CONNECTOR: LINE_IS_OFF,
  IMCONNECTOR_PROVIDER_CONNECTOR: LINE_IS_OFF,
  IMCONNECTOR_PROVIDER_LINE: LINE_IS_OFF,
  NOT_AVAILABLE_CONNECTOR: LINE_IS_OFF,

  EXPIRED_TOKEN: { ...TOKEN_REFUSED, remedy: 'new_token' },
  INVALID_TOKEN: { ...TOKEN_REFUSED, remedy: 'new_token' },
  NO_AUTH_FOUND: { ...TOKEN_REFUSED, remedy: 'new_token' },
  AUTHORIZATION_ERROR: { ...TOKEN_REFUSED, remedy: 'another_user' },
  USER_ACCESS_ERROR: { ...TOKEN_REFUSED, remedy: 'another_user' },
  PORTAL_DELETED: { ...NEEDS_INSTALLATION, remedy: 'installation' },
  APPLICATION_NOT_FOUND: { ...NEEDS_INSTALLATION, remedy: 'installation' },
  ERROR_OAUTH: { ...NEEDS_INSTALLATION, remedy: 'installation' },
  NOT_INSTALLED: { ...NEEDS_INSTALLATION, remedy: 'installation' },

  // Heals without us (a payment, the support); the times are those of the first look.
  PAYMENT_REQUIRED: { kind: 'unauthorised', scope: 'portal', retryAfterMs: HALF_MINUTE_MS },
  OVERLOAD_LIMIT: { kind: 'unauthorised', scope: 'portal', retryAfterMs: MINUTE_MS },
  INVALID_CREDENTIALS: { kind: 'unauthorised', scope: 'portal', retryAfterMs: HALF_MINUTE_MS },

  INSUFFICIENT_SCOPE: NO_SCOPE,
  INVALID_SCOPE: NO_SCOPE,
  ERROR_METHOD_NOT_FOUND: METHOD_REFUSED,
  ERROR_BATCH_METHOD_NOT_ALLOWED: METHOD_REFUSED,
  WRONG_AUTH_TYPE: METHOD_REFUSED,
} as const satisfies Readonly<Record<string, BitrixProblem>>;

/** What is found on this side: in an answer, in a page that came in its place, or before anything was asked. */
const FOUND_HERE = {
  NO_RESULT: { kind: 'unknown', scope: 'message' },
  NO_PROFILE: { kind: 'unknown', scope: 'message' },
  NO_TOKENS: { kind: 'unknown', scope: 'endpoint' },

  BATCH_HALTED: NOT_SENT,
  /** Behind a message that must wait: the order of the chat makes the next ones wait. */
  WAITS: NOT_SENT,
  LEASE_LOST: NOT_SENT,
  PORTAL_PARKED: NOT_SENT,
  INTERNAL: NOT_SENT,
  too_slow: NOT_SENT,
  /** An earlier attempt may still arrive. */
  SETTLING: NOT_SENT,
  /** Refused together with the client's picture: it goes once more without, at once. */
  PICTURE_REFUSED: { ...NOT_SENT, retryAfterMs: 0 },
  NO_LINE: { kind: 'not_sent', scope: 'line', retryAfterMs: HALF_MINUTE_MS },
  LOCAL_QUEUE_FULL: { kind: 'not_sent', scope: 'endpoint' },
  REFRESH_PAUSED: { kind: 'not_sent', scope: 'endpoint' },

  PORTAL_UNKNOWN: NEEDS_INSTALLATION,
  PORTAL_UNINSTALLED: NEEDS_INSTALLATION,
  REAUTHORISE: NEEDS_INSTALLATION,
  REDIRECT_REFUSED: { kind: 'unauthorised', scope: 'portal' },

  /** One element of a call that succeeded. */
  element_error: REFUSED,
  no_scope: { kind: 'refused', scope: 'method' },
  filtered: {
    ...REFUSED,
    fault: 'words',
    reason: {
      en: 'a filter in front of the portal blocks this text',
      ru: 'фильтр перед порталом не пропускает этот текст',
    },
  },
  too_large: {
    ...REFUSED,
    fault: 'words',
    reason: {
      en: "it is too large for the portal's web server",
      ru: 'оно слишком большое для веб-сервера портала',
    },
  },
  no_chat: {
    ...REFUSED,
    reason: {
      en: 'Bitrix24 did not say which client it is for; send it again',
      ru: 'Битрикс24 не указал, какому клиенту оно адресовано; отправьте его ещё раз',
    },
  },
  no_message_id: {
    ...REFUSED,
    reason: {
      en: 'Bitrix24 gave it no number; send it again',
      ru: 'Битрикс24 не присвоил сообщению номер; отправьте его ещё раз',
    },
  },
  file_gone: {
    ...REFUSED,
    reason: { en: 'the portal no longer has it', ru: 'на портале его больше нет' },
  },
  file_html: {
    ...REFUSED,
    reason: {
      en: 'the portal returns a web page instead of the file',
      ru: 'вместо файла портал отдаёт веб-страницу',
    },
  },
  file_forbidden: {
    ...REFUSED,
    reason: {
      en: 'the portal does not allow it to be downloaded',
      ru: 'портал не разрешает его скачать',
    },
  },
  file_refused_host: {
    ...REFUSED,
    reason: { en: 'its link does not lead to the portal', ru: 'ссылка ведёт не на портал' },
  },
  file_needs_disk: {
    ...REFUSED,
    reason: {
      en: 'the portal announced it too late, and the application lacks the permission (disk) to download it; send it again',
      ru: 'портал сообщил о нём слишком поздно, а права на диск (disk), чтобы скачать его, у приложения нет; отправьте файл ещё раз',
    },
  },
  /** Larger than the bot may send; told in the words of Telegram's table. */
  file_too_large: REFUSED,
} as const satisfies Readonly<Record<string, BitrixProblem>>;

/**
 * Everything that may go wrong on the way into or out of a portal, by its stable code: what became of the call, whom it
 * concerns, when to try again and what the operator reads. Network failures (socket codes, `HTTP_<status>`) are not
 * here: classifyTransport and classifyPage judge them.
 */
export const BITRIX_PROBLEMS = { ...OF_THE_PORTAL, ...FOUND_HERE };

/** The row of a code that the portal named, however it spells it; undefined for one that it alone knows. */
export function portalProblem(code: string): BitrixProblem | undefined {
  const rows: Readonly<Record<string, BitrixProblem>> = OF_THE_PORTAL;
  return Object.hasOwn(rows, code.toUpperCase()) ? rows[code.toUpperCase()] : undefined;
}

/** The words of the message were refused, and would be whichever way they came. */
export function isAboutWords({ code }: UpstreamError): boolean {
  const rows: Readonly<Record<string, BitrixProblem>> = FOUND_HERE;
  return Object.hasOwn(rows, code) && rows[code]?.fault === 'words';
}

/** The portal does not let the application use the method at all. */
export function isMethodWithheld({ code }: UpstreamError): boolean {
  return portalProblem(code)?.withholds === 'method';
}

/**
 * A problem found on this side, as the table has it.
 *
 * @param options.retryAfterMs milliseconds, where they are known better than the table knows them
 */
export function bitrixProblem(
  code: keyof typeof FOUND_HERE,
  detail: string,
  options: { retryAfterMs?: number; cause?: unknown } = {},
): UpstreamError {
  const row: BitrixProblem = FOUND_HERE[code];
  const retryAfterMs = options.retryAfterMs ?? row.retryAfterMs;
  return bitrixError(row.kind, code, detail, row.scope, retryAfterMs, options.cause);
}

/** An error whose code is not ours to choose, or whose kind its code does not tell. */
export function bitrixError(
  kind: UpstreamErrorKind,
  code: string,
  detail: string,
  scope: UpstreamErrorScope,
  retryAfterMs?: number,
  cause?: unknown,
): UpstreamError {
  const fields = { network: 'bitrix24', kind, code, detail, scope } as const;
  return new UpstreamError(
    { ...fields, ...(retryAfterMs !== undefined && { retryAfterMs }) },
    cause === undefined ? undefined : { cause },
  );
}
