import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Program } from '../support/program.js';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.drop());

describe.each([
  { TRUSTED_PROXIES: undefined, what: 'behind a proxy that is trusted', guesses: 260, some: 'through one peer' },
  { TRUSTED_PROXIES: '203.0.113.0/24', what: 'from whoever is no proxy', guesses: 30, some: 'from one client' },
  { TRUSTED_PROXIES: 'none', what: 'where no proxy is trusted', guesses: 30, some: 'from one client' },
])('wrong keys under addresses that are made up, $what', ({ TRUSTED_PROXIES, guesses, some }) => {
  let program: Program;
  beforeAll(async () => {
    program = await Program.start({ DATABASE_URL: database.url, TRUSTED_PROXIES });
  });
  afterAll(() => program?.kill());

  const call = (key: string, ip: string) =>
    program.get('/admin/me', { authorization: `Bearer ${key}`, 'x-forwarded-for': ip, 'x-request-id': `from-${ip}` });

  it(`are refused once there are too many ${some}; the right key is not`, async () => {
    const made = await program.admin('POST', '/keys', { name: 'Anna', role: 'operator' });
    const answers = await Promise.all(
      Array.from({ length: guesses }, (_, n) => call(`tol_${String(n).padStart(43, 'A')}`, `198.51.100.${n % 256}`)),
    );
    const statuses = new Set(answers.map(({ status }) => status));
    expect(statuses).toEqual(new Set([401, 429]));
    for (const key of [program.adminKey, made.json.key as string]) {
      const answer = await call(key, '198.51.100.7');
      expect([answer.status, answer.headers.get('x-request-id')]).toEqual([200, 'from-198.51.100.7']);
    }
    expect(program.log.some((line) => line.includes('"requestId":"from-198.51.100.7"'))).toBe(true);
  });
});
