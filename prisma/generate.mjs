// `prisma generate` never uses the native schema engine, but the CLI insists on having one and would download
// it. A path that exists keeps it quiet, so that a build needs the npm registry and nothing else.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const cli = fileURLToPath(import.meta.resolve('prisma/package.json')).replace(/package\.json$/, 'build/index.js');
const { status } = spawnSync(process.execPath, [cli, 'generate', '--no-hints'], {
  cwd: fileURLToPath(new URL('..', import.meta.url)),
  env: { ...process.env, PRISMA_SCHEMA_ENGINE_BINARY: process.execPath, CHECKPOINT_DISABLE: '1' },
  stdio: ['ignore', 'ignore', 'inherit'],
});
process.exit(status ?? 1);
