import type { ExecutionContext } from '@nestjs/common';
import { describe, expect, it } from 'vitest';
import { Problem } from '../../common/problem.js';
import {
  assertAllowed,
  callerOf,
  portalFor,
  requirementOf,
  Requires,
  ROLES,
  canAccess,
  setCaller,
  signatureOf,
  type Caller,
  type Role,
} from './caller.js';

const caller = (role: Role, portalId: bigint | null = null): Caller => ({ name: 'Anna', role, portalId });

function codeOf(act: () => unknown): string {
  try {
    act();
    return 'allowed';
  } catch (error) {
    return `${(error as Problem).getStatus()} ${(error as Problem).code}`;
  }
}

describe('what a route asks for', () => {
  class Open {
    plain() {}
    @Requires('operator')
    marked() {}
  }
  @Requires('owner', { everyPortal: true })
  class Closed {
    plain() {}
    @Requires('read_only')
    marked() {}
  }
  const of = (method: string, type: typeof Open | typeof Closed, handler: 'plain' | 'marked') =>
    requirementOf({
      switchToHttp: () => ({ getRequest: () => ({ method }) }),
      getHandler: () => type.prototype[handler],
      getClass: () => type,
    } as unknown as ExecutionContext);

  it('is said at the route, else at its controller; what says nothing is closed but for looking', () => {
    expect(of('GET', Open, 'plain')).toEqual({ role: 'read_only', everyPortal: false });
    expect(of('HEAD', Open, 'plain').role).toBe('read_only');
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PURGE']) {
      expect(of(method, Open, 'plain')).toEqual({ role: 'owner', everyPortal: false });
    }
    expect(of('POST', Open, 'marked')).toEqual({ role: 'operator', everyPortal: false });
    expect(of('GET', Closed, 'plain')).toEqual({ role: 'owner', everyPortal: true });
    expect(of('GET', Closed, 'marked')).toEqual({ role: 'read_only', everyPortal: false });
  });

  it('is fulfilled by the same role and those above it', () => {
    for (const [asked, role] of ROLES.entries()) {
      for (const [had, own] of ROLES.entries()) {
        const answer = codeOf(() => assertAllowed(caller(own), { role, everyPortal: false }));
        expect(answer, `${own} asks for ${role}`).toBe(had >= asked ? 'allowed' : '403 role_too_low');
      }
    }
  });

  it('may be out of reach for a key of one portal', () => {
    expect(codeOf(() => assertAllowed(caller('owner', 1n), { role: 'owner', everyPortal: true }))).toBe(
      '403 limited_to_portal',
    );
    expect(codeOf(() => assertAllowed(caller('owner'), { role: 'owner', everyPortal: true }))).toBe('allowed');
  });
});

describe('a caller', () => {
  it('sees one portal and nothing else, or everything', () => {
    const subjects = [1n, 2n, null];
    expect(subjects.map((subject) => canAccess(caller('owner', 1n), subject))).toEqual([true, false, false]);
    expect(subjects.map((subject) => canAccess(caller('read_only'), subject))).toEqual([true, true, true]);
  });

  it('has lists narrowed to that portal', () => {
    expect(portalFor(caller('owner', 1n), undefined)).toBe(1n);
    expect(portalFor(caller('owner', 1n), 1n)).toBe(1n);
    expect(codeOf(() => portalFor(caller('owner', 1n), 2n))).toBe('404 not_found');
    expect(portalFor(caller('owner'), undefined)).toBeUndefined();
    expect(portalFor(caller('owner'), 2n)).toBe(2n);
  });

  it('signs so that nobody can pass for another', () => {
    expect(signatureOf(caller('owner'))).toBe('Anna');
    expect(signatureOf({ ...caller('owner'), name: 'admin', keyId: 3n })).toBe('admin#3');
  });

  it('goes with the request, or the route is not behind the guard', () => {
    const request = {} as never;
    expect(() => callerOf(request)).toThrow('not behind the guard');
    setCaller(request, caller('operator', 1n));
    expect(callerOf(request)).toEqual(caller('operator', 1n));
  });
});
