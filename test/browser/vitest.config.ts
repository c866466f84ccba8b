import { defineConfig } from 'vitest/config';

/** Tests that open the pages in a real Chromium: `npm run test:browser`. Two files at a time: each has a browser. */
export default defineConfig({
  test: {
    root: new URL('../..', import.meta.url).pathname,
    include: ['test/browser/**/*.spec.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    testTimeout: 240_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
  },
});
