/**
 * What became of a call that left the process, as far as anybody can know:
 *
 * - `not_sent`: it had no effect (never left, or the network said "later"): safe to repeat;
 * - `refused`: the network said never: repeating cannot help;
 * - `unauthorised`: the credentials were refused and a refresh did not help: somebody must act;
 * - `unknown`: it was written and no clear answer came: it may or may not have had its effect.
 */
export type UpstreamErrorKind = 'not_sent' | 'refused' | 'unauthorised' | 'unknown';

/**
 * How much of the network the trouble concerns, so that nothing else has to wait for it:
 * this message, its chat, one REST method, the open line, the whole bot or portal. `portal`: the portal answers, and
 * will take nothing of us until somebody there acts; when it is asked again is kept with its other limits.
 */
export type UpstreamErrorScope = 'message' | 'chat' | 'method' | 'line' | 'portal' | 'endpoint';

export interface UpstreamErrorFields {
  network: 'telegram' | 'bitrix24';
  kind: UpstreamErrorKind;
  /** The network's own code (`QUERY_LIMIT_EXCEEDED`, `403`) or a socket code (`ECONNREFUSED`); stable. */
  code: string;
  /** The network's own words, without any credential. */
  detail: string;
  scope: UpstreamErrorScope;
  /** Earliest time of a repetition as the network named it, in milliseconds from now. */
  retryAfterMs?: number;
  /** With `unknown`: an answer came, though no clear one, so the request is over, whatever it did. */
  over?: boolean;
}

/** The one error that the Telegram and the Bitrix24 client throw; nothing else makes it. */
export class UpstreamError extends Error implements UpstreamErrorFields {
  override readonly name = 'UpstreamError';
  readonly network: 'telegram' | 'bitrix24';
  readonly kind: UpstreamErrorKind;
  readonly code: string;
  readonly detail: string;
  readonly scope: UpstreamErrorScope;
  readonly retryAfterMs?: number;
  readonly over: boolean;

  constructor(fields: UpstreamErrorFields, options?: { cause?: unknown }) {
    super(`${fields.network}: ${fields.code}: ${fields.detail}`, options);
    this.network = fields.network;
    this.kind = fields.kind;
    this.code = fields.code;
    this.detail = fields.detail;
    this.scope = fields.scope;
    this.over = fields.over ?? false;
    if (fields.retryAfterMs !== undefined) this.retryAfterMs = fields.retryAfterMs;
  }
}
