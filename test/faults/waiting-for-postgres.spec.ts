import { afterEach, beforeEach, expect, it } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.js';
import { Program } from '../support/program.js';
import { TcpProxy } from '../support/tcp-proxy.js';

let database: TestDatabase;
let proxy: TcpProxy;
let program: Program | undefined;
beforeEach(async () => {
  database = await createTestDatabase({ empty: true });
  proxy = await TcpProxy.before(database.url);
  await proxy.cut();
});
afterEach(async () => {
  await program?.kill();
  await proxy.cut();
  await database.drop();
});

const start = (environment: Record<string, string> = {}) =>
  Program.start({ DATABASE_URL: proxy.through(database.url), ...environment }, 0);
const status = (path: string) => program!.get(path).then((answer) => answer.status, String);

it('a start that waits for PostgreSQL answers its probes, and goes on once it is there', async () => {
  program = await start();
  await expect.poll(() => status('/health/ready')).toBe(503);
  const { json, text } = await program.get('/health/ready');
  const down = { status: 'down', reason: 'ECONNREFUSED', waitingSince: expect.stringMatching(/^\d{4}-.*Z$/) };
  expect(json).toEqual({ status: 'error', info: {}, error: { database: down }, details: { database: down } });
  expect(text).not.toContain('127.0.0.1');
  expect(await status('/health/live')).toBe(200);
  expect(await program.post('/tg/webhook', { update_id: 1 })).toMatchObject({
    status: 503,
    json: { code: 'storage_unavailable' },
  });
  expect(program.warnings().join()).toMatch(/Waiting for PostgreSQL at 127\.0\.0\.1:\d+\/test_\w+: .*ECONNREFUSED/);
  await proxy.restore();
  await program.ready(60_000);
  expect(await program.stop()).toBe(0);
});

it('a start that waits for PostgreSQL ends at once when it is told to', async () => {
  program = await start();
  await expect.poll(() => status('/health/live')).toBe(200);
  const asked = performance.now();
  expect(await program.stop()).toBe(0);
  expect(performance.now() - asked).toBeLessThan(5_000);
});

it('a start without a writable temporary folder says what to do, whole and without a stack', async () => {
  program = await start({ TMPDIR: '/proc/nowhere' });
  await expect.poll(() => program!.exitCode).toBe(1);
  expect(program.warnings()).toEqual([
    expect.stringMatching(/^fatal: The temporary folder \/proc\/nowhere cannot be written \(ENOENT\).*set TMPDIR/),
  ]);
});
