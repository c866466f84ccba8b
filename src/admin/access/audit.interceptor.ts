import { Readable } from 'node:stream';
import {
  HttpException,
  Injectable,
  Logger,
  SetMetadata,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { catchError, mergeMap, type Observable } from 'rxjs';
import { doneBefore } from '../../common/half-done.js';
import { asText } from '../../common/json-fields.js';
import { withoutSecrets } from '../../common/redact.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import type { AuditOutcome, NewAuditEntry } from '../../storage/postgres/audit-entries.js';
import { PortalViewsRepository } from '../../storage/accounts/portal-views.repository.js';
import { callerOf, signatureOf } from './caller.js';
import { failedStepsOf } from './failed-steps.js';
import { ID } from '../../common/cursor.js';

const AUDITED = Symbol('audited');

/** Names the change that a route makes, e.g. `bot.create`; its subject is the thing before the dot. */
export const Audited = (action: string) => SetMetadata(AUDITED, action);

/** The change that this handler of a route makes; undefined: none that is on record. */
export function actionOf(handler: object): string | undefined {
  return Reflect.getMetadata(AUDITED, handler) as string | undefined;
}

/** Fields that name or quote a client, who may have to be forgotten: not for the record. Nor is any secret, see {@link insertAuditEntry}. */
const OF_CLIENTS = new Set(['confirm', 'q', 'text', 'user']);

type Detail = NewAuditEntry['detail'];
type Fields = Partial<Record<string, unknown>>;

/** Answers that say: nothing was done. A conflict may be found in the middle of a change. */
const REFUSALS = new Set([400, 401, 403, 404, 413, 415, 429]);

/**
 * Writes one row per change that an {@link Audited} route makes: before it, so that a change which the program does not
 * survive is on record, and again when it is over. A refused request, or a dry run, changed nothing and leaves none.
 */
@Injectable()
export class AuditInterceptor implements NestInterceptor {
  private readonly logger = new Logger('Audit');

  constructor(
    private readonly entries: AuditRepository,
    private readonly portals: PortalViewsRepository,
  ) {}

  async intercept(context: ExecutionContext, next: CallHandler): Promise<Observable<unknown>> {
    const action = actionOf(context.getHandler());
    if (!action) return next.handle();
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    // Afterwards the subject may be gone.
    const portalBefore = await this.portalOf(action, request);
    const begun = await this.begin(action, request, portalBefore);
    const entryWith = (result: unknown, end: Ending) => entryOf(action, request, result, portalBefore, end);
    return next.handle().pipe(
      mergeMap(async (result: unknown) => {
        if (isDryRun(request)) await this.withdraw(begun);
        else await this.complete(begun, entryWith(result, endingOf(result, failedStepsOf(request))));
        return result;
      }),
      catchError(async (error: unknown): Promise<never> => {
        if (isRefusal(error)) await this.withdraw(begun);
        else await this.complete(begun, entryWith(undefined, failureOf(error)));
        throw error;
      }),
    );
  }

  private async portalOf(action: string, request: FastifyRequest): Promise<bigint | null> {
    const { id } = request.params as { id?: string };
    return id !== undefined && ID.test(id) ? this.portals.portalOf(thingOf(action), BigInt(id)) : null;
  }

  /** Nothing of the request is checked yet: only its id is taken from it. Null: the row is written afterwards. */
  private async begin(action: string, request: FastifyRequest, portalBefore: bigint | null): Promise<bigint | null> {
    const caller = callerOf(request);
    const { id = '' } = request.params as { id?: string };
    return this.entries
      .record({
        actor: `${signatureOf(caller)}@${request.ip}`,
        action,
        subject: subjectOf(action, ID.test(id) ? id : undefined),
        portalId: caller.portalId ?? portalBefore,
        detail: {},
        outcome: 'begun',
      })
      .catch((error: unknown) => {
        this.logger.debug({ action, err: error }, 'The beginning of a change could not be recorded');
        return null;
      });
  }

  /** The change is made and cannot be taken back: a row that cannot be written goes to the log instead. */
  private async complete(begun: bigint | null, entry: NewAuditEntry): Promise<void> {
    const written = begun === null ? this.entries.record(entry) : this.entries.complete(begun, entry);
    await written.catch((error: unknown) => {
      const logged = { ...entry, portalId: entry.portalId?.toString() ?? null, detail: withoutSecrets(entry.detail) };
      this.logger.error({ entry: logged, err: error }, 'The audit row could not be written');
    });
  }

  private async withdraw(begun: bigint | null): Promise<void> {
    if (begun === null) return;
    await this.entries.withdraw(begun).catch((error: unknown) => {
      this.logger.warn({ err: error }, `Audit row ${begun} is of a request that was refused`);
    });
  }
}

/** How a change ended, which of its steps failed, or with which code it ended and what was done by then. */
interface Ending {
  outcome: AuditOutcome;
  failedSteps?: string[];
  error?: string;
  done?: string[];
}

/** Of a change in steps, which answers each with its result; `after`: steps that failed once it was made. */
function endingOf(result: unknown, after: string[]): Ending {
  if (after.length > 0) return { outcome: 'partial', failedSteps: after };
  const { ok, steps } = fieldsOf(result);
  if (ok !== false || !Array.isArray(steps)) return { outcome: 'done' };
  const failed = steps.map(fieldsOf).filter((step) => step.ok === false);
  return {
    outcome: failed.length < steps.length ? 'partial' : 'failed',
    failedSteps: failed.map(({ step }) => String(step)),
  };
}

function isRefusal(error: unknown): boolean {
  return error instanceof HttpException && REFUSALS.has(error.getStatus());
}

/** What a change in parts had done before it ended is on record, too. */
function failureOf(error: unknown): Ending {
  const done = doneBefore(error);
  return { outcome: 'failed', error: codeOf(error), ...(done.length > 0 && { done }) };
}

function isDryRun(request: FastifyRequest): boolean {
  return bodyOf(request).dryRun === true;
}

/** Nothing of a file. */
function bodyOf({ body }: FastifyRequest): Fields {
  return body instanceof Readable ? {} : fieldsOf(body);
}

function codeOf(error: unknown): string {
  const { code, name } = fieldsOf(error);
  return asText(code) || asText(name) || 'error';
}

function entryOf(
  action: string,
  request: FastifyRequest,
  result: unknown,
  portalBefore: bigint | null,
  { outcome, ...ending }: Ending,
): NewAuditEntry {
  const { id: named, ...place } = request.params as { id?: string } & Record<string, string>;
  const changed = fieldsOf(result);
  const id = named ?? (typeof changed.id === 'string' ? changed.id : undefined);
  const caller = callerOf(request);
  // A GET that is on record takes something away: what, its query says.
  const asked = { ...(request.method === 'GET' ? fieldsOf(request.query) : {}), ...bodyOf(request) };
  return {
    actor: `${signatureOf(caller)}@${request.ip}`,
    action,
    subject: subjectOf(action, id),
    // What moved belongs to where it is now: its row names no other portal than its own.
    portalId: caller.portalId ?? idOf(changed.portalId) ?? portalBefore ?? idOf(asked.portal),
    detail: {
      ...place,
      ...(Object.fromEntries(Object.entries(asked).filter(([name]) => !OF_CLIENTS.has(name))) as Detail),
      ...ending,
    },
    outcome,
  };
}

function subjectOf(action: string, id: string | undefined): string {
  return id ? `${thingOf(action)}:${id}` : `${thingOf(action)}s`;
}

/** `bot` of `bot.create`, `message` of `messages.export`. */
function thingOf(action: string): string {
  return action.slice(0, action.indexOf('.')).replace(/s$/, '');
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? value : {};
}

function idOf(value: unknown): bigint | null {
  return typeof value === 'string' && ID.test(value) ? BigInt(value) : null;
}
