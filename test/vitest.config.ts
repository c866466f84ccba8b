import { defineConfig } from 'vitest/config';
import LongestFirst from './longest-first.js';

export default defineConfig({
  test: {
    root: new URL('..', import.meta.url).pathname,
    projects: [
      { extends: true, test: { name: 'program', include: ['src/**/*.spec.ts', 'test/**/*.spec.ts'] } },
      'web/vitest.config.ts',
    ],
    globalSetup: ['test/support/global-setup.ts'],
    exclude: ['test/faults/**', 'test/bench/**', 'test/browser/**', 'node_modules/**', 'dist/**'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // Most of them wait for the program most of the time, whatever the number of cores.
    maxWorkers: 6,
    sequence: { sequencer: LongestFirst },
    // As long as it takes on a busy machine: a poll ends with its condition, so nobody waits for this.
    expect: { poll: { timeout: 20_000 } },
  },
});
