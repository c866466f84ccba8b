import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const RULES = fileURLToPath(new URL('../../deploy/prometheus/', import.meta.url));

function promtool(...args: string[]): { status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: RULES, encoding: 'utf8' });
  return { status, output: `${stdout}\n${stderr}` };
}

describe.skipIf(promtool('--version').status !== 0)('the alerts, for promtool (Debian package prometheus)', () => {
  it.each([
    ['are valid', ['check', 'rules', 'alerts.yml']],
    ['fire when they must, and only then', ['test', 'rules', 'alerts.test.yml']],
  ])('%s', (_what, args) => {
    const { status, output } = promtool(...args);
    expect(status, output).toBe(0);
  });
});
