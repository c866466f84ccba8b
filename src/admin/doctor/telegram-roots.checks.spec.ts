import { expect, it } from 'vitest';
import { apiKindChecks, rootChecks } from './telegram-roots.checks.js';

const dead = { name: 'http://10.0.0.1:3128', failure: 'ECONNREFUSED', connectMs: null };
const direct = { name: 'direct', failure: null, connectMs: 12 };
const root = { name: 'https://api.telegram.org', failure: null, inUse: true, answerMs: 80 };

it('says nothing of one root without a proxy', () => {
  expect(rootChecks([{ ...root, routes: [] }])).toEqual([]);
});

it('one way to Telegram that works is enough', () => {
  expect(rootChecks([{ ...root, routes: [dead, direct] }])).toMatchObject([
    { ok: true, what: expect.stringMatching(/10\.0\.0\.1:3128: ECONNREFUSED.*direct: connects in 12 ms/) },
  ]);
  expect(rootChecks([{ ...root, routes: [dead] }])).toMatchObject([
    { ok: false, what: expect.stringContaining('10.0.0.1:3128: ECONNREFUSED') },
  ]);
});

it('one root that works is enough, and it is named', () => {
  const relay = { name: 'https://relay.example', failure: 'ECONNRESET', inUse: false, answerMs: 40, routes: [dead] };
  const [roots, proxies] = rootChecks([relay, { ...root, routes: [direct] }]);
  expect(roots).toMatchObject({ id: 'telegram_roots', ok: true });
  expect(roots?.what).toContain(
    'https://relay.example: ECONNRESET; https://api.telegram.org: answers in 80 ms (in use)',
  );
  expect(proxies?.what).toContain('https://relay.example → http://10.0.0.1:3128: ECONNREFUSED');
  expect(rootChecks([relay, { ...relay, name: 'https://other.example' }])[0]?.ok).toBe(false);
});

it('names the variable that lifts the limits of an own server', () => {
  expect(apiKindChecks(false)).toEqual([]);
  expect(apiKindChecks(true)).toMatchObject([{ ok: false, advice: expect.stringContaining('TG_API_KIND=local') }]);
});

it.each(['the proxy answers 407', 'Socks5 Authentication failed'])(
  'a proxy that refuses the password (%s)',
  (failure) => {
    const [check] = rootChecks([{ ...root, routes: [{ ...dead, failure }] }]);
    expect(check).toMatchObject({ ok: false, code: 'routes.password', advice: expect.stringContaining('password') });
  },
);
