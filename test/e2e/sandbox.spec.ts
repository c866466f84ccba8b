import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

it('npm run sandbox -- --once: every message of its conversation arrives', { timeout: 180_000 }, async () => {
  const run = promisify(execFile)(process.execPath, ['--import', 'tsx', 'test/sandbox/main.ts', '--once'], {
    cwd: ROOT,
    env: { ...process.env, SANDBOX_PORT: '0' },
  });
  const { stdout } = await run;
  expect(stdout).toContain('OK');
});
