import { afterAll, describe, expect, it } from 'vitest';
import { Bridge, type BridgeOptions, eventually, LINE } from '../support/bridge.js';
import type { PortalApp } from '../support/bitrix24-simulator/portal-model.js';

/** Every event that the connector needs, as event.get names it. */
const EVENTS = [
  'ONAPPINSTALL',
  'ONAPPUNINSTALL',
  'ONAPPUPDATE',
  'ONIMCONNECTORDIALOGFINISH',
  'ONIMCONNECTORDIALOGSTART',
  'ONIMCONNECTORLINEDELETE',
  'ONIMCONNECTORMESSAGEADD',
  'ONIMCONNECTORMESSAGEDELETE',
  'ONIMCONNECTORMESSAGEUPDATE',
  'ONIMCONNECTORSTATUSDELETE',
];

let bridge: Bridge;
afterAll(() => bridge?.stop());

/** Ends what the tests before worked with. */
async function begin(options?: BridgeOptions): Promise<void> {
  await bridge?.stop();
  bridge = await Bridge.start(options);
}

const boundEvents = () => bridge.portal.handlers.map(({ event }) => event).toSorted();
const portals = async () => (await bridge.program.admin('GET', '/portals')).json.items;

async function conversation(clientId = 777): Promise<void> {
  const client = bridge.bot.client({ id: clientId, first_name: 'Ivan' });
  client.sends('hello');
  await bridge.portal.dialog(`tg:${clientId}`).receives(1, 15_000);
  const answer = bridge.portal.operator({ id: 27, name: 'Samantha' }).sends(`tg:${clientId}`, 'good day');
  expect((await client.receives(1, 10_000))[0]!.text).toBe('good day');
  await bridge.portal.dialog(`tg:${clientId}`).delivered(answer, 10_000);
}

function framePolicy(headers: Record<string, unknown>): string {
  expect(headers['x-frame-options']).toBeUndefined();
  return /frame-ancestors ([^;]*)/.exec(String(headers['content-security-policy']))?.[1] ?? 'none given';
}

describe('by the installation frame', () => {
  it('installs, answers in the reader’s language, and may be repeated at any time', async () => {
    await begin({ installed: false });
    const { portal, app, program } = bridge;
    const frame = await portal.openInstallFrame(app, { lang: 'ru' });
    expect(frame.status, frame.html).toBe(200);
    expect(framePolicy(frame.headers)).toBe(portal.url);
    expect(frame.html).toContain('lang="ru"');
    await frame.runInstallFinish();
    await portal.events.idle();
    expect(boundEvents()).toEqual(EVENTS);
    expect(new Set(portal.handlers.map(({ url }) => url)).size).toBe(1);
    expect(portal.lines.isReady(bridge.connectorId, LINE)).toBe(true);
    await conversation();

    // A handler of an earlier address of ours goes; what belongs to somebody else stays.
    const [bound] = portal.handlers;
    portal.handlers.push({ ...bound!, id: 9001, url: 'https://old.example.com/b24/handler?secret=old' });
    portal.handlers.push({ ...bound!, id: 9002, url: 'https://other.example.com/hook' });
    const [{ id }] = await portals();
    for (let run = 1; run <= 2; run++) {
      const again = await program.admin('POST', `/portals/${id}/connector/register`);
      expect(again.status).toBe(200);
      expect(again.json.ok, again.text).toBe(true);
      for (const step of again.json.steps) {
        expect(step).toMatchObject({ step: expect.any(String), ok: true, detail: expect.any(String) });
      }
      expect(again.json.steps.map(({ step }: { step: string }) => step)).toEqual(
        expect.arrayContaining(['imconnector.register', 'event.get', 'event.bind', 'imconnector.activate']),
      );
    }
    expect(portal.handlers.filter(({ url }) => url.includes('old.example.com'))).toEqual([]);
    expect(portal.handlers.filter(({ url }) => url.includes('other.example.com'))).toHaveLength(1);
    expect(boundEvents()).toEqual([...EVENTS, bound!.event].toSorted());
    await (await portal.openInstallFrame(app)).runInstallFinish();
    expect(await portals()).toHaveLength(1);
    await conversation(778);
    expect(portal.ledger()).toMatchObject({ eventTokensUsed: 0, tokensInUrl: 0 });
  });

  it('shows the settings of a line to administrators only, and switches the line on', async () => {
    await begin();
    const { portal, app } = bridge;
    portal.addUser({ id: 5, name: 'Clerk' });
    const connector = bridge.connectorId;
    for (const [lang, title] of [
      ['en', 'Telegram: open line 7'],
      ['ru', 'Telegram: открытая линия 7'],
    ] as const) {
      portal.lines.statuses.clear();
      const page = await portal.openSettingsFrame(app, { connector, line: LINE, lang });
      expect(page.status).toBe(200);
      expect(page.html).toContain(`lang="${lang}"`);
      expect(page.html).toContain(title);
      expect(page.html).toContain('"username":"shop_bot"');
      expect(framePolicy(page.headers)).toBe(portal.url);
      expect(portal.lines.isReady(connector, LINE)).toBe(true);
    }
    portal.lines.statuses.clear();
    const refused = await portal.openSettingsFrame(app, { connector, line: LINE, user: 5, lang: 'ru' });
    expect(refused.status).toBe(403);
    expect(refused.frameable).toBe(true);
    expect(refused.html).toContain('администратор');
    expect(portal.lines.isReady(connector, LINE)).toBe(false);
    const outside = await bridge.program.get('/b24/settings', { 'accept-language': 'ru' });
    expect(outside.status).toBe(200);
    expect(framePolicy(Object.fromEntries(outside.headers))).toBe("'none'");
    expect((await portal.openAppFrame(app, { user: 5 })).status).toBe(200);
  });

  it('believes nobody but Bitrix24, and stores nothing of what it does not believe', async () => {
    await begin({ installed: false });
    const { portal, app, program, bitrix24 } = bridge;
    portal.addUser({ id: 5, name: 'Clerk' });
    const stranger = await bitrix24.addPortal({ lines: [{ id: '1', name: 'Theirs' }] });
    const other: PortalApp = stranger.addApp({
      kind: 'ui',
      clientId: 'local.other',
      clientSecret: 'theirs',
      handlerUrl: app.handlerUrl,
      installUrl: app.installUrl,
    });
    const theirs = stranger.issueTokens(other);
    const form = (fields: Record<string, string>) =>
      new URLSearchParams({
        AUTH_EXPIRES: '3600',
        APPLICATION_TOKEN: 'f'.repeat(32),
        member_id: portal.memberId,
        ...fields,
      }).toString();
    const query = `?DOMAIN=${portal.domain}&PROTOCOL=0&LANG=en&APP_SID=1`;
    const attempts = [
      [403, form({ AUTH_ID: 'a'.repeat(70), REFRESH_ID: 'b'.repeat(70) })],
      [403, form({ AUTH_ID: theirs.accessToken, REFRESH_ID: theirs.refreshToken })],
      [400, form({ REFRESH_ID: 'b'.repeat(70) })],
      [400, 'AUTH_ID[]=1&AUTH_ID[]=2'],
      [400, ''],
    ] as const;
    for (const [status, body] of attempts) {
      const answer = await program.post(`/b24/install${query}`, body);
      expect(answer.status, `${body}\n${answer.text}`).toBe(status);
      expect(answer.headers.get('content-type')).toContain('text/html');
      expect(answer.text).not.toContain('installFinish');
    }
    const foreign = await program.post(`/b24/install?DOMAIN=evil.example.com&PROTOCOL=1`, attempts[0][1]);
    expect(framePolicy(Object.fromEntries(foreign.headers))).toBe("'none'");
    const clerk = await portal.openInstallFrame(app, { user: 5 });
    expect(clerk.status).toBe(403);
    const forged = {
      event: 'ONAPPINSTALL',
      data: { VERSION: '1' },
      auth: {
        access_token: 'x'.repeat(70),
        refresh_token: 'y',
        application_token: 'z',
        member_id: portal.memberId,
        domain: portal.domain,
      },
    };
    expect((await program.post('/b24/install', forged)).status).toBe(403);
    expect((await bridge.handler(forged)).status).toBe(403);
    expect(await portals()).toEqual([]);
    expect(portal.lines.connectors.size).toBe(0);
  });
});

describe('by an authorisation code', () => {
  // After what the frame refused, on the same portal: nothing is stored there.
  it('refuses a rank-and-file user and stores nothing', async () => {
    const { json } = await bridge.program.get('/b24/install');
    const answer = await bridge.portal.authorize(json.auth_url, 5, { accept: 'application/json' });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body).code).toBe('not_administrator');
    expect(await portals()).toEqual([]);
  });

  it('answers JSON to a program and a page to a person; a state is good once', async () => {
    const { portal, program, app } = bridge;
    app.installed = true;
    const start = await program.get('/b24/install');
    expect(start.status).toBe(200);
    expect(Object.keys(start.json)).toEqual(['auth_url']);
    const address = new URL(start.json.auth_url);
    expect(address.origin + address.pathname).toBe(`${portal.url}/oauth/authorize/`);
    expect(address.searchParams.get('client_id')).toBe(app.clientId);
    expect(address.searchParams.get('state')!.length).toBeGreaterThanOrEqual(16);

    const answer = await portal.authorize(start.json.auth_url, 1, { accept: 'application/json' });
    expect(answer.status, answer.body).toBe(200);
    const report = JSON.parse(answer.body);
    expect(report).toMatchObject({ ok: true, portal: { domain: portal.domain, memberId: portal.memberId } });
    expect(report.steps.length).toBeGreaterThan(3);
    expect(report.steps.every(({ ok }: { ok: boolean }) => ok)).toBe(true);

    const again = await portal.authorize(start.json.auth_url, 1, { accept: 'application/json' });
    expect(again.status).toBe(400);
    expect(again.headers['content-type']).toContain('application/problem+json');
    expect(JSON.parse(again.body).code).toBe('state_invalid');

    const redirect = await program.get('/b24/install?redirect=1');
    expect(redirect.status).toBe(302);
    const location = redirect.headers.get('location')!;
    expect(new URL(location).searchParams.get('state')).not.toBe(address.searchParams.get('state'));
    const page = await portal.authorize(location, 1, { accept: 'text/html', 'accept-language': 'ru' });
    expect(page.status).toBe(200);
    expect(page.headers['content-type']).toContain('text/html');
    expect(page.body).toContain('imconnector.register');
    expect(page.body).toContain('lang="ru"');

    for (const query of ['', '?code=x', '?state=x', '?code=x&state=y', '?error=access_denied', '?code[]=1&state[]=2']) {
      const refused = await program.get(`/b24/oauth/callback${query}`, { accept: 'application/json' });
      expect(refused.status, refused.text).toBe(400);
    }
    expect(await portals()).toHaveLength(1);
    await conversation();
    expect(portal.ledger().eventTokensUsed).toBe(0);
  });
});

describe('by the event of an application without interface', () => {
  it('installs, and works with tokens that carry no cycle guard', async () => {
    await begin({ installed: false });
    const { portal } = bridge;
    const { clientId, clientSecret, handlerUrl, installUrl } = bridge.app;
    portal.apps.length = 0;
    const api = portal.addApp({ kind: 'api', clientId, clientSecret, handlerUrl, installUrl });
    const delivery = await portal.sendAppInstallEvent(api);
    expect(delivery).toMatchObject({ outcome: 'delivered', status: 200 });
    await eventually(boundEvents, (bound) => bound.length === EVENTS.length);
    await eventually(
      () => portal.lines.connectors.size === 1 && portal.lines.isReady(bridge.connectorId, LINE),
      (ready) => ready,
    );
    await conversation();
    // To learn who installed, once: that call raises no event.
    expect(portal.ledger().eventTokensUsed).toBe(1);
    expect(portal.calls.filter(({ method }) => method === 'profile')).toHaveLength(1);
    expect((await portal.sendAppInstallEvent(api)).status).toBe(200);
    expect(portal.ledger().eventTokensUsed).toBe(1);
    expect(await portals()).toHaveLength(1);
  });
});

describe('the end of an installation', () => {
  it('stops every call; what waits goes on after a new installation', async () => {
    await begin();
    await conversation();
    const { portal, app } = bridge;
    const ivan = bridge.bot.client({ id: 777, first_name: 'Ivan' });
    portal.uninstall(app, { clean: false });
    await portal.events.idle();
    expect((await portals())[0].state).toBe('uninstalled');
    // What left before we knew.
    await portal.quiet();
    const calls = portal.calls.length;
    const { callsAfterUninstall } = portal.ledger();
    ivan.sends('are you there?');
    const waiting = await eventually(
      async () => (await bridge.messages()).find(({ text }) => text === 'are you there?'),
      (item) => item !== undefined,
    );
    expect(waiting).toMatchObject({ state: 'queued', attempts: 0 });
    await bridge.program.admin('GET', '/doctor');
    expect(portal.calls.length).toBe(calls);
    expect(portal.ledger().callsAfterUninstall).toBe(callsAfterUninstall);
    expect((await bridge.messages()).length).toBe(3);

    await bridge.install();
    await portal.dialog('tg:777').waitFor(({ text }) => text === 'are you there?', 20_000);
    await eventually(
      async () => (await bridge.messages()).map(({ state }) => state),
      (states) => states.every((state) => state === 'delivered'),
    );
    expect(portal.ledger()).toMatchObject({ callsAfterUninstall, eventTokensUsed: 0 });
  });

  it('erases what was said when the administrator asks for it', async () => {
    await begin();
    await conversation();
    const { portal, app } = bridge;
    portal.uninstall(app, { clean: true });
    await portal.events.idle();
    await portal.quiet();
    const calls = portal.calls.length;
    await eventually(
      async () => [(await bridge.messages()).length, (await bridge.program.admin('GET', '/chats')).json.items.length],
      ([messages, chats]) => messages === 0 && chats === 0,
    );
    expect(portal.calls.length).toBe(calls);
    await bridge.install();
    await conversation(779);
  });
});
