import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, request, type IncomingMessage, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { load, CORE_SCHEMA, mergeTag } from 'js-yaml';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { eventually } from '../support/bridge.js';
import { freePort } from '../support/program.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const textOf = (file: string) => readFile(path.join(ROOT, file), 'utf8');
const isThere = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;

type Tree = Record<string, any>;

async function listen(server: Server, port = 0): Promise<number> {
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return (server.address() as { port: number }).port;
}

describe('the image', () => {
  it('has the version of the program', async () => {
    const { version } = JSON.parse(await textOf('package.json')) as { version: string };
    expect(await textOf('Dockerfile')).toContain(`\nARG VERSION=${version}\n`);
  });

  describe('is healthy', () => {
    let server: Server;
    let asked: string[];
    let answer: number | undefined;
    beforeEach(() => {
      asked = [];
      server = createServer(({ method, url }, response) => {
        asked.push(`${method} ${url}`);
        if (answer !== undefined) response.writeHead(answer).end('{}');
      });
    });
    afterEach(() => {
      server.close();
      server.closeAllConnections();
    });

    async function looksAt(port: number): Promise<number | null> {
      const look = spawn(path.join(ROOT, 'deploy/image/healthcheck'), { env: { PORT: String(port) }, stdio: 'ignore' });
      const [code] = (await once(look, 'exit')) as [number | null];
      return code;
    }

    it.each([
      [200, 0],
      [503, 1],
      [undefined, 1],
    ])('when the program answers %s: %i', async (status, code) => {
      answer = status;
      expect(await looksAt(await listen(server))).toBe(code);
      expect(asked).toEqual(['GET /health/live']);
    });

    it('never while nobody listens', async () => {
      expect(await looksAt(await freePort())).toBe(1);
    });
  });
});

describe('docker compose', () => {
  let services: Record<string, Tree>;
  beforeAll(async () => {
    const schema = CORE_SCHEMA.withTags(mergeTag);
    ({ services } = load(await textOf('docker-compose.yml'), { schema }) as { services: Record<string, Tree> });
  });

  it('opens ports to this machine only, but for those of TLS', () => {
    const ports = Object.entries(services).flatMap(([name, { ports: own = [] }]) =>
      own.map((port: string) => [name, port]),
    );
    expect(ports).toEqual([
      ['app', '${PUBLISH_ADDRESS:-127.0.0.1}:${PORT:-8000}:8000'],
      ['caddy', '80:80'],
      ['caddy', '443:443'],
      ['caddy', '443:443/udp'],
      ['studio', '127.0.0.1:5555:5555'],
    ]);
  });

  it('starts the bridge and its database alone, unless more is asked for', () => {
    const always = Object.entries(services).filter(([, { profiles }]) => profiles === undefined);
    expect(always.map(([name]) => name)).toEqual(['app', 'postgres']);
  });

  it('lets no service do more than it must, or fill the disk with its log', () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service, name).toMatchObject({
        init: true,
        restart: 'unless-stopped',
        cap_drop: ['ALL'],
        security_opt: ['no-new-privileges:true'],
        logging: { options: { 'max-size': expect.any(String), 'max-file': expect.any(String) } },
      });
      if (name !== 'studio') expect(service['read_only'], name).toBe(true);
    }
    expect(services['app']!['cap_add']).toBeUndefined();
  });

  it('gives the database and those who use it the same account', () => {
    const { POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB } = services['postgres']!['environment'];
    for (const name of ['app', 'studio'])
      expect(services[name]!['environment']).toMatchObject({
        PGHOST: 'postgres',
        PGUSER: POSTGRES_USER,
        PGPASSWORD: POSTGRES_PASSWORD,
        PGDATABASE: POSTGRES_DB,
        DATABASE_URL: '',
      });
  });

  it('reads .env in the way that every version of Compose knows', () => {
    expect(services['app']!['env_file']).toBe('.env');
  });
});

describe.skipIf(!isThere('caddy', 'version'))('the proxy with TLS (needs caddy)', () => {
  let folder: string;
  let caddy: ChildProcess;
  let port: number;
  let upstream: number;
  let program: Server;
  let asked: string[];

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'caddy-'));
    [port, upstream] = [await freePort(), await freePort()];
    const file = path.join(folder, 'Caddyfile');
    // As it is, but for the name of the container and Caddy's port for administrators.
    const text = (await textOf('deploy/caddy/Caddyfile')).replace('app:8000', `127.0.0.1:${upstream}`);
    await writeFile(file, `{\n\tadmin off\n}\n${text}`);
    const env = { PUBLIC_URL: `http://localhost:${port}`, HOME: folder };
    caddy = spawn('caddy', ['run', '--config', file, '--adapter', 'caddyfile'], {
      env: { PATH: process.env.PATH, ...env },
      stdio: 'ignore',
    });
    await eventually(
      () => status('/').catch(() => 0),
      (code) => code === 404,
      20_000,
    );
  });
  afterAll(async () => {
    caddy.kill();
    await once(caddy, 'exit');
    await rm(folder, { recursive: true });
  });
  beforeEach(() => {
    asked = [];
    program = createServer(({ method, url }, response) => {
      asked.push(`${method} ${url}`);
      response.end('answered');
    });
  });
  afterEach(() => {
    program.close();
    program.closeAllConnections();
  });

  /** With the path as it is written: `fetch` would tidy it up. */
  async function status(target: string, method = 'GET'): Promise<number> {
    const sent = request({ host: '127.0.0.1', port, path: target, method, headers: { host: `localhost:${port}` } });
    const [response] = (await once(sent.end(), 'response')) as [IncomingMessage];
    response.resume();
    return response.statusCode!;
  }

  it('publishes what Bitrix24, Telegram and browsers of portals need', async () => {
    await listen(program, upstream);
    for (const target of [
      '/b24/handler?secret=a',
      '/tg/webhook',
      '/tg/webhook/key',
      '/files/token',
      '/web/assets/a.js',
    ])
      expect(await status(target, 'POST'), target).toBe(200);
    expect(asked).toHaveLength(5);
  });

  it('publishes nothing else, however it is written', async () => {
    await listen(program, upstream);
    for (const target of [
      '/',
      '/console',
      '/admin/bots',
      '/docs',
      '/metrics',
      '/health/ready',
      '/b24x/admin',
      '/b24/../admin/bots',
      '/b24/%2e%2e/admin/bots',
      '/b24/..%2fadmin/bots',
      '//admin/bots',
    ])
      expect(await status(target), target).toBe(404);
    expect(asked).toEqual([]);
  });

  it('lets requests wait while the program restarts', async () => {
    const waiting = status('/b24/handler', 'POST');
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    await listen(program, upstream);
    expect(await waiting).toBe(200);
    expect(asked).toEqual(['POST /b24/handler']);
  });
});
