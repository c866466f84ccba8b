import { spawn } from 'node:child_process';
import { existsSync, utimesSync, watch } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/**
 * `npm run dev`: compiles the program and the pages whenever a file changes, and runs the sandbox over them. The program
 * restarts by itself; a page has to be loaded again.
 */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PROGRAM = `${ROOT}/dist/main.js`;
const PAGES = ['console', 'settings'].map((page) => `${ROOT}/dist/web/${page}/index.html`);

/** Ends with this command, and this command with it. */
function run(command: string[], environment: Record<string, string> = {}): void {
  const child = spawn(process.execPath, command, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...environment },
  });
  process.on('exit', () => child.kill());
  child.on('exit', (code) => process.exit(code ?? 1));
}

const bin = (name: string, file: string) => `${ROOT}/node_modules/${name}/${file}`;
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(200);
}

// The compiler empties dist/ when it starts: the pages come after it.
const compiledBefore = existsSync(PROGRAM);
run([bin('@nestjs/cli', 'bin/nest.js'), 'build', '--watch', '--preserveWatchOutput']);
if (compiledBefore) await until(() => !existsSync(PROGRAM));
await until(() => existsSync(PROGRAM));
run([bin('vite', 'bin/vite.js'), 'build', '--watch', '-c', 'web/vite.config.ts', '--logLevel', 'warn']);
await until(() => PAGES.every((page) => existsSync(page)));
for (const page of PAGES) {
  // The program keeps the pages in memory: a change of its own makes it start anew.
  watch(page, () => utimesSync(PROGRAM, new Date(), new Date()));
}
run(['--import', 'tsx', 'test/sandbox/main.ts'], { PROGRAM_WATCH: '1' });
