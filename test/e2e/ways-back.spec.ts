import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const DOCTOR_MS = 25_000;

let bridge: Bridge;
let portalId: string;

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  bridge.portal.addLine({ id: '8', name: 'Support' });
  bridge.portal.addLine({ id: '9', name: 'Third' });
  portalId = (await admin('GET', '/portals')).json.items[0].id;
});

afterAll(async () => bridge?.stop());

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);
const logged = (level: string, text: string) =>
  bridge.program.warnings().filter((line) => line.startsWith(`${level}: `) && line.includes(text));
const linesInTable = async (): Promise<Record<string, string>> => {
  const { json } = await admin('GET', `/portals/${portalId}`);
  return Object.fromEntries(json.lines.map((line: Json) => [line.lineId, line.state]));
};

/** The doctor keeps a diagnosis for 10 s. */
async function diagnosis(fits: (check: (id: string) => Json) => boolean): Promise<(check: string) => Json> {
  const read = async () => {
    const { checks } = (await admin('GET', '/doctor')).json;
    return (id: string) => checks.find((check: Json) => check.id === `portal:${portalId}:${id}`);
  };
  for (const deadline = Date.now() + DOCTOR_MS; ; await new Promise((resolve) => setTimeout(resolve, 500))) {
    const check = await read();
    if (fits(check) || Date.now() > deadline) return check;
  }
}

async function newBot(name: string, lineId: string): Promise<{ id: string; bot: SimulatedBot; number: number }> {
  const number = 600_000 + Math.floor(Math.random() * 100_000);
  const token = `${number}:AA${randomBytes(15).toString('hex')}`;
  const bot = bridge.telegram.addBot({ token, username: `${name}_bot`, firstName: name });
  const made = await admin('POST', '/bots', { token, portalId, lineId });
  expect(made.status, made.text).toBe(201);
  return { id: made.json.id, bot, number };
}

const stateOf = async (text: string) =>
  (await bridge.messages(`&q=${encodeURIComponent(`"${text}"`)}`)).map(({ state }) => state);
async function waits(text: string): Promise<void> {
  await eventually(
    async () => (await stateOf(text))[0],
    (state) => state === 'queued',
  );
}

describe('a line', () => {
  it('switched off in Contact Center waits until it is connected there again', async () => {
    const chat = await Conversation.begin(bridge, 801);
    // The end of an installation registers anew, and would connect the line again.
    await bridge.portal.quiet();
    bridge.portal.disableConnector(bridge.connectorId, LINE);
    await eventually(linesInTable, (lines) => lines[LINE] === 'inactive');
    expect(logged('warn', `line ${LINE} was switched off`)).toHaveLength(1);
    chat.client.sends('is it off?');
    await chat.becomes('is it off?', 'queued');
    const page = await bridge.portal.openSettingsFrame(bridge.app, { connector: bridge.connectorId, line: LINE });
    expect(page.status).toBe(200);
    await chat.becomes('is it off?', 'delivered');
    expect(await linesInTable()).toEqual({ [LINE]: 'active' });
    expect(chat.received).toEqual(['hello', 'is it off?']);
  });

  it('whose event was lost, or that is switched off itself, is found by the doctor, and so is its return', async () => {
    const { id } = await newBot('support', '8');
    expect(bridge.portal.lines.isReady(bridge.connectorId, '8')).toBe(true);
    const chat = await Conversation.begin(bridge, 802);
    bridge.portal.lines.statuses.delete(`${bridge.connectorId}|${LINE}`);
    bridge.portal.lines.lines.get('8')!.active = false;
    chat.client.sends('nobody told us');
    await chat.becomes('nobody told us', 'queued');
    const ill = await diagnosis(
      (check) => check(`line:${LINE}:connector`)?.ok === false && check('line:8:enabled')?.ok === false,
    );
    expect(ill(`line:${LINE}:connector`)).toMatchObject({
      ok: false,
      advice: expect.stringContaining('Contact Center'),
    });
    expect(ill('line:8:enabled')).toMatchObject({ ok: false, advice: expect.stringContaining(`/admin/bots/${id}`) });
    expect(ill('line:8:connector').ok).toBe(true);
    expect(await linesInTable()).toEqual({ [LINE]: 'inactive', '8': 'inactive' });
    expect(logged('warn', 'line 8 was switched off')).toHaveLength(1);

    bridge.portal.lines.activate(bridge.connectorId, LINE);
    bridge.portal.lines.lines.get('8')!.active = true;
    const well = await diagnosis((check) => check(`line:${LINE}:connector`)?.ok && check('line:8:enabled')?.ok);
    expect([well(`line:${LINE}:connector`).ok, well('line:8:enabled').ok]).toEqual([true, true]);
    await chat.becomes('nobody told us', 'delivered');
    expect(await linesInTable()).toEqual({ [LINE]: 'active', '8': 'active' });
    await admin('DELETE', `/bots/${id}`);
  }, 70_000);

  it('deleted is never connected again, and its bot goes on in another one with all that waits', async () => {
    const { id, bot } = await newBot('moving', '8');
    const client = bot.client({ id: 803, first_name: 'Olga' });
    client.sends('in the old line');
    await bridge.portal.dialog('tg:803').receives(1, 15_000);
    const old = bridge.portal.chat('tg:803');
    bridge.portal.deleteLine('8');
    await eventually(linesInTable, (lines) => lines['8'] === 'deleted');
    expect(logged('error', 'line 8 was deleted')).toHaveLength(1);
    for (const text of ['first that waits', 'second that waits']) client.sends(text);
    await waits('second that waits');

    // Bitrix24 would take words for a line that is not there.
    const again = await admin('POST', `/portals/${portalId}/connector/register`);
    expect(again.json.steps.find(({ ok }: Json) => !ok)).toMatchObject({
      step: 'imopenlines.config.get',
      detail: expect.stringContaining('line 8 does not exist'),
    });
    expect(bridge.portal.lines.isReady(bridge.connectorId, '8')).toBe(false);
    await waits('first that waits');
    expect((await linesInTable())['8']).toBe('deleted');

    const moved = await admin('PATCH', `/bots/${id}`, { portalId, lineId: '9' });
    expect(moved.json).toMatchObject({ lineId: '9' });
    await eventually(
      async () => [await stateOf('first that waits'), await stateOf('second that waits')].flat(),
      (states) => states.every((state) => state === 'delivered'),
      15_000,
    );
    const dialog = [...bridge.portal.lines.chats.values()].filter(({ externalId }) => externalId === 'tg:803');
    expect(dialog.map(({ line, messages }) => [line, messages.map(({ text }) => text)])).toEqual([
      ['8', ['in the old line']],
      ['9', ['first that waits', 'second that waits']],
    ]);
    const answer = bridge.portal.operator({ id: 27, name: 'Samantha' }).sends(dialog[1]!.id, 'here now');
    expect((await client.receives(1, 10_000))[0]!.text).toBe('here now');
    await bridge.portal.dialog(dialog[1]!.id).delivered(answer, 10_000);
    expect(old.messages).toHaveLength(1);
    await admin('DELETE', `/bots/${id}`);
  }, 60_000);
});

describe('a bot', () => {
  it('whose token was revoked waits for the new one', async () => {
    const { id, bot, number } = await newBot('revoked', '9');
    bot.client({ id: 804, first_name: 'Pavel' }).sends('with the old token');
    await bridge.portal.dialog('tg:804').receives(1, 15_000);
    bridge.telegram.revoke(bot);
    bridge.portal.operator({ id: 27, name: 'Samantha' }).sends('tg:804', 'while it was revoked');
    await eventually(
      async () => (await admin('GET', `/bots/${id}`)).json.state,
      (state) => state === 'unauthorised',
      15_000,
    );
    await waits('while it was revoked');
    expect(logged('warn', 'Unauthorized')).not.toEqual([]);

    const token = `${number}:BB${randomBytes(15).toString('hex')}`;
    const renewed = bridge.telegram.addBot({ token, username: 'revoked_bot', firstName: 'revoked' });
    const client = renewed.client({ id: 804, first_name: 'Pavel' });
    client.sends('with the new token');
    expect((await admin('PATCH', `/bots/${id}`, { token })).json.state).toBe('active');
    expect((await client.receives(1, 15_000))[0]!.text).toBe('while it was revoked');
    await bridge.portal.dialog('tg:804').receives(2, 15_000);
    expect((await admin('GET', `/bots/${id}`)).json).toMatchObject({ state: 'active', stateReason: null });
    await admin('DELETE', `/bots/${id}`);
  }, 40_000);
});

describe('a portal', () => {
  it('removed here is left in peace and forgotten, and comes back by an installation', async () => {
    const { portal, app } = bridge;
    const chat = await Conversation.begin(bridge, 805);
    const connector = bridge.connectorId;
    const removed = await admin('DELETE', `/portals/${portalId}`);
    expect(removed.status).toBe(202);
    expect(removed.json).toEqual({
      id: portalId,
      state: 'uninstalled',
      stateReason: expect.stringContaining('erased'),
    });
    expect(portal.handlers).toEqual([]);
    expect(portal.lines.connectors.size).toBe(0);
    expect([LINE, '9'].map((line) => portal.lines.isReady(connector, line))).toEqual([false, false]);
    expect([await bridge.messages(), (await admin('GET', '/chats')).json.items]).toEqual([[], []]);
    expect(new Set(Object.values(await linesInTable()))).toEqual(new Set(['inactive', 'deleted']));

    // What left before the removal.
    await portal.quiet();
    const calls = portal.calls.length;
    chat.client.sends('are you there?');
    await waits('are you there?');
    // Whatever still comes from there is not kept.
    const event = (name: string, data: unknown) => ({
      event: name,
      data,
      auth: { member_id: portal.memberId, application_token: app.applicationToken },
    });
    const message = { im: { message_id: '777001' }, message: { text: 'late' }, chat: { id: 'tg:805' } };
    const late = await bridge.handler(
      event('ONIMCONNECTORMESSAGEADD', { CONNECTOR: connector, LINE, MESSAGES: [message] }),
    );
    expect([late.status, late.json.code]).toEqual([403, 'portal_removed']);
    expect((await bridge.handler(event('ONAPPUPDATE', {}))).status).toBe(403);
    expect((await admin('DELETE', `/portals/${portalId}`)).status).toBe(202);
    expect((await admin('DELETE', '/portals/999999')).status).toBe(404);
    expect(portal.calls.length).toBe(calls);

    chat.client.sends('still there?');
    await bridge.install();
    await chat.becomes('still there?', 'delivered', 20_000);
    expect(await admin('GET', `/portals/${portalId}`)).toMatchObject({ json: { state: 'active', stateReason: null } });
    const [dialog] = [portal.dialog('tg:805')];
    const answer = portal.operator({ id: 27, name: 'Samantha' }).sends('tg:805', 'back again');
    await dialog.delivered(answer, 10_000);
    expect(chat.reached).toEqual(['back again']);
  }, 60_000);
});
