import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import { readEnvironment } from '../../src/config/environment.js';
import { TelegramClient } from '../../src/telegram/api/telegram.client.js';
import type { TelegramFiles } from '../../src/telegram/api/telegram-files.js';

const TOKEN = '123456:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
const WORDS = 'the words of the file';

/** A Bot API server that answers getFile with `file` and downloads as the test says. */
let server: Server;
let file: Record<string, unknown>;
let serve: (path: string, response: ServerResponse) => void;
let asked: string[];
let files: TelegramFiles;
let folder: string;
let over: AbortController;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'telegram-files-'));
  over = new AbortController();
  asked = [];
  serve = (_path, response) => response.end(WORDS);
  server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!);
    if (path.startsWith('/file/')) {
      asked.push(path);
      return serve(path, response);
    }
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ok: true, result: { file_id: 'f', file_unique_id: 'u', ...file } }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  files = new TelegramClient(readEnvironment({ TG_API_ROOT: apiRoot() })).bot(TOKEN).files;
});

afterEach(async () => {
  over.abort();
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

const apiRoot = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;

async function read(): Promise<string> {
  const { handle, size } = await files.open(await files.locate('f', over.signal), over.signal);
  const content = Buffer.concat(await handle.createReadStream({ start: 0 }).toArray());
  expect(content).toHaveLength(size);
  return content.toString();
}

async function failure(): Promise<string> {
  const error: unknown = await read().catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UpstreamError);
  expect(String((error as Error).stack)).not.toContain(TOKEN.split(':')[1]);
  const { kind, code } = error as UpstreamError;
  return `${kind} ${code}`;
}

/** A file in the bot's directory of a local server, with its words. */
async function onDisk(name: string, directory = TOKEN): Promise<string> {
  const path = join(folder, directory, name);
  await mkdir(join(path, '..'), { recursive: true });
  await writeFile(path, WORDS);
  return path;
}

describe('over HTTP', () => {
  beforeEach(() => {
    file = { file_path: 'documents/file 1#.pdf', file_size: 21 };
  });

  it('asks for the path that getFile names', async () => {
    expect(await files.locate('f', over.signal)).toEqual({ path: 'documents/file 1#.pdf', size: 21 });
    expect(await read()).toBe(WORDS);
    expect(asked).toEqual([`/file/bot${TOKEN}/documents/file 1#.pdf`]);
  });

  it('goes through the proxy that everything else goes through', async () => {
    const tunnels: string[] = [];
    const proxy = createServer().listen(0, '127.0.0.1');
    proxy.on('connect', ({ url }, socket) => {
      tunnels.push(url!);
      const [host, port] = url!.split(':');
      const far = connect(Number(port), host, () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n');
        far.pipe(socket).pipe(far);
      });
      for (const end of [far, socket]) end.on('error', () => socket.destroy());
    });
    await new Promise((resolve) => proxy.once('listening', resolve));
    const TG_PROXY_URL = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    files = new TelegramClient(readEnvironment({ TG_API_ROOT: apiRoot(), TG_PROXY_URL })).bot(TOKEN).files;
    file = { file_path: 'documents/1.pdf' };
    serve = (_path, response) => response.setHeader('connection', 'close').end(WORDS);
    expect(await read()).toBe(WORDS);
    expect(new Set(tunnels)).toEqual(new Set([new URL(apiRoot()).host]));
    server.closeAllConnections();
    proxy.closeAllConnections();
    proxy.close();
  });

  it('asks for nothing outside of the files of the bot', async () => {
    file = { file_path: 'a/../../../bot1:x/getMe' };
    expect(await failure()).toBe('refused file_gone');
    file = {};
    expect(await failure()).toBe('refused file_gone');
    expect(asked).toEqual([]);
  });

  it.each([
    [404, 'refused file_gone'],
    [401, 'unauthorised 401'],
    [429, 'not_sent 429'],
    [502, 'not_sent 502'],
    [302, 'refused refused'],
  ])('an answer %i is %s', async (status, outcome) => {
    serve = (_path, response) => response.writeHead(status, { location: 'http://169.254.169.254/' }).end('x');
    expect(await failure()).toBe(outcome);
    expect(asked).toHaveLength(1);
  });

  it('asks once more, from the start, when the source breaks off', async () => {
    serve = (_path, response) => {
      serve = (_same, next) => next.end(WORDS);
      response.writeHead(200, { 'content-length': 1_000 }).write('begin');
      setTimeout(() => response.destroy(), 50);
    };
    expect(await read()).toBe(WORDS);
    serve = (_path, response) => response.destroy();
    asked = [];
    expect(await failure()).toBe('unknown ECONNRESET');
    expect(asked).toHaveLength(2);
  });

  it('takes no file for whole that is shorter than Telegram says', async () => {
    serve = (_path, response) => response.end(WORDS.slice(0, 8));
    expect(await failure()).toBe('not_sent file_incomplete');
    expect(asked).toHaveLength(2);
    file = { file_path: 'documents/1.pdf' };
    expect(await read()).toBe(WORDS.slice(0, 8));
  });

  it('ends the download when whoever wanted it has gone', async () => {
    const closed = new Promise<void>((resolve) => {
      serve = (_path, response) => {
        response.once('close', resolve);
        response.write(Buffer.alloc(1 << 20));
        setTimeout(() => over.abort(), 50);
      };
    });
    await expect(read()).rejects.toThrow();
    await closed;
    expect(asked).toHaveLength(1);
  });
});

describe('on the disk of a local server', () => {
  it('reads the file where the server says it lies', async () => {
    const client = new TelegramClient(readEnvironment({ TG_API_ROOT: apiRoot() }));
    files = client.bot(TOKEN).files;
    file = { file_path: await onDisk('documents/file_1.pdf'), file_size: 21 };
    expect(client.isLocalUnsaid).toBe(false);
    expect(await read()).toBe(WORDS);
    expect(asked).toEqual([]);
    // Whoever had it before there was TG_API_KIND is told.
    expect(client.isLocalUnsaid).toBe(true);
  });

  it('reads an empty file', async () => {
    const path = await onDisk('documents/empty');
    await writeFile(path, '');
    file = { file_path: path };
    expect(await read()).toBe('');
  });

  it('asks by HTTP when that disk is not shared', async () => {
    file = { file_path: `/var/lib/telegram-bot-api/${TOKEN}/photos/file_0.jpg` };
    expect(await read()).toBe(WORDS);
    expect(asked).toEqual([`/file/bot${TOKEN}/photos/file_0.jpg`]);
  });

  it('reads nothing outside of the directory of the bot', async () => {
    const secret = await onDisk('secret', 'elsewhere');
    await onDisk('documents/file_1.pdf');
    const link = join(folder, TOKEN, 'documents', 'link');
    await symlink(secret, link);
    serve = (_path, response) => response.writeHead(404).end();
    for (const path of [
      secret,
      link,
      `${join(folder, TOKEN)}/../elsewhere/secret`,
      '/etc/passwd',
      join(folder, TOKEN),
    ]) {
      file = { file_path: path };
      expect([path, await failure()]).toEqual([path, 'refused file_gone']);
    }
    file = { file_path: join(folder, TOKEN, 'documents') };
    expect(await failure()).toBe('refused file_gone');
  });
});
