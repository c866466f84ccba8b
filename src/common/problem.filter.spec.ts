import { BadRequestException, NotFoundException } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { Problem } from './problem.js';
import { toProblem } from './problem.filter.js';
import { isStorageUnavailable } from './storage-unavailable.js';
import { UpstreamError } from './upstream-error.js';

const withCode = (code: string, message = 'x') => Object.assign(new Error(message), { code });

describe('toProblem', () => {
  it('leaves a problem as it is', () => {
    const problem = new Problem(409, 'line_taken', 'Line 1 has a bot.');
    expect(toProblem(problem, 'r1')).toBe(problem);
  });

  it('names the status of errors that Nest throws', () => {
    const problem = toProblem(new NotFoundException('Cannot GET /nowhere'), 'r1');
    expect([problem.getStatus(), problem.code, problem.message]).toEqual([404, 'not_found', 'Cannot GET /nowhere']);
    expect(toProblem(new BadRequestException(['a', 'b']), 'r1').message).toBe('a; b');
  });

  it('keeps the status of errors that Fastify throws', () => {
    const tooLarge = Object.assign(withCode('FST_ERR_CTP_BODY_TOO_LARGE', 'Request body is too large'), {
      statusCode: 413,
    });
    expect(toProblem(tooLarge, 'r1')).toMatchObject({ code: 'body_too_large', message: 'Request body is too large' });
  });

  it('tells nothing about what was not expected, except where the log has it', () => {
    const problem = toProblem(new Error('secret of table tokens'), 'r1');
    expect(problem.getStatus()).toBe(500);
    expect(problem.extra).toEqual({ id: 'r1' });
    expect(problem.message).not.toContain('secret');
  });

  it('does not take a status from an error that only looks like one of Fastify', () => {
    expect(toProblem(Object.assign(new Error('x'), { statusCode: 404 }), 'r1').getStatus()).toBe(500);
    expect(toProblem(null, 'r1').getStatus()).toBe(500);
  });

  it('answers 503 with Retry-After while PostgreSQL is away', () => {
    const problem = toProblem(withCode('ECONNREFUSED'), 'r1');
    expect(problem).toMatchObject({ code: 'storage_unavailable', extra: { retryAfter: 5 } });
    expect(problem.getStatus()).toBe(503);
  });

  it('does not mistake a network that refuses the connection for PostgreSQL', () => {
    const error = new UpstreamError(
      { network: 'bitrix24', kind: 'not_sent', code: 'ECONNREFUSED', detail: 'no connection', scope: 'endpoint' },
      { cause: withCode('ECONNREFUSED') },
    );
    const problem = toProblem(error, 'r1');
    expect([problem.getStatus(), problem.code]).toEqual([502, 'bitrix24_not_sent']);
  });

  it('hands on when a network may be asked again, in whole seconds', () => {
    const problem = toProblem(
      new UpstreamError({
        network: 'bitrix24',
        kind: 'not_sent',
        code: 'QUERY_LIMIT_EXCEEDED',
        detail: 'Too many requests',
        scope: 'endpoint',
        retryAfterMs: 1_200,
      }),
      'r1',
    );
    expect(problem.getStatus()).toBe(503);
    expect(problem.extra).toMatchObject({ retryAfter: 2 });
  });
});

describe('isStorageUnavailable', () => {
  it.each(['57P01', '57P03', '53300', '53100', '25006', '08006', '08P01', 'ECONNREFUSED', 'ECONNRESET'])(
    '%s: away',
    (code) => expect(isStorageUnavailable(withCode(code))).toBe(true),
  );

  it.each(['23505', '42P01', '57014', '40001', '22021'])('%s: an error of the statement', (code) =>
    expect(isStorageUnavailable(withCode(code))).toBe(false),
  );

  it.each(['timeout exceeded when trying to connect', 'Connection terminated unexpectedly'])('%s: away', (message) =>
    expect(isStorageUnavailable(new Error(message))).toBe(true),
  );

  it('looks through wrappers', () => {
    expect(isStorageUnavailable(new Error('x', { cause: withCode('57P01') }))).toBe(true);
    expect(isStorageUnavailable(new AggregateError([withCode('ECONNREFUSED')]))).toBe(true);
  });

  it('comes to an end on an error that causes itself', () => {
    const error: Error & { cause?: unknown } = new Error('x');
    error.cause = error;
    expect(isStorageUnavailable(error)).toBe(false);
  });
});
