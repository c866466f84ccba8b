import { STATUS_CODES } from 'node:http';
import { Catch, HttpException, Logger, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Problem } from './problem.js';
import { isStorageUnavailable } from './storage-unavailable.js';
import { UpstreamError } from './upstream-error.js';
import { TimeLimitError } from './within.js';

/** How long a caller should wait while PostgreSQL is away, in seconds. */
const STORAGE_RETRY_AFTER = 5;

/** Codes of errors that Nest and Fastify raise themselves. */
const CODES: Record<number, string> = {
  400: 'bad_request',
  401: 'unauthorised',
  403: 'forbidden',
  404: 'not_found',
  405: 'method_not_allowed',
  413: 'body_too_large',
  414: 'uri_too_long',
  415: 'unsupported_media_type',
  429: 'too_many_requests',
  503: 'unavailable',
};

/**
 * Answers every error as `application/problem+json` (RFC 9457): `{ type, title, status, code, detail, … }`.
 * A {@link Problem} keeps its own words; a lost PostgreSQL is 503 `storage_unavailable`; a network that refused is
 * 502; anything unexpected is a 500 that tells nothing but the id under which the log has the cause.
 * `extra.retryAfter` (seconds) is also sent as Retry-After.
 */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  private readonly logger = new Logger('Request');

  catch(error: unknown, host: ArgumentsHost): void {
    const request = host.switchToHttp().getRequest<FastifyRequest>();
    const reply = host.switchToHttp().getResponse<FastifyReply>();
    const problem = toProblem(error, request.id);
    const route = { requestId: request.id, method: request.method, route: request.routeOptions?.url };
    if (problem.code === 'internal_error') this.logger.error({ ...route, err: error }, 'Unexpected error');
    // The request's own line says 503; a cause per request would flood the log while it lasts.
    else if (problem.code === 'storage_unavailable') this.logger.debug({ ...route, err: error }, 'PostgreSQL is away');
    if (!reply.sent && !reply.raw.headersSent) sendProblem(reply, problem);
  }
}

/** Answers with the problem; for the few places that are not under Nest's filters. */
export function sendProblem(reply: FastifyReply, problem: Problem): void {
  const status = problem.getStatus();
  const { retryAfter } = problem.extra;
  if (typeof retryAfter === 'number') void reply.header('retry-after', String(Math.ceil(retryAfter)));
  void reply
    .status(status)
    .type('application/problem+json; charset=utf-8')
    .send(
      JSON.stringify({
        type: 'about:blank',
        title: STATUS_CODES[status] ?? 'Error',
        status,
        code: problem.code,
        detail: problem.message,
        ...problem.extra,
      }),
    );
}

/** Any thrown value as the problem the caller gets. `requestId` stands in the answer to an unexpected error. */
export function toProblem(error: unknown, requestId: string): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof UpstreamError) return upstreamProblem(error);
  // The routes that set a time limit wait for nothing but PostgreSQL.
  if (isStorageUnavailable(error) || error instanceof TimeLimitError) {
    return new Problem(503, 'storage_unavailable', 'PostgreSQL is not reachable right now. Try again in a moment.', {
      retryAfter: STORAGE_RETRY_AFTER,
    });
  }
  const status = error instanceof HttpException ? error.getStatus() : fastifyStatus(error);
  if (status < 500) {
    return new Problem(status, CODES[status] ?? `http_${status}`, detailOf(error as Error));
  }
  if (error instanceof HttpException) {
    return new Problem(status, CODES[status] ?? `http_${status}`, error.message);
  }
  return new Problem(500, 'internal_error', `Something unexpected happened. The log has it under id ${requestId}.`, {
    id: requestId,
  });
}

function upstreamProblem(error: UpstreamError): Problem {
  const name = error.network === 'telegram' ? 'Telegram' : 'Bitrix24';
  const extra: Record<string, unknown> = { network: error.network, kind: error.kind, upstreamCode: error.code };
  if (error.retryAfterMs !== undefined) extra.retryAfter = Math.ceil(error.retryAfterMs / 1000);
  const later = error.kind === 'not_sent' && error.retryAfterMs !== undefined;
  return new Problem(
    later ? 503 : 502,
    `${error.network}_${error.kind}`,
    `${name}: ${error.detail} (${error.code})`,
    extra,
  );
}

/** Fastify's own errors carry `statusCode`; whatever else is thrown is our fault. */
function fastifyStatus(error: unknown): number {
  const { statusCode, code } = (error ?? {}) as { statusCode?: unknown; code?: unknown };
  const known = typeof code === 'string' && code.startsWith('FST_') && typeof statusCode === 'number';
  return known && statusCode >= 400 ? statusCode : 500;
}

function detailOf(error: Error): string {
  if (!(error instanceof HttpException)) return error.message;
  const response = error.getResponse();
  const message = typeof response === 'object' ? (response as { message?: unknown }).message : response;
  return Array.isArray(message) ? message.join('; ') : typeof message === 'string' ? message : error.message;
}
