import {
  Injectable,
  Logger,
  SetMetadata,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import { AuditRepository } from '../storage/audit.repository.js';
import type { Prisma } from '../storage/prisma/client.js';
import { callerOf } from './caller.js';

const AUDITED = Symbol('audited');

/** Names the change that a route makes, e.g. `bot.create`; its subject is the thing before the dot. */
export const Audited = (action: string) => SetMetadata(AUDITED, action);

/** Writes one row per change that an {@link Audited} route made. A refused request changed nothing and leaves none. */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  private readonly logger = new Logger('Audit');

  constructor(
    private readonly reflector: Reflector,
    private readonly entries: AuditRepository,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const action = this.reflector.get<string | undefined>(AUDITED, context.getHandler());
    if (!action) return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    return next.handle().pipe(
      mergeMap(async (result: unknown) => {
        await this.record(action, request, result);
        return result;
      }),
    );
  }

  /** The change is made and cannot be taken back: a row that cannot be written goes to the log instead. */
  private async record(action: string, request: FastifyRequest, result: unknown): Promise<void> {
    const { id: named, ...place } = request.params as { id?: string } & Record<string, string>;
    const id = named ?? (result as { id?: string } | undefined)?.id;
    const thing = action.split('.')[0];
    const entry = {
      actor: `${callerOf(request).name}@${request.ip}`,
      action,
      subject: id ? `${thing}:${id}` : `${thing}s`,
      detail: { ...place, ...withoutSecrets(request.body) },
    };
    await this.entries.record(entry).catch((error: unknown) => {
      this.logger.error({ entry, err: error }, 'The audit row could not be written');
    });
  }
}

function withoutSecrets(body: unknown): Prisma.InputJsonObject {
  if (typeof body !== 'object' || body === null) return {};
  const { token: _token, clientSecret: _secret, ...rest } = body as Record<string, Prisma.InputJsonValue>;
  return rest;
}
