import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FrameSessions, type FrameSession } from '../../src/crm/frames/frame-sessions.js';
import { EncryptionService, parseEncryptionKeys } from '../../src/storage/secrets/encryption.service.js';
import type { CrmRecord } from '../support/bitrix24-simulator/crm-records.js';
import type { FramePage } from '../support/bitrix24-simulator/frame-page.js';
import type { FrameOptions } from '../support/bitrix24-simulator/frames.js';
import type { Portal } from '../support/bitrix24-simulator/portal.js';
import { eventually, LINE, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, CRM_SCOPES, entityOf } from '../support/crm.js';

const OPERATOR = 27;
const OUTSIDER = 28;
const PLACES: Record<number, string> = { 1: 'LEAD', 2: 'DEAL', 3: 'CONTACT', 4: 'COMPANY' };
const OTHER_TOKEN = '987654321:BBEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';

let bridge: Bridge;
let stranger: Portal;
let strangersApp: ReturnType<Portal['addApp']>;

beforeAll(async () => {
  bridge = await bridgeWithScopes([...CRM_SCOPES, 'placement']);
  bridge.portal.operator({ id: OPERATOR, name: 'Samantha Johnson' });
  bridge.portal.operator({ id: OUTSIDER, name: 'Ann Outsider' });
  stranger = await bridge.bitrix24.addPortal({ lines: [{ id: LINE, name: 'Theirs' }] });
  const { clientId, clientSecret, handlerUrl, installUrl } = bridge.app;
  const scope = [...CRM_SCOPES, 'placement'];
  strangersApp = stranger.addApp({ kind: 'ui', clientId, clientSecret, handlerUrl, installUrl, scope });
  await (await stranger.openInstallFrame(strangersApp)).runInstallFinish();
  const { json } = await switchOn('card');
  expect(json).toMatchObject({ feature: 'card', state: 'ready', says: 'Tabs in CRM cards: ready.' });
});
afterAll(async () => bridge?.stop());

/** An administrator's choice for the portal. */
async function switchOn(feature: string, wanted = true, { domain } = bridge.portal) {
  const { json } = await bridge.program.admin('GET', '/portals');
  const { id } = json.items.find((item: { domain: string }) => item.domain === domain);
  return bridge.program.admin('PATCH', `/portals/${id}/features/${feature}`, { wanted });
}

/** The card of the entity, as an employee opens it. */
function openTab({ typeId, id }: CrmRecord, options: FrameOptions = {}): Promise<FramePage> {
  const type = PLACES[typeId] ?? `DYNAMIC_${typeId}`;
  const where = { placement: `CRM_${type}_DETAIL_TAB`, entity: id };
  return bridge.portal.openPlacementFrame(bridge.app, { user: OPERATOR, ...where, ...options });
}
const bootstrapOf = (page: FramePage) => JSON.parse(/id="bootstrap">(.*?)<\/script>/.exec(page.html)![1]!);
async function sessionOf(record: CrmRecord, options: FrameOptions = {}): Promise<string> {
  const page = await openTab(record, options);
  expect(page.status, page.html).toBe(200);
  return bootstrapOf(page).session;
}
/** The form of the tab, to be posted by somebody else. */
const formOf = (record: CrmRecord, user = OPERATOR) =>
  bridge.portal.frames.placement(bridge.app, {
    placement: `CRM_${PLACES[record.typeId]}_DETAIL_TAB`,
    entity: record.id,
    user,
  });
const ask = (session: string, method: string, path: string, body?: unknown, language = 'en') =>
  bridge.program.request(method, `/b24/card/api/${path}`, body, {
    authorization: `Bearer ${session}`,
    'accept-language': language,
  });
const write = (session: string, chatId: string, text: string, key: string = randomUUID()) =>
  ask(session, 'POST', `chats/${chatId}/messages`, { text, key });
const refusal = ({ status, json }: { status: number; json: { code: string } }) => [status, json.code];

describe('the tab', () => {
  it('stands in the cards of the four types, and goes when it is switched off', async () => {
    const places = () => bridge.portal.placements.rows.map(({ placement }) => placement).toSorted();
    const all = ['COMPANY', 'CONTACT', 'DEAL', 'LEAD'].map((type) => `CRM_${type}_DETAIL_TAB`);
    expect(places()).toEqual(all);
    expect(bridge.portal.placements.rows[0]!.handler).toBe(`${bridge.program.url}/b24/placements/card`);
    expect(bridge.portal.placements.rows[0]!.words).toMatchObject({ ru: { TITLE: 'Telegram' } });
    const deal = bridge.portal.crm.records.add('DEAL');
    const form = formOf(deal);
    await switchOn('card', false);
    expect(places()).toEqual([]);
    const page = await bridge.portal.frames.open(form);
    expect([page.status, page.html]).toEqual([403, expect.stringContaining('feature_off')]);
    // What a person took away by hand comes back with the daily look.
    await switchOn('card');
    bridge.portal.placements.rows = [];
    await switchOn('card');
    expect(places()).toEqual(all);
  });

  it('stands in cards of smart processes where that is chosen, with the conversations of their contacts', async () => {
    const talk = await Conversation.begin(bridge, 801);
    const contact = bridge.portal.crm.records.add('CONTACT');
    const activity = bridge.portal.crm.dialogs.activityOf(bridge.portal.chat('tg:801').sessions.at(-1)!.id)!;
    bridge.portal.crm.dialogs.bind(activity, { typeId: 3, id: contact.id });
    const item = bridge.portal.crm.records.add(183, { fields: { CONTACT_ID: contact.id } });
    expect((await switchOn('card_processes')).json.state).toBe('ready');
    const { state } = bootstrapOf(await openTab(item));
    expect(state).toMatchObject({ entity: { type: 'dynamic_183' }, chats: [{ id: talk.chatId }] });
    expect(state.lines).toEqual([{ lineId: LINE, bot: '@shop_bot' }]);
    // The contact is hidden from whoever looks, and so is what they said.
    contact.hiddenFrom.add(OUTSIDER);
    expect(bootstrapOf(await openTab(item, { user: OUTSIDER })).state.chats).toEqual([]);
  });

  it('stays in the other smart processes where the portal refuses one of them, and says which', async () => {
    for (const typeId of [190, 191, 192]) bridge.portal.crm.records.add(typeId, { fields: { TITLE: 'x' } });
    const is191 = (params: Record<string, unknown>) => params['PLACEMENT'] === 'CRM_DYNAMIC_191_DETAIL_TAB';
    const refused = (error: string) => bridge.bitrix24.faults.next('placement.bind', { status: 400, error }, 1, is191);
    refused('ERROR_PLACEMENT_MAX_COUNT');
    const { json } = await switchOn('card_processes');
    const bound = () =>
      bridge.portal.placements.rows.map(({ placement }) => /DYNAMIC_(19\d)/.exec(placement)?.[1]).filter(Boolean);
    expect(bound()).toEqual(['190', '192']);
    expect(json).toMatchObject({ state: 'ready', says: expect.stringContaining('CRM_DYNAMIC_191_DETAIL_TAB') });
    // A process that was deleted between the two calls is none that lacks a tab.
    refused('ERROR_PLACEMENT_NOT_FOUND');
    expect((await switchOn('card_processes')).json.says).toBe('Tabs in smart processes: ready.');
    expect((await switchOn('card_processes')).json.says).toBe('Tabs in smart processes: ready.');
    expect(bound().toSorted()).toEqual(['190', '191', '192']);
  });

  it('may be framed by its portal alone, and sets no cookie', async () => {
    const page = await openTab(bridge.portal.crm.records.add('DEAL'), { lang: 'ru' });
    expect(String(page.headers['content-security-policy'])).toContain(`frame-ancestors ${bridge.portal.url}`);
    expect([page.headers['set-cookie'], page.headers['x-frame-options'], page.frameable]).toEqual([
      undefined,
      undefined,
      true,
    ]);
    expect(page.html).toContain('<html lang="ru">');
  });

  it('says which permission is missing', async () => {
    const lacking = await bridgeWithScopes();
    try {
      const { json } = await choose(lacking, 'card');
      expect(json).toMatchObject({ state: 'no_scope', says: expect.stringContaining('permission “placement”') });
      const doctor = await eventually(
        async () => (await lacking.program.admin('GET', '/doctor')).text,
        (text) => text.includes('tabs in CRM cards need the permission “placement”'),
        30_000,
      );
      expect(doctor).toContain('feature.no_scope');
    } finally {
      await lacking.stop();
    }
  });
});

describe('whoever looks', () => {
  it('reads the conversation as it was said, and sees no more than the CRM shows them', async () => {
    const talk = await Conversation.begin(bridge, 810);
    const lead = entityOf(bridge, talk);
    talk.answers('[b]Good[/b] day');
    await talk.becomes('Good day', 'delivered');
    talk.client.sendsFile('photo', {}, { caption: 'Look' });
    await eventually(
      () => talk.dialog.clientMessages.length,
      (count) => count === 2,
    );
    const session = await sessionOf(lead);
    const { json: state } = await ask(session, 'GET', 'state');
    expect(state.entity).toMatchObject({ type: 'lead', id: String(lead.id) });
    expect(state.chats).toEqual([
      expect.objectContaining({ id: talk.chatId, title: 'Client 810', bot: '@shop_bot', lineId: LINE, unread: 1 }),
    ]);
    const { items } = (await ask(session, 'GET', `chats/${talk.chatId}/messages`)).json;
    expect(items.map((item: { text: string }) => item.text).toReversed()).toEqual(['hello', 'Good day', 'Look']);
    expect(items[1]).toMatchObject({
      direction: 'outbound',
      state: 'delivered',
      authorName: 'Samantha Johnson',
      marks: [{ type: 'bold', offset: 0, length: 4 }],
      problem: null,
    });
    expect(items[1]).not.toHaveProperty('bitrixMessageId');
    const [photo] = items[0].attachments;
    expect((await fetch(photo.url)).headers.get('content-type')).toContain('image/');

    lead.hiddenFrom.add(OUTSIDER);
    const forged = formOf(lead);
    forged.form['AUTH_ID'] = bridge.portal.issueTokens(bridge.app, OUTSIDER).accessToken;
    const page = await bridge.portal.frames.open(forged);
    expect([page.status, page.html]).toEqual([403, expect.stringContaining('no_access')]);
    expect(page.html).not.toContain('hello');
  });

  it('has unread words until they were seen, each for themselves', async () => {
    const talk = await Conversation.begin(bridge, 811);
    const lead = entityOf(bridge, talk);
    const [one, two] = [await sessionOf(lead), await sessionOf(lead, { user: OUTSIDER })];
    const chat = async (session: string) => (await ask(session, 'GET', 'state')).json.chats[0];
    expect(await chat(one)).toMatchObject({ unread: 1 });
    const [newest] = (await ask(one, 'GET', `chats/${talk.chatId}/messages`)).json.items;
    expect((await chat(one)).firstUnreadId).toBe(newest.id);
    expect((await ask(one, 'POST', `chats/${talk.chatId}/seen`, { messageId: newest.id })).status).toBe(204);
    expect((await ask(one, 'POST', `chats/${talk.chatId}/seen`, { messageId: '1' })).status).toBe(204);
    expect(await chat(one)).toMatchObject({ unread: 0, firstUnreadId: null });
    expect(await chat(two)).toMatchObject({ unread: 1 });
  });

  it('does not see what a banned client writes, as operators do not see it in the dialog', async () => {
    const talk = await Conversation.begin(bridge, 817);
    const session = await sessionOf(entityOf(bridge, talk));
    await bridge.program.admin('POST', `/chats/${talk.chatId}/ban`);
    talk.client.sends('spam');
    await talk.becomes('spam', 'ignored');
    const read = async () => (await ask(session, 'GET', `chats/${talk.chatId}/messages`)).json;
    expect((await read()).items.map(({ text }: { text: string }) => text)).toEqual(['hello']);
    expect((await ask(session, 'GET', 'state')).json.chats[0]).toMatchObject({ unread: 1, banned: true });
    await bridge.program.admin('POST', `/chats/${talk.chatId}/unban`);
    talk.client.sends('sorry');
    await talk.becomes('sorry', 'delivered');
    expect((await read()).items.map(({ text }: { text: string }) => text)).toEqual(['sorry', 'hello']);
    expect((await ask(session, 'GET', 'state')).json.chats[0]).toMatchObject({ unread: 2, banned: false });
  });

  it('writes in their own name, once for each key, and the dialog shows whose words it were', async () => {
    const talk = await Conversation.begin(bridge, 812);
    const session = await sessionOf(entityOf(bridge, talk));
    const key = randomUUID();
    const [one, two] = await Promise.all([
      write(session, talk.chatId, 'Paid?', key),
      write(session, talk.chatId, 'Paid?', key),
    ]);
    expect([one.status, two.status]).toEqual([200, 200]);
    expect(one.json.messageId).toBe(two.json.messageId);
    expect(refusal(await write(session, talk.chatId, 'Other', key))).toEqual([409, 'key_reused']);
    await talk.becomes('Paid?', 'delivered');
    expect(talk.reached).toEqual(['Paid?']);
    expect(await talk.hasNotes(1)).toEqual(['✍️ Written in the CRM card (Samantha Johnson):\nPaid?']);
    const { json } = await bridge.program.admin('GET', `/messages/${one.json.messageId}`);
    expect(json).toMatchObject({ kind: 'card', authorId: String(OPERATOR), authorName: 'Samantha Johnson' });
    // Another employee's key is another one.
    const other = await sessionOf(entityOf(bridge, talk), { user: OUTSIDER });
    expect((await write(other, talk.chatId, 'Other', key)).status).toBe(200);
  });

  it('writes first where the dialog is closed, and reads why it did not arrive', async () => {
    const talk = await Conversation.begin(bridge, 813);
    const session = await sessionOf(entityOf(bridge, talk));
    talk.dialog.finish();
    const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
    bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, talk.toClient);
    expect((await write(session, talk.chatId, 'Still there?')).status).toBe(200);
    const item = await eventually(
      async () => (await ask(session, 'GET', `chats/${talk.chatId}/messages`, undefined, 'ru')).json.items[0],
      ({ state }) => state === 'failed',
    );
    expect(item).toMatchObject({ text: 'Still there?', problem: 'клиент заблокировал бота' });
    expect((await ask(session, 'GET', 'state')).json.chats[0].state).toBe('blocked');
    expect(bridge.portal.chat('tg:813').sessions.at(-1)!.closed).toBe(true);
  });

  it('is refused other conversations, texts that are none, and what is no page of theirs', async () => {
    const talk = await Conversation.begin(bridge, 814);
    const other = await Conversation.begin(bridge, 815);
    const session = await sessionOf(entityOf(bridge, talk));
    expect(refusal(await write(session, other.chatId, 'x'))).toEqual([404, 'no_chat']);
    expect(refusal(await ask(session, 'GET', `chats/${other.chatId}/messages`))).toEqual([404, 'no_chat']);
    expect(refusal(await ask(session, 'POST', `chats/${other.chatId}/seen`, { messageId: '1' }))).toEqual([
      404,
      'no_chat',
    ]);
    expect(refusal(await ask(session, 'GET', 'chats/x/messages'))).toEqual([404, 'not_found']);
    expect(refusal(await ask(session, 'GET', `chats/${talk.chatId}/messages?cursor=x`))).toEqual([
      400,
      'invalid_cursor',
    ]);
    const bodies: object[] = [{ text: ' \n', key: randomUUID() }, { text: 'x' }, { text: 5, key: randomUUID() }];
    bodies.push(
      { text: 'x'.repeat(4_097), key: randomUUID() },
      { text: 'x', key: 'short' },
      { text: 'a\0b', key: randomUUID() },
    );
    for (const body of bodies) {
      expect((await ask(session, 'POST', `chats/${talk.chatId}/messages`, body)).status).toBe(400);
    }
    expect(
      refusal(
        await bridge.program.request('GET', '/b24/settings/api/state', undefined, {
          authorization: `Bearer ${session}`,
        }),
      ),
    ).toEqual([401, 'session_invalid']);
  });

  it('loses what they could see when the CRM takes their rights away', async () => {
    const talk = await Conversation.begin(bridge, 816);
    const lead = entityOf(bridge, talk);
    const session = await sessionOf(lead, { user: OUTSIDER });
    expect((await ask(session, 'GET', `chats/${talk.chatId}/messages`)).status).toBe(200);
    lead.hiddenFrom.add(OUTSIDER);
    await bridge.restart();
    expect(refusal(await ask(session, 'GET', `chats/${talk.chatId}/messages`))).toEqual([403, 'no_access']);
    expect(refusal(await write(session, talk.chatId, 'x'))).toEqual([403, 'no_access']);
    expect(talk.sends).toBe(0);
  });
});

describe('an entity without a conversation', () => {
  it('has an invitation, which its client may use', async () => {
    const deal = bridge.portal.crm.records.add('DEAL', { fields: { TITLE: 'Boots' } });
    const session = await sessionOf(deal);
    const { json: before } = await ask(session, 'GET', 'state');
    expect(before).toMatchObject({ chats: [], lines: [{ lineId: LINE, bot: '@shop_bot' }], invitations: [] });
    const one = await ask(session, 'POST', 'invitations', {});
    const two = await ask(session, 'POST', 'invitations', { lineId: LINE });
    expect(one.json).toMatchObject({ name: 'Boots', singleUse: true, entity: { type: 'deal', id: String(deal.id) } });
    expect(two.json.id).toBe(one.json.id);
    const made = (await bridge.program.admin('GET', '/audit?limit=50')).json.items.filter(
      ({ action, subject }: { action: string; subject: string }) =>
        action === 'link.create' && subject === `link:${one.json.id}`,
    );
    expect(made).toHaveLength(1);
    const picture = await ask(session, 'GET', `invitations/${one.json.id}/qr.svg`);
    expect([picture.headers.get('content-type'), picture.text]).toEqual([
      expect.stringContaining('image/svg+xml'),
      expect.stringContaining('<svg'),
    ]);
    const other = await sessionOf(bridge.portal.crm.records.add('DEAL'));
    expect(refusal(await ask(other, 'GET', `invitations/${one.json.id}/qr.svg`))).toEqual([404, 'no_invitation']);

    const talk = Conversation.of(bridge, 820);
    talk.client.sends(`/start ${one.json.code}`);
    talk.client.sends('It is me');
    const chats = await eventually(
      async () => {
        // One person may ask eight times a second.
        await new Promise((resolve) => setTimeout(resolve, 500));
        return (await ask(session, 'GET', 'state')).json.chats;
      },
      (found) => found.length > 0,
      40_000,
    );
    expect(chats[0].title).toBe('Client 820');
  });

  it('of a smart process invites its client: the conversation stands in its card from then on', async () => {
    const item = bridge.portal.crm.records.add(183, { fields: { TITLE: 'Boiler' } });
    const session = await sessionOf(item);
    const { json: link } = await ask(session, 'POST', 'invitations', {});
    expect(link).toMatchObject({ name: 'Boiler', entity: { type: 'dynamic_183', id: String(item.id) } });
    const talk = Conversation.of(bridge, 821);
    talk.client.sends(`/start ${link.code}`);
    talk.client.sends('It leaks');
    const chats = await eventually(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 500));
        return (await ask(session, 'GET', 'state')).json.chats;
      },
      (found) => found.length > 0,
      40_000,
    );
    expect(chats).toMatchObject([{ title: 'Client 821' }]);
    expect((await write(session, chats[0].id, 'We are coming')).status).toBe(200);
    await talk.becomes('We are coming', 'delivered');
    const other = await sessionOf(bridge.portal.crm.records.add(183));
    expect((await ask(other, 'GET', 'state')).json.chats).toEqual([]);
    const where = { placement: 'CRM_DYNAMIC_183_DETAIL_TAB', entity: item.id, user: OPERATOR };
    const forged = bridge.portal.frames.placement(bridge.app, where);
    forged.form['AUTH_ID'] = bridge.portal.issueTokens(bridge.app, OUTSIDER).accessToken;
    item.hiddenFrom.add(OUTSIDER);
    expect((await bridge.portal.frames.open(forged)).html).toContain('no_access');
  });

  it('that is not saved, gone, or of a type that nobody knows, says so', async () => {
    const unsaved = bridge.portal.frames.placement(bridge.app, { placement: 'CRM_DEAL_DETAIL_TAB', user: OPERATOR });
    expect((await bridge.portal.frames.open(unsaved)).html).toContain('card_unsaved');
    const deal = bridge.portal.crm.records.add('DEAL');
    const form = formOf(deal);
    bridge.portal.crm.records.remove(deal);
    expect((await bridge.portal.frames.open(form)).html).toContain('no_access');
    form.form['PLACEMENT'] = 'CRM_WHATEVER_DETAIL_TAB';
    expect((await bridge.portal.frames.open(form)).html).toContain('frame_malformed');
    form.form['PLACEMENT'] = 'IM_SIDEBAR';
    form.form['PLACEMENT_OPTIONS'] = '{"dialogId":"chat1"}';
    expect((await bridge.portal.frames.open(form)).html).toContain('frame_malformed');
    form.form['PLACEMENT_OPTIONS'] = '{';
    expect((await bridge.portal.frames.open(form)).status).toBe(400);
    const nowhere = await bridge.program.post('/b24/placements/nothing', form.form);
    expect(nowhere.status).toBe(404);
  });
});

describe('a session', () => {
  const forge = (more: Partial<FrameSession> = {}, at = new Date()) => {
    const sessions = new FrameSessions(new EncryptionService(parseEncryptionKeys(bridge.environment.ENCRYPTION_KEY!)));
    const subject = { entity: { type: 'deal' as const, id: '1' } };
    const viewer = { kind: 'card', portalId: 1n, installedAt: 0, userId: '99', accessToken: 'x', subject };
    return sessions.begin({ ...viewer, ...more }, 3_600_000, at);
  };

  it('is asked for by every route', async () => {
    const expired = forge({}, new Date(Date.now() - 3_601_000));
    for (const [method, path, body] of [
      ['GET', 'state'],
      ['GET', 'chats/1/messages'],
      ['POST', 'chats/1/messages', { text: 'x', key: randomUUID() }],
      ['POST', 'chats/1/seen', { messageId: '1' }],
      ['POST', 'invitations', {}],
      ['GET', 'invitations/1/qr.svg'],
    ] as const) {
      expect(refusal(await ask('nobody.signed', method, path, body))).toEqual([401, 'session_invalid']);
      expect(refusal(await ask(expired, method, path, body))).toEqual([401, 'session_expired']);
      // Of another installation, or of a portal that is not there.
      expect(refusal(await ask(forge(), method, path, body))).toEqual([401, 'session_expired']);
      expect(refusal(await ask(forge({ portalId: 999n }), method, path, body))).toEqual([401, 'session_expired']);
    }
  });

  it('of a frame is not begun for a token of nobody, or a form that contradicts its token', async () => {
    const deal = bridge.portal.crm.records.add('DEAL');
    const html = async (change: Record<string, string>) => {
      const frame = formOf(deal);
      Object.assign(frame.form, change);
      return (await bridge.portal.frames.open(frame)).html;
    };
    expect(await html({ AUTH_ID: 'made up' })).toContain('token_refused');
    expect(await html({ AUTH_ID: '' })).toContain('frame_malformed');
    expect(await html({ member_id: stranger.memberId })).toContain('token_refused');
    expect(await html({ APPLICATION_TOKEN: strangersApp.applicationToken })).toContain('token_refused');
    expect(await html({})).toContain('id="bootstrap"');
  });

  it('never shows the token of whoever looks, in the page, in the history or in the log', async () => {
    const deal = bridge.portal.crm.records.add('DEAL');
    const frame = formOf(deal);
    const page = await bridge.portal.frames.open(frame);
    expect(page.html).not.toContain(frame.form['AUTH_ID']);
    expect(page.html).not.toContain(frame.form['REFRESH_ID']);
    expect(bridge.program.tail()).not.toContain(frame.form['AUTH_ID']);
  });
});

describe('another portal', () => {
  it('has its own tabs, entities and conversations', async () => {
    const talk = await Conversation.begin(bridge, 830);
    const lead = entityOf(bridge, talk);
    const { json } = await bridge.program.admin('GET', '/portals');
    const theirs = json.items.find(({ domain }: { domain: string }) => domain === stranger.domain);
    expect(stranger.placements.rows).toEqual([]);
    await switchOn('card', true, stranger);
    expect(stranger.placements.rows).toHaveLength(4);
    bridge.telegram.addBot({ token: OTHER_TOKEN, username: 'other_bot', firstName: 'Other' });
    await bridge.program.admin('POST', '/bots', {
      token: OTHER_TOKEN,
      portalId: theirs.id,
      lineId: LINE,
      mode: 'polling',
    });
    // The same number means something else there.
    const same = stranger.crm.records.add('LEAD', { fields: { TITLE: 'Theirs' } });
    while (stranger.crm.records.of('LEAD').at(-1)!.id < lead.id) stranger.crm.records.add('LEAD');
    const record = stranger.crm.records.find('LEAD', lead.id) ?? same;
    const page = await stranger.openPlacementFrame(strangersApp, {
      placement: 'CRM_LEAD_DETAIL_TAB',
      entity: record.id,
    });
    const { session, state } = bootstrapOf(page);
    expect(state.chats).toEqual([]);
    expect(state.lines).toEqual([{ lineId: LINE, bot: '@other_bot' }]);
    expect(refusal(await ask(session, 'GET', `chats/${talk.chatId}/messages`))).toEqual([404, 'no_chat']);
    expect(refusal(await write(session, talk.chatId, 'x'))).toEqual([404, 'no_chat']);
    // Their token is none of ours, wherever the form says that it is.
    const frame = formOf(lead);
    frame.form['AUTH_ID'] = stranger.issueTokens(strangersApp, 1).accessToken;
    expect((await bridge.portal.frames.open(frame)).html).toContain('token_refused');
  });
});

describe('what is gone', () => {
  it('an erased client leaves nothing in the card, nor a mark of who has read what', async () => {
    const talk = await Conversation.begin(bridge, 840);
    const session = await sessionOf(entityOf(bridge, talk));
    const [newest] = (await ask(session, 'GET', `chats/${talk.chatId}/messages`)).json.items;
    await ask(session, 'POST', `chats/${talk.chatId}/seen`, { messageId: newest.id });
    const erased = await bridge.program.admin('POST', `/chats/${talk.chatId}/erase`, { confirm: 'tg:840' });
    expect(erased.status, erased.text).toBeLessThan(300);
    const { status, json } = await ask(session, 'GET', `chats/${talk.chatId}/messages`);
    expect(status === 404 || json.items.length === 0).toBe(true);
    expect((await write(session, talk.chatId, 'x')).status).toBe(404);
    expect((await ask(session, 'GET', 'state')).json.chats).toEqual([]);
  });

  it('a portal that removed the application opens nothing any more', async () => {
    const talk = await Conversation.begin(bridge, 841);
    const session = await sessionOf(entityOf(bridge, talk));
    const form = formOf(entityOf(bridge, talk));
    bridge.portal.uninstall(bridge.app, { clean: false });
    await eventually(
      async () => refusal(await ask(session, 'GET', 'state'))[0],
      (status) => status === 401,
    );
    expect(refusal(await write(session, talk.chatId, 'x'))).toEqual([401, 'session_expired']);
    expect((await bridge.portal.frames.open(form)).status).toBe(403);
    expect(bridge.portal.placements.rows).toEqual([]);
    // Installed again: the choice is still there, the old page is not.
    await bridge.install();
    await eventually(
      () => bridge.portal.placements.rows.length,
      (count) => count >= 4,
      20_000,
    );
    expect(refusal(await ask(session, 'GET', 'state'))).toEqual([401, 'session_expired']);
  });
});
