import { expect, it } from 'vitest';
import { DatabaseReadOnlyError } from '../../storage/postgres/server-state.js';
import { databaseCheck, transactionCheck } from './database.checks.js';

it('a database that takes no writes is not well, and the cause is told', () => {
  expect(databaseCheck(null, '')).toMatchObject({ id: 'database', ok: true });
  expect(databaseCheck(new Error('x'), 'x')).toMatchObject({ ok: false, what: 'PostgreSQL does not answer: x' });
  expect(databaseCheck(new DatabaseReadOnlyError(true), '')).toMatchObject({
    ok: false,
    what: expect.stringContaining('standby'),
    advice: expect.stringContaining('primary'),
  });
  expect(databaseCheck(new DatabaseReadOnlyError(false), '').advice).toMatch(/disk is full.*RESET/);
});

it.each([
  { seconds: 599, idle: true, ok: true },
  { seconds: 600, idle: true, ok: false },
  { seconds: 3_599, idle: false, ok: true },
  { seconds: 3_600, idle: false, ok: false },
])('a transaction is too long or not: %o', ({ seconds, idle, ok }) => {
  expect(transactionCheck({ seconds, idle, owner: 'psql', pid: 7 })).toMatchObject({ id: 'transactions', ok });
});

it('a transaction that is too long is named with what ends it', () => {
  expect(transactionCheck(null).ok).toBe(true);
  const forgotten = transactionCheck({ seconds: 7_200, idle: true, owner: 'psql', pid: 7 });
  expect(forgotten.what).toBe('A transaction of psql (process 7) has been open for 2 hours, idle');
  expect(forgotten.advice).toContain('pg_terminate_backend(7)');
  const prepared = transactionCheck({ seconds: 7_200, idle: true, owner: 'batch-1', pid: null });
  expect(prepared.advice).toContain("ROLLBACK PREPARED 'batch-1'");
});
