import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import LongestFirst from './longest-first.js';

const ROOT = new URL('..', import.meta.url).pathname;

export default defineConfig({
  test: {
    root: ROOT,
    // One PostgreSQL for all projects but `unit`.
    globalSetup: ['test/support/global-setup.ts'],
    // Most of them wait most of the time, whatever the number of cores. More programs would need more connections than the
    // 100 that PostgreSQL has by default.
    maxWorkers: 7,
    sequence: { sequencer: LongestFirst },
    projects: [
      project('unit', ['src/**/*.spec.ts', 'test/support/**/*.spec.ts'], {
        isolate: false,
        // They compute: more workers than cores only load the same modules again. So they come before all others.
        maxWorkers: availableParallelism(),
        sequence: { groupOrder: 0 },
      }),
      project('integration', ['test/integration/**/*.spec.ts'], { isolate: false }),
      project('e2e', ['test/e2e/**/*.spec.ts'], { isolate: false }),
      'web/vitest.config.ts',
      project('faults', ['test/faults/**/*.spec.ts']),
    ],
  },
});

function project(name: string, include: string[], more = {}) {
  return {
    root: ROOT,
    test: {
      name,
      include,
      sequence: { groupOrder: 1 },
      testTimeout: 60_000,
      hookTimeout: 120_000,
      // As long as it takes on a busy machine: a poll ends with its condition, so nobody waits for this.
      expect: { poll: { timeout: 20_000 } },
      ...more,
    },
  };
}
