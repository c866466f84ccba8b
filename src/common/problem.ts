import { HttpException } from '@nestjs/common';

/**
 * An error for the caller of one of our routes, answered as `application/problem+json` (RFC 9457).
 * `code` is stable and for machines; `detail` says what happened and what to do.
 */
export class Problem extends HttpException {
  constructor(
    status: number,
    readonly code: string,
    detail: string,
    readonly extra: Record<string, unknown> = {},
  ) {
    super(detail, status);
  }
}
