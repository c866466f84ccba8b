import { Logger, type CallHandler, type ExecutionContext } from '@nestjs/common';
import { lastValueFrom, of, throwError } from 'rxjs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import type { AuditRepository } from '../../storage/accounts/audit.repository.js';
import type { NewAuditEntry } from '../../storage/postgres/audit-entries.js';
import type { PortalViewsRepository } from '../../storage/accounts/portal-views.repository.js';
import { Audited, AuditInterceptor } from './audit.interceptor.js';
import { inParts } from '../../common/half-done.js';
import { setCaller, type Caller } from './caller.js';
import { failedStepsOf } from './failed-steps.js';

class Routes {
  look() {}
  @Audited('bot.change')
  change() {}
  @Audited('messages.export')
  take() {}
}

const root: Caller = { name: 'admin', role: 'owner', portalId: null };
/** What the tables say of bot 5. */
const PORTAL_BEFORE = 1n;

interface Change {
  caller?: Caller;
  params?: Record<string, string>;
  query?: unknown;
  body?: unknown;
  result?: unknown;
  handler?: keyof Routes;
  failure?: Error;
  /** Steps that failed after the change. */
  failed?: string[];
  /** Rows that cannot be written: any of them, or only the first. */
  broken?: 'ever' | 'first';
  /** What is on record while the change is made. */
  meanwhile?: (rows: NewAuditEntry[]) => void;
}

async function made(change: Change): Promise<NewAuditEntry[]> {
  const { caller = root, params = {}, query, body, result, handler = 'change', failure, broken, meanwhile } = change;
  const { failed = [] } = change;
  const rows: NewAuditEntry[] = [];
  let tries = 0;
  const entries = {
    record: async (entry: NewAuditEntry) => {
      if (broken === 'ever' || (broken === 'first' && tries++ === 0)) throw new Error('away');
      return BigInt(rows.push(entry) - 1);
    },
    complete: async (id: bigint, entry: NewAuditEntry) => void (rows[Number(id)] = entry),
    withdraw: async (id: bigint) => void rows.splice(Number(id), 1),
  };
  const portals = {
    portalOf: async (thing: string, id: bigint) => (thing === 'bot' && id === 5n ? PORTAL_BEFORE : null),
  };
  const request = { method: query ? 'GET' : 'POST', ip: '10.0.0.1', params, query, body };
  setCaller(request as never, caller);
  const context = {
    switchToHttp: () => ({ getRequest: () => request }),
    getHandler: () => Routes.prototype[handler],
  } as unknown as ExecutionContext;
  const next: CallHandler = {
    handle: () => {
      meanwhile?.(structuredClone(rows));
      failedStepsOf(request as never).push(...failed);
      return failure ? throwError(() => failure) : of(result);
    },
  };
  const interceptor = new AuditInterceptor(
    entries as unknown as AuditRepository,
    portals as unknown as PortalViewsRepository,
  );
  const answer = await lastValueFrom(await interceptor.intercept(context, next)).catch((error: unknown) => error);
  expect(answer).toBe(failure ?? result);
  return rows;
}

describe('AuditInterceptor', () => {
  afterEach(() => vi.restoreAllMocks());

  it('writes who did what to what', async () => {
    const caller: Caller = { keyId: 3n, name: 'Anna', role: 'owner', portalId: null };
    expect(await made({ caller, params: { id: '5', lineId: '7' }, body: { mode: 'polling' } })).toEqual([
      {
        actor: 'Anna#3@10.0.0.1',
        action: 'bot.change',
        subject: 'bot:5',
        portalId: PORTAL_BEFORE,
        detail: { lineId: '7', mode: 'polling' },
        outcome: 'done',
      },
    ]);
    expect(await made({ result: { id: '9', portalId: '2' } })).toMatchObject([{ subject: 'bot:9', portalId: 2n }]);
    expect(await made({ result: { changed: 3 } })).toMatchObject([{ subject: 'bots', portalId: null }]);
  });

  it('says what was taken away, and names or quotes no client', async () => {
    const query = { format: 'csv', portal: '3', q: 'Olga', user: 'tg:901' };
    expect(await made({ handler: 'take', query })).toMatchObject([
      { action: 'messages.export', subject: 'messages', portalId: 3n, detail: { format: 'csv', portal: '3' } },
    ]);
    const [row] = await made({ params: { id: '5' }, body: { confirm: 'tg:901' } });
    expect(row?.detail).toEqual({});
  });

  it('files a change under the portal of the caller, of the result, or of the subject as it was', async () => {
    const params = { id: '5' };
    const portal = async (change: Change) => (await made(change))[0]?.portalId;
    expect(await portal({ params })).toBe(1n);
    expect(await portal({ params, result: { id: '5', portalId: '2' } })).toBe(2n);
    expect(await portal({ params, result: { id: '5', portalId: null } })).toBe(1n);
    expect(await portal({ caller: { ...root, portalId: 4n }, result: { retried: 1 } })).toBe(4n);
    expect(await portal({ params: { id: 'nonsense' } })).toBeNull();
    for (const result of [undefined, null, 'text', [], { portalId: 7 }, { portalId: 'x' }]) {
      expect(await portal({ result })).toBeNull();
    }
  });

  it('writes nothing for what was refused or changes nothing', async () => {
    for (const status of [400, 404]) {
      expect(await made({ failure: new Problem(status, 'no', 'No.') })).toEqual([]);
      expect(await made({ failure: new Problem(status, 'no', 'No.'), broken: 'first' })).toEqual([]);
    }
    expect(await made({ handler: 'look' })).toEqual([]);
  });

  it('has the change on record before it is made, without anything that nobody has checked yet', async () => {
    let during: NewAuditEntry[] = [];
    const meanwhile = (rows: NewAuditEntry[]) => (during = rows);
    await made({ params: { id: '5', lineId: '\0' }, body: { anything: '\0' }, meanwhile });
    const begun = {
      actor: 'admin@10.0.0.1',
      action: 'bot.change',
      portalId: PORTAL_BEFORE,
      detail: {},
      outcome: 'begun',
    };
    expect(during).toEqual([{ ...begun, subject: 'bot:5' }]);
    await made({ params: { id: '\0' }, meanwhile });
    expect(during).toEqual([{ ...begun, subject: 'bots', portalId: null }]);
  });

  it.each([
    [new Problem(409, 'line_taken', 'The line has a bot.'), 'line_taken'],
    [new Problem(503, 'telegram_unavailable', 'Telegram is away.'), 'telegram_unavailable'],
    [
      new UpstreamError({ network: 'telegram', kind: 'unknown', code: 'ECONNRESET', detail: '', scope: 'endpoint' }),
      'ECONNRESET',
    ],
    [new TypeError('x is not a function'), 'TypeError'],
  ])('says that a change failed, perhaps half way: %s', async (failure, error) => {
    const [row, ...others] = await made({ params: { id: '5' }, body: { mode: 'polling' }, failure });
    expect(others).toEqual([]);
    expect(row).toMatchObject({ subject: 'bot:5', detail: { mode: 'polling', error }, outcome: 'failed' });
    expect(await made({ failure, broken: 'first' })).toMatchObject([{ outcome: 'failed' }]);
  });

  it('says which steps of a change failed', async () => {
    const steps = (...oks: boolean[]) => ({
      ok: oks.every(Boolean),
      steps: oks.map((ok, n) => ({ step: `step ${n}`, ok, detail: '' })),
    });
    expect(await made({ result: steps(true, true) })).toMatchObject([{ outcome: 'done', detail: {} }]);
    expect(await made({ result: steps(true, false) })).toMatchObject([
      { outcome: 'partial', detail: { failedSteps: ['step 1'] } },
    ]);
    expect(await made({ result: steps(false) })).toMatchObject([
      { outcome: 'failed', detail: { failedSteps: ['step 0'] } },
    ]);
  });

  it('says which steps failed after a change that stands', async () => {
    const failed = ['line 3: imconnector.activate: portal_silent'];
    expect(await made({ params: { id: '5' }, body: { lineId: '4' }, result: { id: '5' }, failed })).toMatchObject([
      { subject: 'bot:5', outcome: 'partial', detail: { lineId: '4', failedSteps: failed } },
    ]);
  });

  it('says which part of a change was done when another failed', async () => {
    const failure = new TypeError('away');
    await inParts(async (part) => {
      part('line');
      throw failure;
    }).catch(() => undefined);
    expect(await made({ params: { id: '5' }, failure })).toMatchObject([
      { outcome: 'failed', detail: { error: 'TypeError', done: ['line'] } },
    ]);
  });

  it('writes nothing for a dry run', async () => {
    expect(await made({ body: { dryRun: true }, result: { retried: 3 } })).toEqual([]);
    expect(await made({ body: { dryRun: false }, result: { retried: 3 } })).toHaveLength(1);
  });

  it('puts a row that cannot be written into the log, without its secrets', async () => {
    const logged = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    expect(await made({ params: { id: '5' }, body: { token: 'S3CRET', mode: 'polling' }, broken: 'ever' })).toEqual([]);
    expect(logged).toHaveBeenCalledOnce();
    const [about] = logged.mock.calls[0] as [{ entry: unknown }];
    expect(JSON.stringify(about.entry)).toContain('polling');
    expect(JSON.stringify(about.entry)).not.toContain('S3CRET');
  });
});
