import type { ResponseParameters } from '@grammyjs/types';

/** A refusal in the words of the Bot API: becomes `{ok: false, error_code, description, parameters?}`. */
export class BotApiError extends Error {
  constructor(
    readonly code: number,
    readonly description: string,
    readonly parameters?: ResponseParameters,
  ) {
    super(description);
  }
}

/** 400 `Bad Request: <reason>`. */
export const badRequest = (reason: string) => new BotApiError(400, `Bad Request: ${reason}`);

/** 403 `Forbidden: <reason>`. */
export const forbidden = (reason: string) => new BotApiError(403, `Forbidden: ${reason}`);

/** 409 `Conflict: <reason>`. */
export const conflict = (reason: string) => new BotApiError(409, `Conflict: ${reason}`);

/** 429 with `parameters.retry_after`; the server adds the `Retry-After` header that goes with it. */
export const tooManyRequests = (seconds: number) =>
  new BotApiError(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
