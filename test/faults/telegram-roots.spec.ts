import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { ConnectProxy, SocksProxy } from '../support/loopback-proxies.js';
import { freePort } from '../support/program.js';
import { TcpProxy } from '../support/tcp-proxy.js';

/** Promised: a root or a proxy that dies holds messages up for no longer. */
const BACK_MS = 30_000;
const EVERY_MS = 400;

let bridge: Bridge;
let roots: TcpProxy[];
let proxies: (ConnectProxy | SocksProxy)[];
let conversation: Conversation;

beforeAll(async () => {
  // Ports have to be known before the program starts.
  const port = await freePort();
  const telegram = `http://127.0.0.1:${port}`;
  roots = await Promise.all([TcpProxy.before(telegram), TcpProxy.before(telegram)]);
  proxies = await Promise.all([ConnectProxy.start(), SocksProxy.start()]);
  bridge = await Bridge.start({
    environment: {
      B24_REQUESTS_PER_SECOND: '1000',
      TG_API_ROOT: roots.map((root) => root.through(telegram)).join(),
      TG_PROXY_URL: proxies.map(({ url }) => url).join(),
    },
    bitrix24: { limits: false },
    telegram: { port },
  });
  conversation = await Conversation.begin(bridge, 501);
});

afterAll(async () => {
  await bridge?.stop();
  await Promise.all([...(roots ?? []).map((root) => root.stop()), ...(proxies ?? []).map((proxy) => proxy.die())]);
});

async function rootsByDoctor(): Promise<{ ok: boolean; what: string; advice: string }> {
  const { json } = await bridge.program.admin('GET', '/doctor');
  return json.checks.find(({ id }: { id: string }) => id === 'telegram_roots');
}

it('loses, doubles and turns around nothing while roots and proxies die in turn', { timeout: 240_000 }, async () => {
  const [said, answered]: [string[], string[]] = [[], []];
  const traffic = setInterval(() => {
    conversation.client.sends(`in ${said.length}`);
    said.push(`in ${said.length}`);
    if (said.length % 3 > 0) return;
    conversation.answers(`out ${answered.length}`);
    answered.push(`out ${answered.length}`);
  }, EVERY_MS);
  const [http, socks] = proxies as [ConnectProxy, SocksProxy];
  const [first, second] = roots as [TcpProxy, TcpProxy];
  /** What was written after the death goes both ways while the dead one is dead. */
  const survives = async (die: () => Promise<void>, live: () => Promise<void>) => {
    await die();
    const [inbound, outbound] = [said.length + 1, answered.length + 1];
    const arrived = () =>
      conversation.received.includes(`in ${inbound}`) && conversation.reached.includes(`out ${outbound}`);
    await eventually(arrived, (all) => all, BACK_MS + (inbound + 3 - said.length) * EVERY_MS);
    await live();
  };
  try {
    await survives(
      () => first.cut(),
      () => first.restore(),
    );
    await survives(
      () => second.cut(),
      () => second.restore(),
    );
    await survives(
      () => http.die(),
      () => http.live(),
    );
    await survives(
      () => socks.die(),
      () => socks.live(),
    );
    await survives(
      () => Promise.all([first.cut(), http.die()]).then(() => undefined),
      () => Promise.all([first.restore(), http.live()]).then(() => undefined),
    );
  } finally {
    clearInterval(traffic);
  }
  await eventually(
    () => conversation.received.length,
    (count) => count >= said.length + 1,
    BACK_MS,
  );
  expect(conversation.received).toEqual(['hello', ...said]);
  const states = await eventually(
    async () => (await bridge.messages('&direction=outbound')).filter(({ text }) => answered.includes(String(text))),
    (all) => all.length === answered.length && all.every(({ state }) => state === 'delivered' || state === 'uncertain'),
    BACK_MS,
  );
  const delivered = new Set(states.filter(({ state }) => state === 'delivered').map(({ text }) => text));
  // What was under way while its connection was reset may have arrived, and is not repeated.
  expect(delivered.size).toBeGreaterThanOrEqual(answered.length - 5);
  const reached = conversation.reached.filter((text) => answered.includes(text));
  expect(reached).toEqual(answered.filter((text) => reached.includes(text)));
  expect(reached.filter((text) => delivered.has(text))).toEqual(answered.filter((text) => delivered.has(text)));
});

it('is told by the doctor: which roots there are, how long each takes, which one is in use', async () => {
  expect(await rootsByDoctor()).toMatchObject({
    ok: true,
    what: expect.stringMatching(/answers in \d+ ms.*answers in \d+ ms/),
  });
  await roots[0]!.cut();
  const told = await eventually(
    rootsByDoctor,
    ({ what }) => what.includes('ECONNR') || what.includes('NO_WAY') || what.includes('No way'),
    25_000,
  );
  expect(told.ok).toBe(true);
  expect(told.what).toMatch(/; \S+: answers in \d+ ms \(in use\)$/);
  await roots[1]!.cut();
  expect((await eventually(rootsByDoctor, ({ ok }) => !ok, 25_000)).advice).toContain('TG_API_ROOT');
});

it('of kind telegram gives files over 20 MB a note at once, without a link that leads nowhere', async () => {
  await Promise.all(roots.map((root) => root.restore()));
  conversation.client.sendsFile('video', { content: { bytes: 30 << 20 } });
  const note = await conversation.dialog.waitFor(({ text }) => text.includes('20 MB'), 40_000);
  expect(note.text).not.toContain('[url');
  expect(bridge.telegram.calls.filter(({ method }) => method === 'getFile')).toEqual([]);
});

it('takes updates that come by a relay, and tells Telegram its address', async () => {
  const asked: string[] = [];
  const relay = createServer((request, response) => {
    asked.push(request.url!);
    void request.toArray().then(async (chunks) => {
      const { 'content-type': type, 'x-telegram-bot-api-secret-token': secret } = request.headers;
      const target = `${hooked.program.url}${request.url!.replace('/secret', '')}`;
      const headers = { 'content-type': String(type), 'x-telegram-bot-api-secret-token': String(secret) };
      const { status } = await fetch(target, { method: 'POST', headers, body: Buffer.concat(chunks as Buffer[]) });
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => relay.listen(0, '127.0.0.1', resolve));
  const base = `http://127.0.0.1:${(relay.address() as AddressInfo).port}/secret`;
  const hooked = await Bridge.start({ environment: { TG_USE_POLLING: '0', TG_WEBHOOK_URL: `${base}/` } });
  try {
    await Conversation.begin(hooked, 601);
    expect(new Set(asked)).toEqual(new Set(['/secret/tg/webhook']));
  } finally {
    await hooked.stop();
    relay.closeAllConnections();
    relay.close();
  }
});
