import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

/** The logic of the pages, without a browser: `npx vitest run --config web/vitest.config.ts`. */
export default defineConfig({
  test: {
    name: 'pages',
    root: new URL('.', import.meta.url).pathname,
    include: ['**/*.spec.ts'],
    isolate: false,
    maxWorkers: availableParallelism(),
  },
});
