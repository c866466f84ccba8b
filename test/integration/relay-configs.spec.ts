import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readEnvironment } from '../../src/config/environment.js';
import { Upload } from '../../src/telegram/api/request-body.js';
import { TelegramClient, type BotApi } from '../../src/telegram/api/telegram.client.js';
import { eventually } from '../support/bridge.js';
import { freePort } from '../support/program.js';
import { TelegramSimulator } from '../support/telegram-simulator.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

const RELAYS = fileURLToPath(new URL('../../deploy/relay/', import.meta.url));
const TOKEN = '123456:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
const SECRET = 'f00dfacef00dfacef00dface';

interface Variables {
  telegram: string;
  bridge: string;
  port: number;
  folder: string;
}

/** Each starts one relay as its file is, but for TLS and the port. */
const STARTS: Record<string, (variables: Variables) => Promise<ChildProcess>> = {
  async caddy({ telegram, bridge, port, folder }) {
    const more = { RELAY: `http://127.0.0.1:${port}`, SECRET, BRIDGE: bridge, TELEGRAM: telegram, HOME: folder };
    const env = { PATH: process.env.PATH, ...more };
    return spawn('caddy', ['run', '--config', path.join(RELAYS, 'Caddyfile')], { env, stdio: 'pipe' });
  },
  async nginx({ telegram, bridge, port, folder }) {
    const template = await readFile(path.join(RELAYS, 'nginx.conf.template'), 'utf8');
    const values: Record<string, string> = { SECRET, RELAY: 'localhost', BRIDGE: bridge, TELEGRAM: telegram };
    const server = template
      .replaceAll(/\$\{(\w+)\}/g, (_, name: string) => values[name]!)
      .replace('listen 443 ssl', `listen 127.0.0.1:${port}`)
      .replaceAll(/ssl_certificate.*\n/g, '');
    const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${folder};`);
    const http = `error_log ${folder}/error.log; access_log ${folder}/access.log; ${places.join(' ')}\n${server}`;
    const file = path.join(folder, 'nginx.conf');
    await writeFile(file, `pid ${folder}/pid; daemon off; events {}\nhttp {\n${http}\n}\n`);
    await chmod(folder, 0o777);
    return spawn('nginx', ['-c', file, '-e', `${folder}/start.log`], { stdio: 'pipe' });
  },
};

describe.each(Object.keys(STARTS))('the relay of deploy/relay with %s (needs it)', (kind) => {
  const isMissing = spawnSync(kind, [kind === 'nginx' ? '-v' : 'version']).status !== 0;
  let telegram: TelegramSimulator;
  let bot: SimulatedBot;
  let api: BotApi;
  let program: Server;
  let hooks: IncomingMessage[];
  let relay: ChildProcess;
  let root: string;
  let folder: string;
  let said = '';

  beforeAll(async () => {
    if (isMissing) return;
    hooks = [];
    folder = await mkdtemp(path.join(tmpdir(), `relay-${kind}-`));
    program = createServer((request, response) => {
      hooks.push(request);
      request.resume().once('end', () => response.end());
    });
    await once(program.listen(0, '127.0.0.1'), 'listening');
    telegram = await TelegramSimulator.start();
    bot = telegram.addBot({ token: TOKEN, username: 'shop_bot', firstName: 'Shop' });
    const port = await freePort();
    const bridge = `http://127.0.0.1:${(program.address() as AddressInfo).port}`;
    relay = await STARTS[kind]!({ telegram: telegram.url, bridge, port, folder });
    for (const stream of [relay.stdout, relay.stderr]) stream?.on('data', (words) => (said += String(words)));
    root = `http://127.0.0.1:${port}/${SECRET}`;
    await eventually(
      () => statusOf('/').catch(() => said),
      (status) => status === 404,
      20_000,
    );
    api = new TelegramClient(readEnvironment({ TG_API_ROOT: root })).bot(TOKEN);
  });

  afterAll(async () => {
    if (isMissing) return;
    if (relay.exitCode === null) {
      relay.kill();
      await once(relay, 'exit');
    }
    program.closeAllConnections();
    program.close();
    await Promise.all([telegram.stop(), rm(folder, { recursive: true })]);
  });

  const statusOf = async (target: string) => (await fetch(new URL(target, root), { method: 'POST' })).status;

  it.skipIf(isMissing)('carries calls, files both ways and updates', async () => {
    const client = bot.client({ id: 501, first_name: 'Ann' });
    const content = Buffer.alloc(45 << 20, 'x');
    client.sendsFile('document', { content: Buffer.from('words'), fileName: 'a #1 файл.pdf' });
    const [update] = await api.polls.getUpdates({});
    const sent = await api.uploads(content.length).sendDocument({
      chat_id: 501,
      document: new Upload(
        async function* () {
          yield content;
        },
        content.length,
        'large.bin',
      ),
    });
    expect(sent).toMatchObject({ document: { file_name: 'large.bin', file_size: content.length } });
    const { signal } = new AbortController();
    const { handle, size } = await api.files.open(
      await api.files.locate(update!.message!.document!.file_id, signal),
      signal,
    );
    await handle.close();
    expect(size).toBe(5);
    const told = await fetch(`${root}/tg/webhook/key`, {
      method: 'POST',
      headers: { 'X-Telegram-Bot-Api-Secret-Token': 'word' },
      body: '{}',
    });
    expect(told.status).toBe(200);
    expect(hooks[0]).toMatchObject({ method: 'POST', url: '/tg/webhook/key' });
    expect(hooks[0]!.headers).toMatchObject({ 'x-telegram-bot-api-secret-token': 'word' });
  });

  it.skipIf(isMissing)('opens nothing without the secret, and nothing else with it', async () => {
    const paths = [
      `/bot${TOKEN}/getMe`,
      '/tg/webhook',
      `/${SECRET}`,
      `/${SECRET}/admin`,
      `/${SECRET}/tg/../admin`,
      '/x',
    ];
    for (const target of paths) expect([target, await statusOf(target)]).toEqual([target, 404]);
    expect(hooks).toHaveLength(1);
  });

  it.skipIf(isMissing)('never says that nothing arrived when it may have: the bridge would send it twice', async () => {
    for (const fault of ['dropAfter', { gateway: 504, performed: true }] as const) {
      telegram.faults.next('sendMessage', fault, 1);
      await expect(api.calls.sendMessage({ chat_id: 501, text: 'once' })).rejects.toMatchObject({ kind: 'unknown' });
    }
    expect(telegram.ledger().filter(({ text }) => text === 'once')).toHaveLength(2);
    telegram.faults.next('sendMessage', { gateway: 502, performed: false }, 1);
    await expect(api.calls.sendMessage({ chat_id: 501, text: 'later' })).rejects.toMatchObject({ kind: 'not_sent' });
  });

  it.skipIf(isMissing)('says that nothing arrived while Telegram is away, and writes no token anywhere', async () => {
    await telegram.stop();
    await expect(api.calls.sendMessage({ chat_id: 501, text: 'x' })).rejects.toMatchObject({ kind: 'not_sent' });
    relay.kill();
    await once(relay, 'exit');
    const logs = (await readdir(folder)).filter((name) => name.endsWith('.log'));
    for (const log of logs) said += await readFile(path.join(folder, log), 'utf8');
    expect(said).not.toContain(TOKEN.split(':')[1]);
  });
});
