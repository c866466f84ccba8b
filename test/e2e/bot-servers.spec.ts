import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BOT_TOKEN, Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { TelegramSimulator } from '../support/telegram-simulator.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

const TOKEN = `424242:AA${randomBytes(15).toString('hex')}`;
const OWN_LINE = '8';
/** More than Telegram lets a bot fetch. */
const LARGE = { bytes: 21 << 20 };

let bridge: Bridge;
let server: TelegramSimulator;
let bot: SimulatedBot;
let portalId: string;
let botId: string;
let conversation: Conversation;

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const patch = (body: object) => admin('PATCH', `/bots/${botId}`, body);
const rootsCheck = async () => {
  const { json } = await admin('GET', '/doctor');
  return json.checks.find(({ id }: { id: string }) => id === `bot:${botId}:roots`);
};

beforeAll(async () => {
  server = await TelegramSimulator.start({ local: true, brakes: false, webhookRetryScale: 0.1 });
  bot = server.addBot({ token: TOKEN, username: 'own_bot', firstName: 'Own' });
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
  bridge.portal.addLine({ id: OWN_LINE, name: 'Support' });
  portalId = (await admin('GET', '/portals')).json.items[0].id;
  conversation = await Conversation.begin(bridge, 501);
});

afterAll(async () => {
  await bridge?.stop();
  await server?.stop();
});

const place = () => ({ portalId, lineId: OWN_LINE });
const dialog = () => {
  const chat = [...bridge.portal.lines.chats.values()].find(({ line }) => line === OWN_LINE);
  return bridge.portal.dialog(chat?.id ?? 0);
};

it('takes a bot of an own server into service, which Telegram does not know', async () => {
  expect((await admin('POST', '/bots', { token: TOKEN, ...place() })).status).toBe(422);
  const made = await admin('POST', '/bots', { token: TOKEN, ...place(), apiRoot: server.url, apiKind: 'local' });
  expect(made.status, made.text).toBe(201);
  expect(made.json).toMatchObject({ apiRoot: server.url, apiKind: 'local' });
  botId = made.json.id;
  const client = bot.client({ id: 777, first_name: 'Ivan' });
  client.sends('by my own server');
  await eventually(
    () => dialog().clientMessages.map(({ text }) => text),
    (all) => all.includes('by my own server'),
    20_000,
  );
  bridge.portal.operator({ id: 27, name: 'Samantha' }).sends(dialog().chat!.id, 'good day');
  expect((await client.receives(1, 15_000))[0]!.text).toBe('good day');
  expect(bridge.telegram.calls.some(({ params }) => String(params['chat_id']) === '777')).toBe(false);
  expect(await rootsCheck()).toMatchObject({ ok: true, what: expect.stringContaining(new URL(server.url).host) });
});

it('has the limits of its own server, and the other bot those of Telegram', { timeout: 90_000 }, async () => {
  bot.client({ id: 777, first_name: 'Ivan' }).sendsFile('video', { content: LARGE });
  await eventually(
    () => dialog().messages.flatMap(({ files }) => files),
    (files) => files.length > 0,
    60_000,
  );
  conversation.client.sendsFile('video', { content: LARGE });
  await conversation.dialog.waitFor(({ text }) => text.includes('20 MB'), 30_000);
});

it('gets its webhook by its own server', async () => {
  expect((await patch({ mode: 'webhook' })).status).toBe(200);
  await eventually(
    () => server.calls.filter(({ method }) => method.toLowerCase() === 'setwebhook').length,
    (count) => count > 0,
    15_000,
  );
  bot.client({ id: 777, first_name: 'Ivan' }).sends('by webhook');
  await eventually(
    () => dialog().clientMessages.map(({ text }) => text),
    (all) => all.includes('by webhook'),
    20_000,
  );
  await patch({ mode: 'polling' });
});

it.each([
  [{ apiRoot: 'https://api.telegram.org' }, 422],
  [{ apiRoot: 'api.telegram.org' }, 400],
  [{ apiRoot: 'https://user:pass@relay.example' }, 400],
  [{ apiKind: 'own' }, 400],
  [{ apiRoot: 'http://127.0.0.1:1' }, 503],
  // Telegram itself does not know it.
  [{ apiRoot: null, apiKind: null }, 422],
])('does not store %o', async (body, status) => {
  const refused = await patch(body);
  expect(refused.status, refused.text).toBe(status);
  const { json } = await admin('GET', `/bots/${botId}`);
  expect(json).toMatchObject({ apiRoot: server.url, apiKind: 'local' });
});

it('shows the path of a relay to owners alone, and lets no key of one portal choose the server', async () => {
  const { key } = (await admin('POST', '/keys', { name: 'Anna', role: 'owner', portalId })).json;
  const asAnna = { authorization: `Bearer ${key}` };
  await patch({ apiRoot: `${server.url}/` });
  const seen = await bridge.program.get(`/admin/bots/${botId}`, asAnna);
  expect(seen.json.apiRoot).toBe(new URL(server.url).origin);
  const refused = await bridge.program.request('PATCH', `/admin/bots/${botId}`, { apiRoot: 'http://10.0.0.1' }, asAnna);
  expect(refused).toMatchObject({ status: 403, json: { code: 'limited_to_portal' } });
});

it('moves a bot in service to another server and back, both ways, and loses nothing', async () => {
  const [{ id }] = (await admin('GET', '/bots')).json.items.filter(({ username }: { username: string }) =>
    username.startsWith('shop'),
  );
  const elsewhere = server.addBot({ token: BOT_TOKEN, username: 'shop_bot', firstName: 'Shop' });
  const moved = await admin('PATCH', `/bots/${id}`, { apiRoot: server.url, apiKind: 'local' });
  expect(moved.status, moved.text).toBe(200);
  elsewhere.client({ id: 501, first_name: 'Client 501' }).sends('from the new server');
  await conversation.becomes('from the new server', 'delivered', 20_000);
  conversation.answers('by the new server');
  await eventually(
    () => server.ledger().map(({ text }) => text),
    (texts) => texts.includes('by the new server'),
    20_000,
  );
  expect((await admin('PATCH', `/bots/${id}`, { apiRoot: null, apiKind: null })).status).toBe(200);
  conversation.client.sends('from the old one');
  await conversation.becomes('from the old one', 'delivered', 20_000);
  conversation.answers('by the old one');
  await conversation.becomes('by the old one', 'delivered', 20_000);
  expect(conversation.reached).toEqual(['by the old one']);
});

it('is told by the doctor when its server is away, while the other bot goes on', async () => {
  await server.stop();
  const told = await eventually(rootsCheck, (check) => check.ok === false, 30_000);
  expect(told.advice).toContain('Bot API server of the bot');
  conversation.client.sends('still here');
  await conversation.becomes('still here', 'delivered', 20_000);
});
