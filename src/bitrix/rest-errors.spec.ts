import { describe, expect, it } from 'vitest';
import { TransportError } from '../common/http-exchange.js';
import type { UpstreamError } from '../common/upstream-error.js';
import { parseObject } from '../common/json-fields.js';
import {
  classifyFault,
  classifyPage,
  classifyTransport,
  faultOf,
  isInstallationLost,
  isPageRefusal,
  isTokenRejected,
  isUserRejected,
  operationPauseMs,
  pageAboutWords,
  pageOfPortal,
} from './rest-errors.js';

const outcome = ({ kind, scope, retryAfterMs }: UpstreamError) => [kind, scope, retryAfterMs];
const fault = (code: string, description = '') => ({ code, description });

describe('faults', () => {
  it.each<[code: string, status: number, ...expected: unknown[]]>([
    ['QUERY_LIMIT_EXCEEDED', 503, 'not_sent', 'endpoint', 1_500],
    ['OPERATION_TIME_LIMIT', 429, 'not_sent', 'method', 60_000],
    ['INTERNAL_SERVER_ERROR', 500, 'not_sent', 'message', undefined],
    ['ERROR_UNEXPECTED_ANSWER', 500, 'not_sent', 'message', undefined],
    ['SOMETHING_NEW', 500, 'not_sent', 'message', undefined],
    ['SOMETHING_NEW', 429, 'not_sent', 'endpoint', undefined],
    ['SOMETHING_NEW', 400, 'refused', 'message', undefined],
    ['SOMETHING_NEW', 200, 'refused', 'message', undefined],
    ['ERROR_ARGUMENT', 400, 'refused', 'message', undefined],
    ['ERROR_CORE', 400, 'refused', 'message', undefined],
    ['ERROR_CORE', 500, 'not_sent', 'message', undefined],
    ['ERROR_METHOD_NOT_FOUND', 404, 'refused', 'method', undefined],
    ['CONNECTOR_ID_REQUIRED', 200, 'refused', 'message', undefined],
    ['NOT_ACTIVE_LINE', 400, 'not_sent', 'line', 60_000],
    ['IMCONNECTOR_NO_CORRECT_PROVIDER', 400, 'not_sent', 'line', 60_000],
    ['IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR', 400, 'not_sent', 'line', 60_000],
    ['expired_token', 401, 'unauthorised', 'endpoint', 60_000],
    ['authorization_error', 401, 'unauthorised', 'endpoint', 60_000],
    ['ACCESS_DENIED', 403, 'unauthorised', 'portal', 30_000],
    ['ACCESS_DENIED', 401, 'unauthorised', 'portal', 30_000],
    ['ACCESS_DENIED', 400, 'refused', 'message', undefined],
    ['PAYMENT_REQUIRED', 401, 'unauthorised', 'portal', 30_000],
    ['OVERLOAD_LIMIT', 503, 'unauthorised', 'portal', 60_000],
    ['PORTAL_DELETED', 410, 'unauthorised', 'endpoint', undefined],
    ['APPLICATION_NOT_FOUND', 401, 'unauthorised', 'endpoint', undefined],
    ['ERROR_OAUTH', 401, 'unauthorised', 'endpoint', undefined],
    ['insufficient_scope', 401, 'unauthorised', 'method', 300_000],
  ])('%s with %i', (code, status, ...expected) => {
    expect(outcome(classifyFault(fault(code), { status }))).toEqual(expected);
  });

  it.each(['Access denied! Admin permissions required', 'You dont have access to this action'])(
    'takes "%s" for the right of one user, which closes nothing else',
    (words) => {
      expect(outcome(classifyFault(fault('ACCESS_DENIED', words), { status: 403 }))).toEqual([
        'refused',
        'message',
        undefined,
      ]);
    },
  );

  it('reads a code however it is spelt and whatever the status', () => {
    expect(isTokenRejected(classifyFault(fault('EXPIRED_TOKEN'), { status: 200 }))).toBe(true);
    expect(isTokenRejected(classifyFault(fault('invalid_token'), { status: 401 }))).toBe(true);
    expect(isUserRejected(classifyFault(fault('user_access_error'), { status: 403 }))).toBe(true);
    expect(isInstallationLost(classifyFault(fault('portal_deleted'), { status: 500 }))).toBe(true);
    expect(isInstallationLost(classifyFault(fault('PAYMENT_REQUIRED'), { status: 401 }))).toBe(false);
  });

  it('keeps credentials, markup and long texts out of the words for people', () => {
    const { message } = classifyFault(fault('ERROR_CORE', `<b>No</b> access_token=abc.def ${'x'.repeat(1000)}`));
    expect(message).toContain('No access_token=[secret]');
    expect(message.length).toBeLessThan(400);
  });

  it('names the argument that was wrong', () => {
    expect(classifyFault({ ...fault('ERROR_ARGUMENT', 'Is null or empty'), argument: 'LINE' }).detail).toBe(
      'Is null or empty (LINE)',
    );
  });
});

describe('a refusal of the method itself', () => {
  it.each([
    ['Access denied!'],
    ['Access denied! Application context required'],
    ['You dont have access to this action'],
  ])('%s', (description) => {
    const { kind, scope } = classifyFault({ code: 'ACCESS_DENIED', description }, { status: 403 });
    expect([kind, scope]).toEqual(['refused', 'message']);
  });

  it('may have no code', () =>
    expect(faultOf({ error: '', error_description: 'Trigger not found' })).toEqual({
      code: 'ERROR_CORE',
      description: 'Trigger not found',
    }));
});

describe('where a fault stands', () => {
  it.each([
    ['at the top', { error: 'X', error_description: 'why' }],
    ['at the top of a 200, beside a result', { result: false, error: 'X', error_description: 'why' }],
    ['inside the result', { result: { result: false, error: 'X', error_description: 'why' }, time: {} }],
  ])('%s', (_where, body) => expect(faultOf(body)).toEqual({ code: 'X', description: 'why' }));

  it.each([
    ['a success', { result: true }],
    ['a result with a field that is merely called error', { result: { ERROR: false, error: 'N' } }],
    ['an empty error', { result: [], error: '' }],
  ])('not in %s', (_where, body) => expect(faultOf(body)).toBeUndefined());

  it.each(['', '<html>502</html>', '[]', '"text"', 'null', '{"result":'])('%s is no answer', (text) =>
    expect(parseObject(text)).toBeUndefined(),
  );
});

describe('execution time', () => {
  it("rests by the portal's own clock", () => {
    expect(operationPauseMs({ finish: 1_000_000, operating_reset_at: 1_000_042 })).toBe(42_000);
  });
  it('rests a minute when Bitrix24 does not say', () => expect(operationPauseMs(undefined)).toBe(60_000));
  it('never rests longer than the ten minutes that are counted, nor not at all', () => {
    expect(operationPauseMs({ finish: 0.5, operating_reset_at: 9_999 })).toBe(600_000);
    expect(operationPauseMs({ finish: 9_999, operating_reset_at: 5 })).toBe(1_000);
  });
});

it.each<[status: number, kind: string, scope: string]>([
  [200, 'unknown', 'message'],
  [302, 'not_sent', 'endpoint'],
  [400, 'refused', 'message'],
  [403, 'refused', 'message'],
  [406, 'refused', 'message'],
  [404, 'refused', 'message'],
  [413, 'refused', 'message'],
  [429, 'not_sent', 'endpoint'],
  [500, 'unknown', 'message'],
  [502, 'unknown', 'message'],
  [503, 'not_sent', 'endpoint'],
  [504, 'unknown', 'message'],
])('a page with %i means %s', (status, kind, scope) => {
  expect(classifyPage(status)).toMatchObject({ kind, scope, code: `HTTP_${status}` });
});

it('a portal that wants https says nothing about the message', () => {
  const { kind, scope } = classifyFault(fault('INVALID_REQUEST', 'Https required.'), { status: 400 });
  expect([kind, scope]).toEqual(['not_sent', 'portal']);
  expect(classifyFault(fault('INVALID_REQUEST', 'Something else'), { status: 400 }).kind).toBe('refused');
});

it('tells the title of a page, and what the page was about', () => {
  const page = classifyPage(
    403,
    '<html><head>\n<title lang="en"> Licence &amp; trial\n ended &#8212; &lt;b&gt;</title>',
  );
  expect(page.detail).toBe('Bitrix24 answered with a page instead of JSON (403, “Licence & trial ended — <b>”)');
  expect(isPageRefusal(page)).toBe(true);
  expect(isPageRefusal(classifyPage(503))).toBe(false);
  expect(isPageRefusal(classifyFault(fault('ERROR_ARGUMENT'), { status: 400 }))).toBe(false);
  expect(pageAboutWords(page)).toMatchObject({ kind: 'refused', scope: 'message', code: 'filtered' });
  expect(pageAboutWords(classifyPage(413))).toMatchObject({ kind: 'refused', code: 'too_large' });
  expect(pageOfPortal(page)).toMatchObject({ scope: 'portal', code: 'HTTP_403', detail: page.detail });
  expect(classifyPage(403, `<title>${'x'.repeat(2_000)}`).detail.length).toBeLessThan(200);
});

it('knows what never left from what may have arrived', () => {
  expect(classifyTransport(new TransportError('ECONNRESET', false))).toMatchObject({
    kind: 'not_sent',
    scope: 'endpoint',
  });
  expect(classifyTransport(new TransportError('ECONNRESET', true))).toMatchObject({
    kind: 'unknown',
    scope: 'message',
  });
});
