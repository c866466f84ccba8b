import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';

const failures = new WeakMap<FastifyRequest, string[]>();

/** Steps that failed after the change of a request was made, for its audit entry: the change stands. */
export function failedStepsOf(request: FastifyRequest): string[] {
  const known = failures.get(request) ?? [];
  failures.set(request, known);
  return known;
}

/** The list to which a handler adds the steps that failed after its change. */
export const FailedSteps = createParamDecorator((_: unknown, context: ExecutionContext) =>
  failedStepsOf(context.switchToHttp().getRequest<FastifyRequest>()),
);
