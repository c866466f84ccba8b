import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { PortalApp } from '../support/bitrix24-simulator/portal-model.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { loopbackCertificate } from '../support/loopback-certificate.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

/** The same person writes to all. */
const CLIENT = 777;
const PRIVATE_CA = /private CA/;

/** A self-hosted portal on a port of its own, with an application and a bot of its own. */
interface Box {
  portal: Portal;
  app: PortalApp;
  applicationId: string;
  portalId: string;
  client: SimulatedClient;
}

const [own, others] = [loopbackCertificate(), loopbackCertificate()];
let bridge: Bridge;
let folder: string;
let boxes: Record<'plain' | 'other' | 'secure', Box>;

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const trust = (box: Box, caCertificates: string | null) =>
  admin('PATCH', `/applications/${box.applicationId}`, { caCertificates });

async function addBox(certificate?: typeof own): Promise<Omit<Box, 'portalId' | 'client'>> {
  const portal = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Sales' }] });
  if (certificate) await portal.moveToHttps(certificate);
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
  return { portal, app, applicationId: made.json.id };
}

async function install({ portal, app, applicationId }: Omit<Box, 'portalId' | 'client'>): Promise<Box> {
  const frame = await portal.openInstallFrame(app);
  expect(frame.status, frame.html).toBe(200);
  await frame.runInstallFinish();
  const { items } = (await admin('GET', '/portals')).json;
  const { id: portalId } = items.find(({ memberId }: { memberId: string }) => memberId === portal.memberId);
  const token = `${100_000 + Number(portalId)}:AA${randomBytes(15).toString('hex')}`;
  const bot = bridge.telegram.addBot({ token, username: `box_${portalId}_bot`, firstName: 'Box' });
  const made = await admin('POST', '/bots', { token, portalId, lineId: LINE });
  expect(made.status, made.text).toBe(201);
  return { portal, app, applicationId, portalId, client: bot.client({ id: CLIENT, first_name: 'Ivan' }) };
}

const dialogOf = ({ portal }: Box) => portal.dialog(`tg:${CLIENT}`);
const received = (box: Box) => dialogOf(box).clientMessages.map(({ text }) => text);
const arrives = (box: Box, text: string, timeoutMs = 20_000) =>
  eventually(
    () => received(box),
    (texts) => texts.includes(text),
    timeoutMs,
  );

async function talks(box: Box, word: string): Promise<void> {
  box.client.sends(`${word} in`);
  await arrives(box, `${word} in`);
  const files = [{ name: 'offer.pdf', mime: 'application/pdf', content: Buffer.from(`offer of ${word}`) }];
  const { id: chat } = dialogOf(box).chat!;
  box.portal.operator({ id: 27, name: 'Samantha' }).sends(chat, { text: `${word} out`, files });
  await eventually(
    () => bridge.telegram.ledger().filter(({ chatId, caption }) => chatId === CLIENT && caption === `${word} out`),
    (all) => all.some(({ file }) => file !== undefined),
    20_000,
  );
}

async function restCheck({ portalId }: Box): Promise<{ ok: boolean; what: string; advice: string }> {
  const { json } = await admin('GET', '/doctor');
  return json.checks.find(({ id }: { id: string }) => id === `portal:${portalId}:rest`);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'boxes-'));
  bridge = await Bridge.start({ installed: false, bitrix24: { limits: false } });
});

afterAll(async () => {
  await bridge?.stop();
  await rm(folder, { recursive: true, force: true });
});

it('serves boxes without TLS on ports of their own, each by its own application', async () => {
  boxes = { plain: await install(await addBox()), other: await install(await addBox()) } as typeof boxes;
  await talks(boxes.plain, 'plain');
  await talks(boxes.other, 'other');
  expect(received(boxes.plain)).toEqual(['plain in']);
  expect(received(boxes.other)).toEqual(['other in']);
});

it('takes an application to the box that it belongs to, and to no other', async () => {
  const stranger = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Sales' }] });
  // Whoever copies the credentials of another box does not get its clients.
  const { clientId, clientSecret, handlerUrl, installUrl } = boxes.other.app;
  const app = stranger.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl });
  const frame = await stranger.openInstallFrame(app);
  expect(frame.status).toBe(403);
  expect(frame.html).toContain('portal_not_allowed');
  expect((await admin('GET', '/portals')).json.items).toHaveLength(2);
});

it('refuses a box with a private CA, and the page of the installation names the cause', async () => {
  const box = await addBox(own);
  const frame = await box.portal.openInstallFrame(box.app);
  expect(frame.status).toBe(503);
  expect(frame.html).toContain('If a private CA issued it');
  boxes.secure = box as Box;
});

it.each([
  ['no PEM', () => 'own CA', /must be certificates in PEM/],
  ['a private key', () => own.key + own.cert, /private key/],
  ['an expired certificate', () => loopbackCertificate(0.5).cert, /expired on/],
  ['half a certificate', () => own.cert.replace(/\n.{20}/, '\n'), /cannot be read/],
])('does not store %s', async (_what, pem, words) => {
  const refused = await trust(boxes.secure, pem());
  expect(refused).toMatchObject({ status: 422, json: { code: 'bad_certificates' } });
  expect(refused.json.detail).toMatch(words);
});

it('serves it once its CA is named, REST and files, and only there', async () => {
  const saved = await trust(boxes.secure, `some words\n${own.cert}`);
  expect(saved.json.caCertificates).toBe(own.cert);
  boxes.secure = await install(boxes.secure);
  await talks(boxes.secure, 'secure');
  const foreign = await addBox(others);
  expect((await foreign.portal.openInstallFrame(foreign.app)).status).toBe(503);
});

it('stops when the CA is taken away, says why, and goes on when it is back', async () => {
  await trust(boxes.secure, null);
  await eventually(
    () => restCheck(boxes.secure),
    ({ ok, what }) => !ok && PRIVATE_CA.test(what),
    40_000,
  );
  const { advice, what } = await restCheck(boxes.secure);
  expect(what).toContain('DEPTH_ZERO_SELF_SIGNED_CERT: Bitrix24 could not be reached: certificate of a private CA');
  expect(advice).toContain('B24_CA_FILE');
  boxes.secure.client.sends('in between');
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  expect(received(boxes.secure)).not.toContain('in between');
  await trust(boxes.secure, own.cert);
  await arrives(boxes.secure, 'in between', 30_000);
});

it('believes the file of B24_CA_FILE for all portals, and starts with no other', { timeout: 120_000 }, async () => {
  const path = join(folder, 'ca.pem');
  await trust(boxes.secure, null);
  await writeFile(path, others.cert + own.cert);
  await bridge.restart({ B24_CA_FILE: path });
  await talks(boxes.secure, 'again');
  await writeFile(path, 'nothing');
  await expect(bridge.replica({ B24_CA_FILE: path })).rejects.toThrow(/The file of B24_CA_FILE must be certificates/);
  await expect(bridge.replica({ B24_CA_FILE: '/nowhere' })).rejects.toThrow(/B24_CA_FILE cannot be read \(ENOENT\)/);
});
