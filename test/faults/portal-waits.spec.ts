import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import type { PortalApp } from '../support/bitrix24-simulator/portal-model.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { Conversation } from '../support/conversation.js';
import { loopbackCertificate } from '../support/loopback-certificate.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const STATUS = 'imconnector.send.status.delivery';

const SCOPE = ['imopenlines', 'imconnector', 'im', 'user'];

let bridge: Bridge;
let other: { portal: Portal; app: PortalApp; bot: SimulatedBot; applicationId: string };
let nextId = 2_000;

const admin = (method: string, route: string, body?: unknown) => bridge.program.admin(method, route, body);
const checks = async (): Promise<Json[]> => (await admin('GET', '/doctor')).json.checks;
const portalOf = async ({ memberId }: Portal): Promise<Json> =>
  (await admin('GET', '/portals')).json.items.find((item: Json) => item.memberId === memberId);

async function doctor(portal: Portal, name: string, fits: (check: Json) => boolean, timeoutMs = 30_000): Promise<Json> {
  const { id } = await portalOf(portal);
  return eventually(
    async () => (await checks()).find((check: Json) => check.id === `portal:${id}:${name}`) ?? null,
    fits,
    timeoutMs,
  );
}

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  const portal = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Other' }] });
  const app = portal.addApp({
    kind: 'ui',
    clientId: `local.${randomBytes(6).toString('hex')}`,
    clientSecret: randomBytes(20).toString('hex'),
    handlerUrl: bridge.app.handlerUrl,
    installUrl: bridge.app.installUrl,
  });
  const { clientId, clientSecret } = app;
  const made = await admin('POST', '/applications', { clientId, clientSecret, domain: portal.url, lineId: LINE });
  expect(made.status, made.text).toBe(201);
  await (await portal.openInstallFrame(app)).runInstallFinish();
  const token = '987654321:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
  const bot = bridge.telegram.addBot({ token, username: 'other_bot', firstName: 'Other' });
  const { id: portalId } = await portalOf(portal);
  const answer = await admin('POST', '/bots', { token, portalId, lineId: LINE });
  expect(answer.status, answer.text).toBe(201);
  other = { portal, app, bot, applicationId: made.json.id };
});

afterEach(() => {
  bridge.bitrix24.faults.clear();
  bridge.portal.frontEnd.page = null;
  bridge.portal.httpsOnly = false;
  bridge.portal.missingMethods.clear();
  bridge.portal.refusal = null;
  bridge.app.scope = SCOPE;
});

afterAll(async () => bridge?.stop());

/** A dialog of the first portal, which may still rest after the trouble before. */
async function beginDialog(): Promise<Conversation> {
  const chat = Conversation.of(bridge, nextId++);
  chat.client.sends('hello');
  await chat.becomes('hello', 'delivered', 45_000);
  return chat;
}

/** The doctor keeps an answer for some seconds: it may still tell of the trouble before. */
const saysOf = (found: Json, words: RegExp) => found?.ok === false && words.test(`${found.what} ${found.advice}`);

/** The other portal's client is answered as quickly as ever. */
async function othersGoOn(): Promise<void> {
  const id = nextId++;
  const client = other.bot.client({ id, first_name: `Client ${id}` });
  const began = Date.now();
  client.sends('of the other portal');
  await other.portal.dialog(`tg:${id}`).receives(1, 10_000);
  expect(Date.now() - began).toBeLessThan(3_000);
}

describe('trouble that is not about the message', { timeout: 120_000 }, () => {
  const troubles: { name: string; begin: () => void; end: () => void; check: string; says: RegExp }[] = [
    {
      name: 'a page for every call',
      begin: () => (bridge.portal.frontEnd.page = { status: 403, title: 'Licence &amp; trial have expired' }),
      end: () => (bridge.portal.frontEnd.page = null),
      check: 'rest',
      says: /Licence & trial have expired/,
    },
    {
      name: 'https required',
      begin: () => (bridge.portal.httpsOnly = true),
      end: () => (bridge.portal.httpsOnly = false),
      check: 'rest',
      says: /https/i,
    },
    {
      name: 'a method that is not there',
      begin: () => bridge.portal.missingMethods.add('imconnector.send.messages'),
      end: () => bridge.portal.missingMethods.clear(),
      check: 'method:imconnector.send.messages',
      says: /ERROR_METHOD_NOT_FOUND/,
    },
    {
      name: 'a scope that is missing',
      begin: () => (bridge.app.scope = ['im', 'user']),
      end: () => (bridge.app.scope = SCOPE),
      check: 'method:imconnector.send.messages',
      says: /insufficient_scope/,
    },
    {
      name: 'a plan without REST',
      begin: () => (bridge.portal.refusal = 'ACCESS_DENIED'),
      end: () => (bridge.portal.refusal = null),
      check: 'rest',
      says: /plan/,
    },
  ];

  it.each(troubles)('$name: messages wait, the doctor names it, others go on', async ({ begin, end, check, says }) => {
    const chats = await Promise.all([beginDialog(), beginDialog()]);
    begin();
    for (const chat of chats) chat.client.sends('one');
    for (const chat of chats) chat.client.sends('two');
    await othersGoOn();
    const told = await doctor(bridge.portal, check, (found) => saysOf(found, says));
    expect(told.advice).not.toMatch(/install .*again/i);
    for (const chat of chats) await chat.becomes('two', 'queued');
    expect(await portalOf(bridge.portal)).toMatchObject({ state: 'active' });
    end();
    await Promise.all(chats.map((chat) => chat.becomes('two', 'delivered', 45_000)));
    for (const chat of chats) expect(chat.received).toEqual(['hello', 'one', 'two']);
  });

  it('without the method for statuses words go on', async () => {
    const chat = await beginDialog();
    bridge.portal.missingMethods.add(STATUS);
    const answer = chat.answers('hello to you');
    await chat.becomes('hello to you', 'delivered');
    await doctor(bridge.portal, `method:${STATUS}`, (found) => found?.ok === false);
    chat.client.sends('and words go on');
    await chat.becomes('and words go on', 'delivered', 5_000);
    bridge.portal.missingMethods.clear();
    await chat.dialog.delivered(answer, 45_000);
  });
});

describe('tokens', { timeout: 120_000 }, () => {
  it.each([
    { name: 'PAYMENT_REQUIRED', status: 402, says: /paid/ },
    { name: 'access_denied', status: 403, says: /access_denied/ },
    { name: 'wrong_client', status: 200, says: /client id|B24_CLIENT_ID/ },
  ])('$name keeps the pair and is looked at again', async ({ name, status, says }) => {
    const chat = await beginDialog();
    bridge.portal.expireTokens();
    bridge.bitrix24.faults.next('oauth', { status, error: name }, 1);
    chat.client.sends('patience');
    await othersGoOn();
    const told = await doctor(bridge.portal, 'rest', (found) => saysOf(found, says));
    expect(told.advice).not.toMatch(/install .*again/i);
    expect(await portalOf(bridge.portal)).toMatchObject({ state: 'active' });
    await chat.becomes('patience', 'delivered', 45_000);
  });

  it('a wrong secret: a new one counts at once, by PATCH', async () => {
    const id = nextId++;
    const client = other.bot.client({ id, first_name: 'Ivan' });
    const dialog = other.portal.dialog(`tg:${id}`);
    other.app.clientSecret = 'another-secret-0123456789';
    other.portal.expireTokens();
    client.sends('with the new secret');
    const told = await doctor(other.portal, 'rest', (found) => saysOf(found, /secret/));
    expect(told.advice).toContain(`/admin/applications/${other.applicationId}`);
    expect(await portalOf(other.portal)).toMatchObject({ state: 'active' });
    expect(dialog.clientMessages).toEqual([]);
    const changed = await admin('PATCH', `/applications/${other.applicationId}`, {
      clientSecret: other.app.clientSecret,
    });
    expect(changed.status, changed.text).toBe(200);
    await dialog.receives(1, 5_000);
  });

  it('a wrong secret: a new one counts at once, by restart', async () => {
    const chat = await beginDialog();
    bridge.app.clientSecret = 'a-new-secret-0123456789';
    bridge.portal.expireTokens();
    chat.client.sends('after the restart');
    await doctor(bridge.portal, 'rest', (found) => saysOf(found, /secret.*B24_CLIENT_SECRET/));
    await bridge.restart({ B24_CLIENT_SECRET: bridge.app.clientSecret });
    await chat.becomes('after the restart', 'delivered', 8_000);
    expect(chat.received).toEqual(['hello', 'after the restart']);
  });

  it("after the OAuth server's hiccup it is asked again within seconds", async () => {
    const chat = await beginDialog();
    bridge.portal.expireTokens();
    // Each refresh asks twice, since the outcome of the first is unknown.
    bridge.bitrix24.faults.next('oauth', { html: 502, performed: false }, 4);
    const began = Date.now();
    chat.client.sends('soon');
    await chat.becomes('soon', 'delivered', 20_000);
    expect(Date.now() - began).toBeLessThan(12_000);
  });
});

describe('a portal that moves to https', { timeout: 180_000 }, () => {
  it.each([301, 308] as const)('%i on the same host is followed and saved', async (status) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'https-'));
    const certificate = loopbackCertificate();
    await writeFile(path.join(folder, 'ca.pem'), certificate.cert);
    const own = await Bridge.start({
      bitrix24: { limits: false },
      environment: { NODE_EXTRA_CA_CERTS: path.join(folder, 'ca.pem') },
    });
    try {
      const chat = await Conversation.begin(own, 1);
      const origin = await own.portal.moveToHttps(certificate, status);
      expect(origin).toMatch(/^https:/);
      chat.client.sends('over https');
      await chat.becomes('over https', 'delivered');
      expect(chat.received).toEqual(['hello', 'over https']);
      const [portal] = (await own.program.admin('GET', '/portals')).json.items;
      expect(portal).toMatchObject({ domain: new URL(origin).host, state: 'active' });
      const { calls } = own.portal;
      const from = calls.length;
      chat.client.sends('again');
      await chat.becomes('again', 'delivered');
      expect(calls.slice(from).filter(({ method }) => method === 'app.info')).toEqual([]);
    } finally {
      await own.stop();
      await rm(folder, { recursive: true });
    }
  });
});
