import type { Server } from 'node:http';
import { Cleanup } from './cleanup.js';
import { Conversation } from './conversation.js';
import { FileShelf } from './file.shelf.js';
import { listenForPage, servePage } from './page.server.js';
import { Sandbox } from './sandbox.js';

const ONCE_MS = 120_000;
const DEFAULT_PORT = 8010;

const once = process.argv.includes('--once');
const cleanup = new Cleanup();
let interrupted = false;

function tell(line: string): void {
  if (!interrupted) process.stdout.write(`${line}\n`);
}

function portOfPage(): number {
  const value = process.env.SANDBOX_PORT || String(DEFAULT_PORT);
  const port = Number(value);
  if (/^\d+$/.test(value) && port > 0 && port < 65_536) return port;
  throw new Error(`SANDBOX_PORT must be a port number, not "${value}".`);
}

/** A scripted conversation; resolves with the exit code. */
async function converseOnce(): Promise<number> {
  const sandbox = await Sandbox.start({ language: 'en', tell }, cleanup);
  const { problems, summary } = await new Conversation(sandbox, await FileShelf.stocked(), tell).run();
  tell('');
  for (const problem of problems) tell(`  ✗ ${problem}`);
  if (problems.length > 0) tell(`\nThe last warnings of the bridge:\n${sandbox.program.warnings().join('\n')}\n`);
  await cleanup.run();
  tell(summary);
  return problems.length === 0 ? 0 : 1;
}

/** The page, until somebody stops it. */
async function play(): Promise<never> {
  const port = portOfPage();
  // First of all: a port that is taken should not be found out after everything else was started.
  const server: Server = await listenForPage(port);
  cleanup.add(() => {
    server.close();
    server.closeAllConnections();
  });
  const language = /^ru\b/i.test(Intl.DateTimeFormat().resolvedOptions().locale) ? 'ru' : 'en';
  const sandbox = await Sandbox.start({ language, tell }, cleanup);
  cleanup.add(await servePage(server, sandbox));
  tell(`
  Open   http://localhost:${port}   you play the client on the left and the operator on the right
  Look   ${sandbox.program.url}/console   the history and the state of everything; log in with the key
  API    ${sandbox.program.url}/docs
  Key    ${sandbox.program.adminKey}   (Authorization: Bearer …, for /admin)
  Stop   Ctrl+C
`);
  return new Promise<never>(() => undefined);
}

async function end(code: number, reason?: string): Promise<never> {
  if (reason) process.stderr.write(`${reason}\n`);
  await cleanup.run();
  process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(signal, () => {
    if (cleanup.begun) return;
    interrupted = true;
    process.stderr.write('\nStopping …\n');
    void end(signal === 'SIGINT' ? 130 : 143);
  });
}
if (once) setTimeout(() => void end(1, `Not finished after ${ONCE_MS / 1000} s.`), ONCE_MS).unref();

(once ? converseOnce() : play()).then(
  (code) => end(code),
  (error: unknown) => {
    // Breaking off a start makes it fail: that is no news.
    if (!cleanup.begun) void end(1, error instanceof Error ? error.message : String(error));
  },
);
