import {
  Injectable,
  Logger,
  SetMetadata,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { mergeMap, type Observable } from 'rxjs';
import { withoutSecrets } from '../../common/redact.js';
import { AuditRepository, type NewAuditEntry } from '../../storage/accounts/audit.repository.js';
import { OverviewRepository } from '../../storage/history/overview.repository.js';
import { callerOf, signatureOf } from './caller.js';
import { ID } from '../cursor.js';

const AUDITED = Symbol('audited');

/** Names the change that a route makes, e.g. `bot.create`; its subject is the thing before the dot. */
export const Audited = (action: string) => SetMetadata(AUDITED, action);

/** The change that this handler of a route makes; undefined: none that is on record. */
export function actionOf(handler: object): string | undefined {
  return Reflect.getMetadata(AUDITED, handler) as string | undefined;
}

/** Fields that name or quote a client, who may have to be forgotten: not for the record. Nor is any secret, see {@link AuditRepository.record}. */
const OF_CLIENTS = new Set(['confirm', 'q', 'user']);

type Detail = NewAuditEntry['detail'];
type Fields = Partial<Record<string, unknown>>;

/** Writes one row per change that an {@link Audited} route made. A refused request changed nothing and leaves none. */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  private readonly logger = new Logger('Audit');

  constructor(
    private readonly entries: AuditRepository,
    private readonly overview: OverviewRepository,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const action = actionOf(context.getHandler());
    if (!action) return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    // Afterwards the subject may be gone.
    const portalBefore = await this.portalOf(action, request);
    return next.handle().pipe(
      mergeMap(async (result: unknown) => {
        await this.record(entryOf(action, request, result, portalBefore));
        return result;
      }),
    );
  }

  private async portalOf(action: string, request: FastifyRequest): Promise<bigint | null> {
    const { id } = request.params as { id?: string };
    return id !== undefined && ID.test(id) ? this.overview.portalOf(thingOf(action), BigInt(id)) : null;
  }

  /** The change is made and cannot be taken back: a row that cannot be written goes to the log instead. */
  private async record(entry: NewAuditEntry): Promise<void> {
    await this.entries.record(entry).catch((error: unknown) => {
      const logged = { ...entry, portalId: entry.portalId?.toString() ?? null, detail: withoutSecrets(entry.detail) };
      this.logger.error({ entry: logged, err: error }, 'The audit row could not be written');
    });
  }
}

function entryOf(action: string, request: FastifyRequest, result: unknown, portalBefore: bigint | null): NewAuditEntry {
  const { id: named, ...place } = request.params as { id?: string } & Record<string, string>;
  const changed = fieldsOf(result);
  const id = named ?? (typeof changed.id === 'string' ? changed.id : undefined);
  const caller = callerOf(request);
  // A GET that is on record takes something away: what, its query says.
  const asked = { ...(request.method === 'GET' ? fieldsOf(request.query) : {}), ...fieldsOf(request.body) };
  return {
    actor: `${signatureOf(caller)}@${request.ip}`,
    action,
    subject: id ? `${thingOf(action)}:${id}` : `${thingOf(action)}s`,
    // What moved belongs to where it is now: its row names no other portal than its own.
    portalId: caller.portalId ?? idOf(changed.portalId) ?? portalBefore ?? idOf(asked.portal),
    detail: {
      ...place,
      ...(Object.fromEntries(Object.entries(asked).filter(([name]) => !OF_CLIENTS.has(name))) as Detail),
    },
  };
}

/** `bot` of `bot.create`, `message` of `messages.export`. */
function thingOf(action: string): string {
  return action.slice(0, action.indexOf('.')).replace(/s$/, '');
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

function idOf(value: unknown): bigint | null {
  return typeof value === 'string' && ID.test(value) ? BigInt(value) : null;
}
