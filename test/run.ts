import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';
import { hasPgBouncer } from './support/pgbouncer.js';

const USAGE = `npm run test:pooled [-- FILE …]      integration and e2e tests, PostgreSQL behind a PgBouncer in transaction mode
npm run test:replicas [-- FILE …]    e2e tests, three programs behind a load balancer wherever there would be one

FILE: only tests whose path has this in it. Of the built program (dist/).
`;

/** Starting several programs takes as many times as long. */
const PATIENT = { maxWorkers: 1, testTimeout: 180_000, hookTimeout: 360_000 };

/** The same tests as ever, on another stage; the exit code is theirs. */
async function run(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { pooled: { type: 'boolean' }, replicas: { type: 'string' }, help: { type: 'boolean' } },
    allowPositionals: true,
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return;
  }
  if (values.pooled && !hasPgBouncer()) {
    process.stdout.write('Skipped: there is no pgbouncer on the PATH (Debian, Homebrew: package pgbouncer).\n');
    return;
  }
  if (values.pooled) process.env.TEST_POOLED = '1';
  if (values.replicas) process.env.TEST_REPLICAS = values.replicas;
  const all = values.replicas ? ['test/e2e/', 'test/faults/'] : ['test/integration/', 'test/e2e/', 'test/faults/'];
  const filters = positionals.length > 0 ? positionals : all;
  const options = { config: 'test/vitest.config.ts', watch: false };
  const vitest = await startVitest('test', filters, values.replicas ? { ...options, ...PATIENT } : options);
  await vitest.close();
}

await run();
