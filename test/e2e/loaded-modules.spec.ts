import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

let folder: string;
let bridge: Bridge;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'loaded-modules-'));
  bridge = await Bridge.start({
    environment: {
      NODE_OPTIONS: `--import ${new URL('../support/loaded-modules.mjs', import.meta.url).href}`,
      LOADED_MODULES: path.join(folder, 'list'),
    },
  });
});

afterAll(async () => {
  await bridge?.stop();
  await rm(folder, { recursive: true });
});

const loaded = async () => (await readFile(path.join(folder, 'list'), 'utf8')).split('\n');
const of = (modules: string[], part: RegExp) => modules.filter((url) => part.test(url));

it('nothing that people do loads a query engine, or without a collector what sends spans', async () => {
  const conversation = await Conversation.begin(bridge, 801);
  conversation.answers('Good afternoon');
  await conversation.becomes('Good afternoon', 'delivered');
  const made = await bridge.program.admin('POST', '/keys', { name: 'screen', role: 'read_only' });
  expect(made.status, made.text).toBe(201);
  for (const page of ['/bots', '/portals', '/keys', '/audit', '/doctor', '/overview', '/chats']) {
    const { status, text } = await bridge.program.admin('GET', page);
    expect(status, `${page}: ${text}`).toBe(200);
  }
  const modules = await loaded();
  // The list is no empty promise.
  expect(of(modules, /dist\/storage\/accounts\/bots\.repository\.js/)).toHaveLength(1);
  expect(of(modules, /@prisma\/client\/runtime\/(client|query_compiler)|@prisma\/adapter-pg/)).toEqual([]);
  expect(of(modules, /@opentelemetry\/(sdk|exporter|resources)/)).toEqual([]);
});
