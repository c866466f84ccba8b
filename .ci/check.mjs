// `npm run check`: runs every `check:…` script of package.json, as many at a time as there are cores. Prints what each
// said once it has ended; fails where one fails.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { buffer } from 'node:stream/consumers';

const root = new URL('..', import.meta.url);
const { scripts } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
const waiting = Object.keys(scripts).filter((name) => name.startsWith('check:'));

/** npm has put the programs of node_modules on the PATH. */
async function check(name) {
  const began = performance.now();
  const child = spawn(`${scripts[name]} 2>&1`, { cwd: root, shell: true, stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise((resolve, reject) => child.once('error', reject).once('close', resolve));
  const said = await buffer(child.stdout);
  const code = await ended;
  const seconds = Math.round((performance.now() - began) / 1_000);
  console.log(`${code === 0 ? 'ok' : 'FAILED'} ${name} (${seconds} s)`);
  process.stdout.write(said);
  if (code !== 0) process.exitCode = 1;
}

async function work() {
  for (let name = waiting.shift(); name; name = waiting.shift()) await check(name);
}

await Promise.all(Array.from({ length: availableParallelism() }, work));
