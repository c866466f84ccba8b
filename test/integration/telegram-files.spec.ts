import { mkdtemp, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import { readEnvironment } from '../../src/config/environment.js';
import { TelegramClient } from '../../src/telegram/telegram.client.js';
import type { OpenFile, TelegramFiles } from '../../src/telegram/telegram-files.js';

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

async function open(range?: string): Promise<OpenFile> {
  return files.open(await files.locate('f', over.signal), range, over.signal);
}

async function read(range?: string): Promise<string> {
  const { stream, length } = await open(range);
  const content = Buffer.concat(await stream.toArray());
  if (length !== null) expect(content).toHaveLength(length);
  return content.toString();
}

async function failure(range?: string): Promise<string> {
  const error: unknown = await read(range).catch((thrown: unknown) => thrown);
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

  it('hands on the part of a source that knows parts', async () => {
    serve = (_path, response) => response.writeHead(206, { 'content-range': 'bytes 4-8/21' }).end('words');
    expect(await open('bytes=4-8')).toMatchObject({ contentRange: 'bytes 4-8/21', ranges: true });
    serve = (_path, response) => response.end(WORDS);
    expect(await open('bytes=4-8')).toMatchObject({ contentRange: null, ranges: false });
    serve = (_path, response) => response.writeHead(416).end();
    expect(await failure('bytes=99-')).toBe('refused range_outside');
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

  it('replaces a kept connection that was closed meanwhile, once', async () => {
    await read();
    serve = (_path, response) => {
      serve = (_same, next) => next.end(WORDS);
      response.destroy();
    };
    expect(await read()).toBe(WORDS);
    serve = (_path, response) => response.destroy();
    asked = [];
    expect(await failure()).toBe('unknown ECONNRESET');
    expect(asked).toHaveLength(2);
  });

  it('fails in the middle where the source does', async () => {
    serve = (_path, response) => {
      response.writeHead(200, { 'content-length': 1_000 }).write('begin');
      setTimeout(() => response.destroy(), 50);
    };
    expect(await failure()).toBe('unknown ECONNRESET');
  });

  it.each([
    ['is left by its reader', (opened: OpenFile) => opened.stream.destroy()],
    ['is over', () => over.abort()],
  ])('ends the download when the answer %s', async (_why, end) => {
    const closed = new Promise<void>((resolve) => {
      serve = (_path, response) => {
        response.once('close', resolve);
        response.write(Buffer.alloc(1 << 20));
      };
    });
    const opened = await open();
    opened.stream.on('error', () => undefined);
    end(opened);
    await closed;
  });

  it('holds no more than the reader takes', async () => {
    let written = 0;
    serve = (_path, response) => {
      const fill = () => {
        while (written < 200 << 20 && response.write(Buffer.alloc(1 << 16))) written += 1 << 16;
        response.once('drain', fill);
      };
      fill();
    };
    await open();
    await new Promise((resolve) => setTimeout(resolve, 300));
    // What the buffers of two sockets and of the streams between them hold.
    expect(written).toBeLessThan(16 << 20);
  });
});

describe('on the disk of a local server', () => {
  it('reads the file where the server says it lies', async () => {
    file = { file_path: await onDisk('documents/file_1.pdf'), file_size: 21 };
    expect(await read()).toBe(WORDS);
    expect(await read('bytes=4-8')).toBe('words');
    expect(await read('bytes=-4')).toBe('file');
    expect(await read('bytes=17-99')).toBe('file');
    expect(await open('bytes=4-8')).toMatchObject({ contentRange: 'bytes 4-8/21', ranges: true });
    expect(await failure('bytes=21-')).toBe('refused range_outside');
    expect(asked).toEqual([]);
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
