import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { ConnectProxy, SocksProxy } from '../support/loopback-proxies.js';

const PASSWORD = 'p,a:s@s w%rd';
const EVERY_MS = 250;
const BACK_MS = 30_000;
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

let bridge: Bridge;
let first: ConnectProxy;
let second: SocksProxy;
let conversation: Conversation;

beforeAll(async () => {
  [first, second] = await Promise.all([
    ConnectProxy.start({ user: 'bridge', password: PASSWORD }),
    SocksProxy.start({ user: 'bridge', password: PASSWORD }),
  ]);
  bridge = await Bridge.start({
    // Nobody but the proxies finds it: what left past them would not arrive.
    bitrix24Name: 'box.test',
    environment: { B24_PROXY_URL: `${first.url}, ${second.url}`, B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
  });
});

afterAll(async () => {
  await bridge?.stop();
  await Promise.all([first?.die(), second?.die()]);
});

interface Check {
  id: string;
  ok: boolean;
  what: string;
  advice: string;
}

async function checks(on = bridge.program): Promise<{ text: string; proxies: Check; portal: Check | undefined }> {
  const { json } = await on.admin('GET', '/doctor');
  const all = json.checks as Check[];
  return {
    text: JSON.stringify(json),
    proxies: all.find(({ id }) => id === 'bitrix24_proxies')!,
    portal: all.find(({ id }) => /^portal:\d+:rest$/.test(id)),
  };
}

it('installs, and takes words and files of both sides by the first proxy', async () => {
  conversation = await Conversation.begin(bridge, 501);
  const file = { name: 'offer.pdf', mime: 'application/pdf', content: Buffer.from('%PDF-1.4 offer') };
  bridge.portal.operator({ id: 27 }).sends('tg:501', { text: 'the offer', files: [file] });
  const sent = await eventually(
    () => bridge.telegram.ledger().filter(({ chatId }) => chatId === 501),
    (all) => all.some(({ file: known }) => known !== undefined),
    15_000,
  );
  expect(sent.map(({ file: known }) => known?.sha256)).toContain(sha256(file.content));
  const [portal, oauth] = [bridge.portal.url, bridge.environment.B24_OAUTH_URL!].map((url) => new URL(url).host);
  expect(portal).toMatch(/^box\.test:/);
  expect(new Set(first.tunnels)).toEqual(new Set([portal, oauth]));
  expect(second.tunnels).toEqual([]);
  const { proxies, portal: reached } = await checks();
  expect(proxies).toMatchObject({ ok: true, what: expect.stringContaining('ways to Bitrix24') });
  expect(reached?.ok).toBe(true);
});

it('loses, doubles and turns around nothing while the proxies die in turn', { timeout: 180_000 }, async () => {
  const [said, answered]: [string[], string[]] = [[], []];
  const traffic = setInterval(() => {
    conversation.client.sends(`in ${said.length}`);
    said.push(`in ${said.length}`);
    if (said.length % 3 > 0) return;
    conversation.answers(`out ${answered.length}`);
    answered.push(`out ${answered.length}`);
  }, EVERY_MS);
  const survives = async (die: () => Promise<void>, live: () => Promise<void>) => {
    await die();
    const next = `in ${said.length + 1}`;
    await eventually(
      () => conversation.received,
      (all) => all.includes(next),
      BACK_MS,
    );
    await live();
  };
  try {
    for (let round = 0; round < 3; round++) {
      await survives(
        () => first.die(),
        () => first.live(),
      );
      await survives(
        () => second.die(),
        () => second.live(),
      );
    }
    await Promise.all([first.die(), second.die()]);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await Promise.all([first.live(), second.live()]);
  } finally {
    clearInterval(traffic);
  }
  await eventually(
    () => conversation.received.length,
    (count) => count >= said.length + 1,
    BACK_MS,
  );
  expect(conversation.received).toEqual(['hello', ...said]);
  await eventually(
    () => conversation.reached.filter((text) => answered.includes(text)),
    (all) => all.length === answered.length,
    BACK_MS,
  );
  expect(conversation.reached.filter((text) => answered.includes(text))).toEqual(answered);
});

it('says in the doctor that all are dead, and lets messages flow again', async () => {
  await Promise.all([first.die(), second.die()]);
  conversation.client.sends('are you there');
  const told = await eventually(checks, ({ proxies, portal }) => !proxies.ok && portal?.ok === false, 25_000);
  expect(told.proxies.advice).toContain('proxies of B24_PROXY_URL');
  expect(told.portal?.what).toContain('by any proxy');
  expect(told.portal?.what).toContain(`${first.name} (ECONNREFUSED)`);
  await second.live();
  await conversation.becomes('are you there', 'delivered', BACK_MS);
  await first.live();
});

it('names a wrong password, a refusal and a dead proxy, and shows no password', async () => {
  const wrong = [first.url, second.url].map((url) => url.replace(/:[^:@]+@/, ':another@')).join();
  const refused = await bridge.replica({ B24_PROXY_URL: wrong });
  try {
    const { proxies } = await eventually(
      () => checks(refused),
      ({ proxies: { ok } }) => !ok,
      25_000,
    );
    expect(proxies.advice).toContain('name or the password that stand in B24_PROXY_URL');
    expect(proxies.what).toContain('the proxy answers 407');
    expect(refused.log.join('\n') + proxies.what).not.toContain('another');
  } finally {
    await refused.stop();
  }
  first.refusal = 403;
  const closed = await bridge.replica({ B24_PROXY_URL: first.url });
  try {
    const { proxies } = await eventually(
      () => checks(closed),
      ({ proxies: { ok } }) => !ok,
      25_000,
    );
    expect(proxies).toMatchObject({
      what: expect.stringContaining('the proxy answers 403'),
      advice: expect.stringContaining('Start one of the proxies of B24_PROXY_URL'),
    });
  } finally {
    first.refusal = null;
    await closed.stop();
  }
  const { text } = await checks();
  const all = bridge.program.log.join('\n') + text;
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'w%rd', 'bridge:']) expect(all).not.toContain(secret);
});
