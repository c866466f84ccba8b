import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** What a test may ask of the program, be it one process or several. */
export type RunningProgram = Pick<Program, keyof Program>;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The program as `npm start` runs it. */
const [, ...COMMAND] = (
  JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as { scripts: { start: string } }
).scripts.start.split(' ');

export const DEFAULT_ADMIN_KEY = 'test-admin-key';

/** Where no system takes the near ends of connections from: one that is free now stays so. */
const PORTS = { from: 12_000, to: 32_000 };

/** A port on loopback that is free. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await once(server, 'listening').then(
      () => true,
      () => false,
    );
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** An answer of the program, read whole. */
export interface Answer {
  status: number;
  headers: Headers;
  text: string;
  /** The body, when it is JSON. Tests read it freely. */
  // oxlint-disable-next-line typescript/no-explicit-any
  json: any;
}

/** HTTP to the program, to one or to whichever the load balancer chooses. */
export class ProgramClient {
  constructor(
    readonly url: string,
    readonly adminKey: string,
  ) {}

  get(path: string, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('GET', path, undefined, headers);
  }

  /** A body that is an object goes as JSON, a string as a form. */
  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.request('POST', path, body, headers);
  }

  /** A call to /admin with the key. */
  admin(method: string, path: string, body?: unknown): Promise<Answer> {
    return this.request(method, `/admin${path}`, body, { authorization: `Bearer ${this.adminKey}` });
  }

  async request(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const form = typeof body === 'string';
    const type = form ? 'application/x-www-form-urlencoded' : 'application/json';
    const response = await fetch(this.url + path, {
      method,
      redirect: 'manual',
      headers: { ...(body === undefined ? {} : { 'content-type': type }), ...headers },
      ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, text, json };
  }
}

/** The real program, `npm start` without npm, as a process of its own; everything else about it goes through HTTP. */
export class Program extends ProgramClient {
  /** Lines of its log, as printed. */
  readonly log: string[] = [];
  exitCode: number | null = null;

  private constructor(
    url: string,
    adminKey: string,
    private readonly child: ChildProcess,
  ) {
    super(url, adminKey);
    for (const stream of [child.stdout!, child.stderr!]) {
      let rest = '';
      stream.setEncoding('utf8').on('data', (chunk: string) => {
        const lines = (rest + chunk).split('\n');
        rest = lines.pop()!;
        this.log.push(...lines);
      });
      stream.on('end', () => {
        if (rest !== '') this.log.push(rest);
      });
    }
    child.on('exit', (code) => {
      this.exitCode = code;
    });
  }

  /**
   * Starts it with these variables (and PATH). Without PORT a free one is taken.
   *
   * @param waitMs how long it may take to become ready; 0 does not wait
   * @param ownGroup true: Ctrl+C in the terminal does not reach it, whoever started it must stop it
   */
  static async start(
    environment: Record<string, string | undefined>,
    waitMs = 100_000,
    ownGroup = false,
  ): Promise<Program> {
    const port = environment.PORT ?? String(await freePort());
    const adminKey = environment.ADMIN_API_KEY ?? DEFAULT_ADMIN_KEY;
    // `npm run dev` lets Node.js start it anew when its files change.
    const child = spawn(process.execPath, process.env.PROGRAM_WATCH ? ['--watch', ...COMMAND] : COMMAND, {
      cwd: ROOT,
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'test',
        HOST: '127.0.0.1',
        PUBLIC_URL: `http://127.0.0.1:${port}`,
        ADMIN_API_KEY: adminKey,
        ...environment,
        PORT: port,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: ownGroup && process.platform !== 'win32',
    });
    const program = new Program(`http://127.0.0.1:${port}`, adminKey, child);
    try {
      if (waitMs > 0) await program.ready(waitMs);
    } catch (error) {
      // Nobody has it, so nobody would end it.
      await program.kill();
      throw error;
    }
    return program;
  }

  get pid(): number {
    return this.child.pid!;
  }

  /** Resolves when /health/ready answers 200; throws with the end of the log when it ends or takes too long. */
  async ready(waitMs: number): Promise<void> {
    const deadline = Date.now() + waitMs;
    for (;;) {
      if (this.exitCode !== null) throw new Error(`The program ended with ${this.exitCode}:\n${this.tail()}`);
      const answer = await this.get('/health/ready').catch(() => null);
      if (answer?.status === 200) return;
      if (Date.now() > deadline) {
        const last = answer ? `${answer.status} ${answer.text}` : 'no answer';
        throw new Error(`Not ready after ${waitMs} ms (${last}):\n${this.tail()}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.end('SIGKILL');
  }

  signal(name: NodeJS.Signals): void {
    this.child.kill(name);
  }

  /** What its log says from level warn on, in words, each only once. */
  warnings(): string[] {
    const found = this.log.flatMap((line) => {
      const [, level, text] = /^\{"level":"(warn|error|fatal)".*"msg":"((?:[^"\\]|\\.)*)"\}$/.exec(line) ?? [];
      return level && text ? [`${level}: ${text}`] : [];
    });
    return [...new Set(found)];
  }

  tail(lines = 30): string {
    return this.log.slice(-lines).join('\n');
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.exitCode !== null || this.child.signalCode !== null) return this.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
    return this.exitCode;
  }
}
