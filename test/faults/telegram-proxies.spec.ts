import { createHash } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, BOT_TOKEN, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { ConnectProxy, SocksProxy } from '../support/loopback-proxies.js';

const PASSWORD = 'p,a:s@s w%rd';
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

let bridge: Bridge;
let first: ConnectProxy;
let second: SocksProxy;
let conversation: Conversation;

beforeAll(async () => {
  [first, second] = await Promise.all([ConnectProxy.start(), SocksProxy.start({ user: 'bridge', password: PASSWORD })]);
  await first.die();
  bridge = await Bridge.start({ environment: { TG_PROXY_URL: `${first.url}, ${second.url}` } });
});

afterAll(async () => {
  await bridge?.stop();
  await Promise.all([first?.die(), second?.die()]);
});

async function doctor() {
  const { json } = await bridge.program.admin('GET', '/doctor');
  const checks = json.checks as { id: string; ok: boolean; what: string; advice: string }[];
  return {
    text: JSON.stringify(json),
    proxies: checks.find(({ id }) => id === 'telegram_proxies')!,
    bot: checks.find(({ id }) => /^bot:\d+:telegram$/.test(id))!,
  };
}

it('goes by the second proxy while the first is dead, both ways', async () => {
  conversation = await Conversation.begin(bridge, 501);
  conversation.client.sendsFile('document', { content: Buffer.from('%PDF-1.4'), fileName: 'a.pdf' });
  const { files } = await conversation.dialog.waitFor(({ files }) => files.length > 0, 15_000);
  expect(files[0]!.sha256).toBe(sha256(Buffer.from('%PDF-1.4')));
  conversation.answers('good day');
  await conversation.becomes('good day', 'delivered');
  expect(conversation.reached).toEqual(['good day']);
  expect(new Set(second.tunnels)).toEqual(new Set([new URL(bridge.telegram.url).host]));
  const { proxies } = await doctor();
  expect(proxies.ok).toBe(true);
  expect(proxies.what).toContain(`${first.name}: ECONNREFUSED`);
});

it('has messages wait while both are dead, says so, and lets them flow again', async () => {
  await second.die();
  conversation.client.sends('are you there');
  conversation.answers('one moment');
  const told = await eventually(doctor, ({ proxies, bot }) => !proxies.ok && !bot.ok, 25_000);
  expect(told.proxies.what).toContain(second.name);
  expect(told.proxies.advice).toContain('TG_PROXY_URL');
  expect(told.bot.what).toContain('NO_WAY');
  expect(conversation.reached).toEqual(['good day']);
  // Both are at rest, and yet nobody waits for the end of it.
  await first.live();
  await conversation.becomes('one moment', 'delivered', 20_000);
  await conversation.becomes('are you there', 'delivered', 20_000);
  expect(conversation.reached).toEqual(['good day', 'one moment']);
});

it('changes over when the proxy in use dies, and repeats nothing that was written', async () => {
  await second.live();
  bridge.telegram.faults.next('sendMessage', { delayMs: 10_000 });
  conversation.answers('in the middle');
  await eventually(
    () => conversation.reached,
    (reached) => reached.includes('in the middle'),
  );
  await first.die();
  conversation.client.sends('still here');
  await conversation.becomes('still here', 'delivered', 20_000);
  conversation.answers('we as well');
  await conversation.becomes('we as well', 'delivered', 20_000);
  expect(conversation.reached.slice(-2)).toEqual(['in the middle', 'we as well']);
  await conversation.becomes('in the middle', 'uncertain');
});

it('never shows a password', async () => {
  const { text } = await doctor();
  const said = bridge.program.log.join('\n') + text;
  expect(said).toContain(second.name);
  for (const secret of [PASSWORD, encodeURIComponent(PASSWORD), 'w%rd', 'bridge:', BOT_TOKEN.split(':')[1]!])
    expect(said).not.toContain(secret);
});
