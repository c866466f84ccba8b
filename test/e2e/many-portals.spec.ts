import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Dialog } from '../support/bitrix24-simulator/dialog.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import type { PortalApp } from '../support/bitrix24-simulator/portal-model.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { BOT_TOKEN, Bridge, eventually, HANDLER_SECRET, LINE } from '../support/bridge.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import type { SimulatedClient } from '../support/telegram-simulator/simulated.client.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

/** The same person writes to every bot, and so has the same ids everywhere. */
const CLIENT = 777;
const LINES = [LINE, '8'];

/** One bot with its line, and what the one client and an operator say there. */
interface Place {
  name: string;
  portal: Portal;
  portalId: string;
  line: string;
  botId: string;
  client: SimulatedClient;
}

let bridge: Bridge;
let second: Portal;
let secondApp: PortalApp;
let applicationId: string;
let places: Place[];

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const portalIdOf = async (portal: Portal): Promise<string> =>
  (await admin('GET', '/portals')).json.items.find((item: Json) => item.memberId === portal.memberId).id;

function newApp(portal: Portal, settings: { clientId?: string; clientSecret?: string } = {}): PortalApp {
  return portal.addApp({
    kind: 'ui',
    clientId: `local.${randomBytes(6).toString('hex')}`,
    clientSecret: randomBytes(20).toString('hex'),
    handlerUrl: bridge.app.handlerUrl,
    installUrl: bridge.app.installUrl,
    ...settings,
  });
}

async function place(
  name: string,
  portal: Portal,
  line: string,
  known?: { id: string; bot: SimulatedBot },
): Promise<Place> {
  const portalId = await portalIdOf(portal);
  let [botId, bot] = [known?.id, known?.bot];
  if (!bot) {
    const token = `${100_000 + Number(line)}${name.length}${portalId}:AA${randomBytes(15).toString('hex')}`;
    bot = bridge.telegram.addBot({ token, username: `${name}_bot`, firstName: name });
    const made = await admin('POST', '/bots', { token, portalId, lineId: line });
    expect(made.status, made.text).toBe(201);
    botId = made.json.id;
  }
  const client = bot.client({ id: CLIENT, first_name: 'Ivan' });
  return { name, portal, portalId, line, botId: botId!, client };
}

function dialogOf({ portal, line }: Pick<Place, 'portal' | 'line'>, client = CLIENT): Dialog {
  const chat = [...portal.lines.chats.values()].find(
    (candidate) => candidate.line === line && candidate.externalId === `tg:${client}`,
  );
  return portal.dialog(chat?.id ?? 0);
}

const received = (at: Place) => dialogOf(at).clientMessages.map(({ text }) => text);

async function arrives(at: Place, text: string): Promise<void> {
  await eventually(
    () => received(at),
    (texts) => texts.includes(text),
    15_000,
  );
}

function answers(at: Place, content: Parameters<ReturnType<Portal['operator']>['sends']>[1]): LineMessage {
  return at.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends(dialogOf(at).chat!.id, content);
}

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  bridge.portal.addLine({ id: '8', name: 'Support' });
  second = await bridge.bitrix24.addPortal({
    lines: LINES.map((id) => ({ id, name: `Line ${id}` })),
  });
  secondApp = newApp(second);
  const { clientId, clientSecret } = secondApp;
  const made = await admin('POST', '/applications', { clientId, clientSecret, domain: second.url, lineId: LINE });
  expect(made.status, made.text).toBe(201);
  applicationId = made.json.id;
  // The very next request installs it.
  const frame = await second.openInstallFrame(secondApp);
  expect(frame.status, frame.html).toBe(200);
  await frame.runInstallFinish();
  const [{ id }] = (await admin('GET', '/bots')).json.items;
  places = [
    await place('shop', bridge.portal, LINE, { id, bot: bridge.bot }),
    await place('help', bridge.portal, '8'),
    await place('other_shop', second, LINE),
    await place('other_help', second, '8'),
  ];
});

afterAll(async () => bridge?.stop());

describe('two portals of two applications, two bots each, one client', () => {
  it('every message and answer stays in its place, and so do files, edits, ticks and findings', async () => {
    for (const at of places) at.client.sends(`hello ${at.name}`);
    for (const at of places) await arrives(at, `hello ${at.name}`);
    const said = places.map((at) => answers(at, `answer of ${at.name}`));
    // Both portals number their messages alike: an id alone says nothing.
    expect(new Set(said.map(({ id }) => id)).size).toBeLessThan(said.length);
    for (const [index, at] of places.entries()) {
      await dialogOf(at).delivered(said[index]!, 10_000);
      expect(at.client.inbox.map(({ text }) => text)).toEqual([`answer of ${at.name}`]);
    }

    for (const [index, at] of places.entries()) {
      at.portal.operator({ id: 27 }).edits(said[index]!, `corrected by ${at.name}`);
      const [first] = at.client.chat.messages.filter(({ text }) => text === `hello ${at.name}`);
      at.client.edits(first!.message_id, `meant for ${at.name}`);
    }
    for (const at of places) {
      await eventually(
        () => [at.client.inbox.map(({ text }) => text), received(at)],
        ([inbox, texts]) => inbox![0] === `corrected by ${at.name}` && texts![0] === `meant for ${at.name}`,
      );
      expect([at.client.inbox.length, received(at).length]).toEqual([1, 1]);
    }

    for (const at of places) {
      at.client.sendsFile('document', { fileName: `${at.name}.txt`, content: Buffer.from(at.name) });
      answers(at, { files: [{ name: `from_${at.name}.txt`, mime: 'text/plain', content: Buffer.from(at.name) }] });
    }
    for (const at of places) {
      await eventually(
        () => [dialogOf(at).clientMessages.flatMap(({ files }) => files), at.client.inbox],
        ([files, inbox]) => files!.length === 1 && inbox!.length === 2,
        15_000,
      );
      expect(dialogOf(at).clientMessages.flatMap(({ files }) => files.map(({ name }) => name))).toEqual([
        `${at.name}.txt`,
      ]);
      expect(at.client.inbox.map(({ document }) => document?.file_name)).toEqual([undefined, `from_${at.name}.txt`]);
      await eventually(
        () => dialogOf(at).messages.filter(({ author, sending }) => author === 'operator' && sending),
        (waiting) => waiting.length === 0,
      );
    }

    for (const at of places) {
      const own = await bridge.messages(`&bot=${at.botId}`);
      expect(own.map((item) => item['portalId'] ?? at.portalId)).toEqual(own.map(() => at.portalId));
      expect(own).toHaveLength(4);
      const found = await bridge.messages(`&portal=${at.portalId}&q=meant`);
      const inPortal = places.filter(({ portalId }) => portalId === at.portalId).map(({ name }) => `meant for ${name}`);
      expect(found.map(({ text }) => text).toSorted()).toEqual(inPortal.toSorted());
    }
    for (const { portal } of places) {
      expect(portal.lines.chats.size).toBe(2);
      expect(portal.ledger()).toMatchObject({ callsAfterUninstall: 0, eventTokensUsed: 0, tokensInUrl: 0 });
    }
    expect(bridge.program.warnings().filter((line) => !line.includes('Messages cannot flow yet'))).toEqual([]);
  }, 60_000);

  it('an event counts only with the application_token of its own portal', async () => {
    const event = (portal: Portal, app: PortalApp, id: number) => ({
      event: 'ONIMCONNECTORMESSAGEADD',
      data: {
        CONNECTOR: [...portal.lines.connectors.keys()][0],
        LINE,
        MESSAGES: [
          {
            im: { chat_id: '1', message_id: String(id) },
            message: { user_id: '27', text: 'forged' },
            chat: { id: `tg:${CLIENT}` },
          },
        ],
      },
      auth: { member_id: portal.memberId, domain: portal.domain, application_token: app.applicationToken },
    });
    for (const [portal, app] of [
      [bridge.portal, secondApp],
      [second, bridge.app],
    ] as const) {
      const answer = await bridge.handler(event(portal, app, 990_001), HANDLER_SECRET);
      expect([answer.status, answer.json.code]).toEqual([403, 'wrong_application_token']);
    }
    // Without an auth block nobody could say which of them is meant.
    const { auth: _auth, ...unsigned } = event(second, secondApp, 990_002);
    expect((await bridge.handler(unsigned)).json.code).toBe('event_unsigned');
    expect(await bridge.messages('&q=forged')).toEqual([]);
  });

  it('the free bot of one portal is not given to another one', async () => {
    const token = `5550001:AA${randomBytes(15).toString('hex')}`;
    bridge.telegram.addBot({ token, username: 'free_bot', firstName: 'Free' });
    const free = (await admin('POST', '/bots', { token })).json;
    second.addLine({ id: '9', name: 'New' });
    const [connector] = second.lines.connectors.keys();
    const page = await second.openSettingsFrame(secondApp, { connector: connector!, line: '9' });
    expect(page.status).toBe(200);
    expect((await admin('GET', `/bots/${free.id}`)).json).toMatchObject({ portalId: null, lineId: null });
    await admin('DELETE', `/bots/${free.id}`);
  });

  it('the lines of a portal show what it says and what we have there', async () => {
    const [shop, help] = places.filter(({ portal }) => portal === bridge.portal);
    bridge.portal.lines.lines.get('8')!.active = false;
    bridge.portal.addLine({ id: '11', name: 'Unused' });
    const { json } = await admin('GET', `/portals/${shop!.portalId}/lines`);
    const hidden = { operatorName: 'hidden', operatorNameTemplate: null };
    expect(json).toMatchObject({ asked: true, error: null });
    expect(json.items).toMatchObject([
      {
        lineId: LINE,
        name: 'Sales',
        enabled: true,
        state: 'active',
        bot: { id: shop!.botId, username: 'shop_bot' },
        ...hidden,
      },
      {
        lineId: '8',
        name: 'Support',
        enabled: false,
        state: 'active',
        bot: { id: help!.botId, name: 'help' },
        ...hidden,
      },
      { lineId: '11', name: 'Unused', enabled: true, state: null, bot: null, ...hidden },
    ]);
    const asked = () => bridge.portal.calls.filter(({ method }) => method === 'imopenlines.config.list.get').length;
    const before = asked();
    for (let n = 0; n < 5; n++) await admin('GET', `/portals/${shop!.portalId}/lines`);
    expect(asked()).toBe(before);
    bridge.bitrix24.faults.next('imopenlines.config.list.get', { status: 500, error: 'INTERNAL_SERVER_ERROR' });
    const silent = (await admin('GET', `/portals/${places[2]!.portalId}/lines`)).json;
    expect(silent).toMatchObject({ asked: false, error: expect.stringContaining('INTERNAL_SERVER_ERROR') });
    expect(silent.items.map((item: Json) => [item.lineId, item.name, item.state])).toEqual([
      [LINE, null, 'active'],
      ['8', null, 'active'],
      ['9', null, 'active'],
    ]);
    expect((await admin('GET', '/portals/999/lines')).status).toBe(404);
    bridge.portal.lines.lines.get('8')!.active = true;
  });

  it('a renamed portal is followed, and its application stays the one of that portal', async () => {
    const [, , shop] = places;
    await second.rename();
    shop!.client.sends('to the new address');
    await arrives(shop!, 'to the new address');
    expect((await admin('GET', `/portals/${shop!.portalId}`)).json).toMatchObject({
      domain: second.domain,
      clientId: secondApp.clientId,
      state: 'active',
    });
    expect((await second.openAppFrame(secondApp)).status).toBe(200);
  });

  it('a secret that was renewed in Bitrix24 is entered once, and what waited goes on', async () => {
    const [, , shop] = places;
    secondApp.clientSecret = randomBytes(20).toString('hex');
    second.expireTokens();
    shop!.client.sends('with a new secret');
    const causes = async () =>
      (await admin('GET', '/doctor')).json.checks.filter(
        ({ id, ok }: { id: string; ok: boolean }) => !ok && id.startsWith(`portal:${shop!.portalId}:`),
      );
    await eventually(causes, (found) => JSON.stringify(found).includes('secret'), 30_000);
    const { clientSecret } = secondApp;
    const changed = await admin('PATCH', `/applications/${applicationId}`, { clientSecret, name: 'Second' });
    expect(changed.json).toMatchObject({ id: applicationId, name: 'Second', portals: 1 });
    await arrives(shop!, 'with a new secret');
    expect((await admin('GET', `/portals/${shop!.portalId}`)).json.state).toBe('active');
  });

  it('a bot that moves to another portal takes along what waits, and leaves what was said', async () => {
    const [, help, , otherHelp] = places;
    const [from, to] = [help!, { ...help!, portal: second, portalId: otherHelp!.portalId, line: '9' }];
    bridge.portal.disableConnector([...bridge.portal.lines.connectors.keys()][0]!, from.line);
    from.client.sends('waits for a line');
    const toClient = (params: Readonly<Record<string, unknown>>) => String(params['chat_id']) === String(CLIENT);
    bridge.portal.lines.activate([...bridge.portal.lines.connectors.keys()][0]!, from.line);
    bridge.telegram.faults.next('sendMessage', { status: 502, body: {} }, 2, toClient);
    const late = answers(from, 'written before the move');
    bridge.portal.lines.statuses.delete(`${[...bridge.portal.lines.connectors.keys()][0]}|${from.line}`);
    await eventually(
      () => bridge.messages(`&bot=${from.botId}&state=queued`),
      (items) => items.length === 2,
    );
    const moved = await admin('PATCH', `/bots/${from.botId}`, { portalId: to.portalId, lineId: to.line });
    expect(moved.json).toMatchObject({ portalId: to.portalId, lineId: to.line });
    await arrives(to, 'waits for a line');
    await eventually(
      () => from.client.inbox.map(({ text }) => text),
      (texts) => texts.includes('written before the move'),
      15_000,
    );
    from.client.sends('hello there');
    await arrives(to, 'hello there');
    const answer = answers(to, 'hello from here');
    await second.dialog(answer.chatId).delivered(answer, 10_000);
    expect(received(to)).toEqual(['waits for a line', 'hello there']);
    expect(received(from)).not.toContain('waits for a line');
    // The portal in which it was written is told, and the other one hears nothing of it.
    await eventually(
      () => late.sending,
      (sending) => !sending,
    );
    expect(from.portal.deliveryReports.at(-1)).toMatchObject({ line: from.line, messageId: late.id });
    expect((await bridge.messages(`&portal=${to.portalId}&q=waits`)).map(({ text }) => text)).toEqual([
      'waits for a line',
    ]);
    expect(await bridge.messages(`&portal=${from.portalId}&q=waits`)).toEqual([]);
    expect(await bridge.messages(`&portal=${to.portalId}&q=written`)).toEqual([]);
  }, 60_000);
});

describe('applications', () => {
  it('are shown without their secrets, the one of the environment too', async () => {
    const { json, text } = await admin('GET', '/applications');
    expect(json.nextCursor).toBeNull();
    expect(json.items).toEqual([
      {
        id: applicationId,
        clientId: secondApp.clientId,
        name: 'Second',
        domain: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/),
        connectorId: expect.stringMatching(/^tg_[0-9a-f]{8}$/),
        lineId: LINE,
        caCertificates: null,
        source: 'stored',
        portals: 1,
        installUrl: `${bridge.program.url}/b24/install?application=${applicationId}&redirect=1`,
        handlerPath: `${bridge.program.url}/b24/oauth/callback`,
        installPath: `${bridge.program.url}/b24/install`,
        createdAt: expect.stringMatching(/Z$/),
      },
      expect.objectContaining({
        id: null,
        clientId: bridge.app.clientId,
        source: 'environment',
        lineId: LINE,
        portals: 1,
        installUrl: `${bridge.program.url}/b24/install?redirect=1`,
        createdAt: null,
      }),
    ]);
    expect(text).not.toContain(bridge.app.clientSecret);
    const [first] = (await admin('GET', '/applications?limit=1')).json.items;
    expect(first.id).toBe(applicationId);
  });

  it('are authorised each at its own portal, by a state that knows which one it is', async () => {
    const third = await bridge.bitrix24.addPortal({ lines: [{ id: '3', name: 'Third' }] });
    const app = newApp(third);
    app.installed = true;
    const { clientId, clientSecret } = app;
    const made = (await admin('POST', '/applications', { clientId, clientSecret, domain: third.url, lineId: '3' }))
      .json;
    const start = await bridge.program.get(`/b24/install?application=${made.id}`);
    expect(start.json.auth_url).toContain(`${third.url}/oauth/authorize/?client_id=${clientId}&state=`);
    // A code of another application, with this one's state.
    const state = new URL(start.json.auth_url).searchParams.get('state');
    const foreign = await bridge.portal.authorize(
      `${bridge.portal.url}/oauth/authorize/?client_id=${bridge.app.clientId}&state=${state}`,
      1,
      { accept: 'application/json' },
    );
    expect([foreign.status, JSON.parse(foreign.body).code]).toEqual([400, 'code_refused']);
    const { json } = await bridge.program.get(`/b24/install?application=${made.id}`);
    const done = await third.authorize(json.auth_url, 1, { accept: 'application/json' });
    expect(done.status, done.body).toBe(200);
    expect(third.lines.isReady(made.connectorId, '3')).toBe(true);
    const id = await portalIdOf(third);
    // Shows the application_token, which a code does not bring.
    expect((await third.openAppFrame(app)).status).toBe(200);

    const used = await admin('DELETE', `/applications/${made.id}`);
    expect([used.status, used.json.code]).toEqual([409, 'application_in_use']);
    third.uninstall(app, { clean: true });
    await eventually(
      async () => (await admin('GET', `/portals/${id}`)).json.state,
      (is) => is === 'uninstalled',
    );
    expect((await admin('DELETE', `/applications/${made.id}`)).status).toBe(204);
    expect((await third.openInstallFrame(app)).html).toContain('wrong_application');
    expect((await bridge.program.get(`/b24/install?application=${made.id}`)).status).toBe(404);
  });

  it('with a domain are installed there only, without one by any portal', async () => {
    const third = await bridge.bitrix24.addPortal({ lines: [{ id: '3', name: 'Third' }] });
    expect((await third.openInstallFrame(newApp(third))).html).toContain('wrong_application');
    const { clientId, clientSecret } = secondApp;
    const borrowed = await third.openInstallFrame(newApp(third, { clientId, clientSecret }));
    expect([borrowed.status, borrowed.html]).toEqual([403, expect.stringContaining('portal_not_allowed')]);

    const market = newApp(third);
    const body = { clientId: market.clientId, clientSecret: market.clientSecret, name: 'Market', lineId: null };
    const made = (await admin('POST', '/applications', body)).json;
    expect(made).toMatchObject({ domain: null, installUrl: null, lineId: null, portals: 0 });
    const start = await bridge.program.get(`/b24/install?application=${made.id}`);
    expect([start.status, start.json.code]).toEqual([409, 'application_without_domain']);
    const fourth = await bridge.bitrix24.addPortal({ lines: [{ id: '3', name: 'Fourth' }] });
    for (const portal of [third, fourth]) {
      const app = portal === third ? market : newApp(portal, body);
      expect((await portal.openInstallFrame(app)).status).toBe(200);
    }
    expect((await admin('GET', '/applications')).json.items[0]).toMatchObject({ id: made.id, portals: 2 });
    for (const portal of [third, fourth]) await admin('DELETE', `/portals/${await portalIdOf(portal)}`);
    expect((await admin('DELETE', `/applications/${made.id}`)).status).toBe(204);
  });

  it('are refused with a reason', async () => {
    const body = { clientId: 'local.x', clientSecret: 'y' };
    const refused = async (method: string, path: string, wrong: unknown) => {
      const answer = await admin(method, path, wrong);
      return [answer.status, answer.json.code];
    };
    expect(await refused('POST', '/applications', { ...body, clientId: bridge.app.clientId })).toEqual([
      409,
      'application_exists',
    ]);
    expect(await refused('POST', '/applications', { ...body, clientId: secondApp.clientId })).toEqual([
      409,
      'application_exists',
    ]);
    for (const wrong of [
      {},
      { clientId: 'local.x' },
      { ...body, clientSecret: '' },
      { ...body, clientId: 'a b' },
      { ...body, domain: 'not a host' },
      { ...body, domain: 'ftp://acme.bitrix24.com' },
      { ...body, lineId: 'x' },
      { ...body, name: '' },
      { ...body, colour: 'red' },
    ]) {
      expect((await admin('POST', '/applications', wrong)).status, JSON.stringify(wrong)).toBe(400);
    }
    expect(await refused('POST', '/applications', { ...body, domain: 'acme.example:99999' })).toEqual([
      422,
      'bad_domain',
    ]);
    expect((await admin('PATCH', `/applications/${applicationId}`, { clientId: 'other' })).status).toBe(400);
    expect((await admin('PATCH', `/applications/${applicationId}`, { clientSecret: null })).status).toBe(400);
    expect(await refused('PATCH', '/applications/999999', { name: 'x' })).toEqual([404, 'unknown_application']);
    expect(await refused('DELETE', '/applications/999999', undefined)).toEqual([404, 'unknown_application']);
    for (const id of ['999999', 'x', '1;2']) {
      expect((await bridge.program.get(`/b24/install?application=${encodeURIComponent(id)}`)).status).toBe(404);
    }
  });

  it('leave no secret anywhere but sealed in their own row', async () => {
    const secret = secondApp.clientSecret;
    const audit = (await admin('GET', '/audit?limit=200')).text;
    expect(audit).toContain('application.create');
    expect(audit).toContain('portal.remove');
    for (const where of [audit, bridge.program.log.join('\n'), (await admin('GET', '/doctor')).text]) {
      expect(where).not.toContain(secret);
      expect(where).not.toContain(BOT_TOKEN.split(':')[1]);
    }
    const client = new Client({ connectionString: bridge.database.url });
    await client.connect();
    const { rows } = await client.query('SELECT client_secret FROM applications');
    await client.end();
    expect(rows).toEqual([{ client_secret: expect.stringMatching(/^v1\./) }]);
  });
});
