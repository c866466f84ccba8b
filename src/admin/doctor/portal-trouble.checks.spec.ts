import { describe, expect, it } from 'vitest';
import type { Application } from '../../bitrix/applications.service.js';
import type { PortalView } from '../../storage/accounts/portal-views.repository.js';
import { methodTroubleChecks, portalTroubleCheck } from './portal-trouble.checks.js';

const portal = { id: 7n, domain: 'acme.bitrix24.com', clientId: 'local.1' } as PortalView;
const own = { id: null, clientId: 'local.1' } as Application;
const stored = { id: 3n, clientId: 'local.1' } as Application;

describe('why a portal takes nothing', () => {
  it.each([
    ['invalid_client', own, /secret .* is wrong/, /B24_CLIENT_SECRET/],
    ['invalid_client', stored, /secret .* is wrong/, /PATCH \/admin\/applications\/3/],
    ['wrong_client', own, /client id local\.1/, /B24_CLIENT_ID/],
    ['PAYMENT_REQUIRED', own, /plan .* is not paid/, /Pay/],
    ['access_denied', own, /does not let the application in/, /plan/],
    ['INVALID_REQUEST', own, /https only/, /B24_DOMAIN/],
    ['HTTP_403', own, /every call with a page/, /licence/],
    ['REDIRECT_REFUSED', own, /do not trust/, /B24_DOMAIN/],
    ['OVERLOAD_LIMIT', own, /overload/, /support/],
  ])('%s', (code, application, what, advice) => {
    const told = portalTroubleCheck(portal, application, { code, detail: 'their words' });
    expect(told).toMatchObject({ id: 'portal:7:rest', ok: false });
    expect(told.what).toMatch(what);
    expect(told.what).toContain('their words');
    expect(told.advice).toMatch(advice);
    expect(told.advice).not.toMatch(/install the application again/i);
  });
});

it('a method that takes nothing is named with its cause and its time', () => {
  const since = new Date('2026-03-01T10:00:00Z');
  const trouble = { method: 'imconnector.send.status.delivery', code: 'ERROR_METHOD_NOT_FOUND', detail: 'x', since };
  expect(
    methodTroubleChecks(portal, [
      { ...trouble, portalId: 7n },
      { ...trouble, portalId: 8n },
      { ...trouble, portalId: 7n, method: '*' },
    ]),
  ).toEqual([
    {
      id: 'portal:7:method:imconnector.send.status.delivery',
      ok: false,
      code: 'method.missing',
      params: {
        portal: 'acme.bitrix24.com',
        method: 'imconnector.send.status.delivery',
        said: 'ERROR_METHOD_NOT_FOUND: x',
        since: since.toISOString(),
      },
      what: 'acme.bitrix24.com does not know the method imconnector.send.status.delivery (ERROR_METHOD_NOT_FOUND: x), since 2026-03-01 10:00 UTC',
      advice: expect.stringContaining('the rest goes on'),
    },
  ]);
});

it('a portal that takes nothing is told with the time since when', () => {
  const since = new Date('2026-03-01T10:00:00Z');
  const { what, params } = portalTroubleCheck(portal, own, { code: 'PAYMENT_REQUIRED', detail: 'x' }, since);
  expect(what).toMatch(/is not paid \(PAYMENT_REQUIRED: x\), since 2026-03-01 10:00 UTC$/);
  expect(params).toMatchObject({ since: since.toISOString() });
});
