import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CRM_TYPES } from '../support/bitrix24-simulator/crm-records.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

let bridge: Bridge;
const crm = () => bridge.portal.crm.records;
const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    installed: false,
  });
  bridge.app.scope = [...bridge.app.scope, 'crm'];
  await bridge.install();
});

afterAll(async () => bridge?.stop());

async function make(body: object): Promise<Json> {
  const { status, json, text } = await admin('POST', '/links', body);
  if (status !== 201) throw new Error(`POST /admin/links: ${status} ${text}`);
  return json;
}

const link = async (id: string): Promise<Json> => (await admin('GET', `/links/${id}`)).json;
const payloadOf = ({ url }: Json) => new URL(url).searchParams.get('start')!;
const linesOf = ({ dialog }: Conversation) => dialog.messages.map(({ text }) => text);
const notesOf = (talk: Conversation) => talk.notes.filter((line) => /^[📎🏷]/u.test(line));
const leadOf = (talk: Conversation) =>
  crm()
    .of('LEAD')
    .find(({ messengers }) => messengers.includes(`imol|${talk.dialog.chat?.userCode}`));

/** The notes about it, once there is one. */
const told = (talk: Conversation, withinMs = 20_000) =>
  eventually(
    () => notesOf(talk),
    (notes) => notes.length > 0,
    withinMs,
  );

describe('a link', () => {
  it('has an address with a code that nobody guesses, and a QR code of it', async () => {
    const made = await make({ name: 'Poster', utm: { source: 'poster', campaign: 'may' } });
    expect(made).toMatchObject({
      url: `https://t.me/shop_bot?start=${made.code}`,
      lineId: LINE,
      state: 'active',
      singleUse: false,
      counts: { pressed: 0, wrote: 0, leads: 0 },
    });
    expect(made.code).toMatch(/^[\w-]{22}$/);
    const svg = await admin('GET', `/links/${made.id}/qr.svg`);
    expect([svg.headers.get('content-type'), svg.text.startsWith('<svg')]).toEqual([
      expect.stringContaining('image/svg+xml'),
      true,
    ]);
    const png = await admin('GET', `/links/${made.id}/qr.png`);
    expect([png.status, png.headers.get('content-type'), png.text.slice(1, 4)]).toEqual([200, 'image/png', 'PNG']);
  });

  it('greets by its own words, counts clients, and names its campaign in the lead, where that is empty', async () => {
    const made = await make({
      name: 'Poster in the shop',
      utm: { source: 'poster', medium: 'offline', campaign: 'may' },
      welcomeText: 'Hello from the poster, {first_name}!',
    });
    const talk = Conversation.of(bridge, 501);
    talk.client.starts(payloadOf(made));
    await eventually(
      () => linesOf(talk),
      (lines) => lines.includes('🔗 The client came by the link: Poster in the shop'),
    );
    expect((await talk.client.receives(1, 15_000)).map(({ text }) => text)).toEqual([
      'Hello from the poster, Client 501!',
    ]);
    talk.client.sends('I want it');
    expect(await told(talk)).toEqual([
      `🏷 Noted in the CRM (lead ${leadOf(talk)!.id}): utm_source=poster, utm_medium=offline, utm_campaign=may`,
    ]);
    expect(leadOf(talk)!.utm).toEqual({ UTM_SOURCE: 'poster', UTM_MEDIUM: 'offline', UTM_CAMPAIGN: 'may' });
    await talk.becomes('I want it', 'delivered');
    const list = await eventually(
      async () => (await admin('GET', '/links')).json.items.find(({ id }: Json) => id === made.id),
      ({ counts }) => counts.leads === 1,
    );
    expect(list.counts).toEqual({ pressed: 1, wrote: 1, leads: 1 });
    talk.client.starts(payloadOf(made));
    await bridge.portal.quiet(6_000);
    expect(notesOf(talk)).toHaveLength(1);
    expect((await link(made.id)).counts.pressed).toBe(1);
    const { json: arrivals } = await admin('GET', `/links/${made.id}/arrivals`);
    expect(arrivals).toMatchObject({
      items: [
        {
          chatId: talk.chatId || expect.any(String),
          title: 'Client 501',
          presses: 2,
          wroteAt: expect.any(String),
          utm: { source: 'poster' },
          found: { type: 'lead', id: String(leadOf(talk)!.id) },
          outcome: expect.stringMatching(/^(?:written|nothing_to_write)$/),
          entity: null,
          obstacle: null,
          nextTryAt: null,
        },
      ],
      nextCursor: null,
    });
    expect((await admin('GET', '/links/999999/arrivals')).status).toBe(404);
  });

  it('teaches the dialog also where nobody saw the answer of the portal, before the client has written', async () => {
    const made = await make({ name: 'Flyer' });
    const talk = Conversation.of(bridge, 520);
    bridge.bitrix24.faults.next('imconnector.send.messages', 'dropAfter', 1, talk.fromClient);
    talk.client.starts(payloadOf(made));
    await talk.becomes('🔗 The client came by the link: Flyer', 'delivered', 40_000);
    const client = new Client({ connectionString: bridge.database.url });
    await client.connect();
    const { rows } = await client
      .query(`SELECT bitrix_chat_id, dialog_open FROM chat_links WHERE external_id = 'tg:520'`)
      .finally(() => client.end());
    expect(rows).toEqual([{ bitrix_chat_id: String(bridge.portal.chat('tg:520').id), dialog_open: true }]);
    expect(linesOf(talk).filter((line) => line.includes('Flyer'))).toHaveLength(1);
  }, 60_000);

  it('leaves what a person has entered', async () => {
    const made = await make({ name: 'Ads', utm: { source: 'ads', campaign: 'june' } });
    const talk = Conversation.of(bridge, 502);
    talk.client.sends('hello');
    await talk.becomes('hello', 'delivered');
    crm().update(leadOf(talk)!, { UTM_SOURCE: 'a friend' });
    talk.client.starts(payloadOf(made));
    expect(await told(talk)).toEqual([`🏷 Noted in the CRM (lead ${leadOf(talk)!.id}): utm_campaign=june`]);
    expect(leadOf(talk)!.utm).toEqual({ UTM_SOURCE: 'a friend', UTM_CAMPAIGN: 'june' });
  });

  it('of somebody else is a campaign by its payload, or by the name that it was given', async () => {
    const talk = Conversation.of(bridge, 503);
    talk.client.starts('roistat_1234');
    expect(await told(talk)).toEqual([`🏷 Noted in the CRM (lead ${leadOf(talk)!.id}): utm_campaign=roistat_1234`]);
    const made = await make({ code: 'ads_may', name: 'Ads in May', utm: { source: 'yandex' } });
    expect((await admin('POST', '/links', { code: 'ads_may', name: 'again' })).json.code).toBe('code_taken');
    const other = Conversation.of(bridge, 504);
    other.client.starts('ads_may');
    expect(await told(other)).toEqual([`🏷 Noted in the CRM (lead ${leadOf(other)!.id}): utm_source=yandex`]);
    expect(linesOf(other)).toContain('🔗 The client came by the link: Ads in May');
    expect((await link(made.id)).counts.pressed).toBe(1);
  });

  it('is told the CRM once there is an entity, also by a program that was killed meanwhile', async () => {
    const line = bridge.portal.lines.lines.get(LINE)!;
    line.crm = 'off';
    const talk = Conversation.of(bridge, 505);
    talk.client.starts('later_7');
    await talk.becomes('🔗 The client came by the link: later_7', 'delivered');
    await bridge.restart({}, 'kill');
    bridge.bitrix24.faults.next('crm.item.update', 'dropAfter', 1);
    talk.dialog.saveToCrm();
    line.crm = 'lead';
    expect(await told(talk, 90_000)).toEqual([`🏷 Noted in the CRM (lead ${leadOf(talk)!.id}): utm_campaign=later_7`]);
    await bridge.portal.quiet(4_000);
    expect(notesOf(talk)).toHaveLength(1);
    expect(leadOf(talk)!.changes).toHaveLength(1);
  }, 150_000);

  it('is changed, closed and deleted', async () => {
    const made = await make({ name: 'Flyer', welcomeText: 'Hi' });
    const patch = async (body: object) => (await admin('PATCH', `/links/${made.id}`, body)).json;
    expect(await patch({ name: 'Flyer 2', utm: { term: 'boots' }, welcomeText: null })).toMatchObject({
      name: 'Flyer 2',
      utm: { term: 'boots' },
      welcomeText: null,
    });
    expect(await patch({ expiresAt: new Date(Date.now() - 1000).toISOString() })).toMatchObject({
      state: 'expired',
      name: 'Flyer 2',
    });
    expect((await admin('DELETE', `/links/${made.id}`)).status).toBe(204);
    expect((await admin('GET', `/links/${made.id}`)).status).toBe(404);
    const audit = (await admin('GET', '/audit')).json.items.map(({ action }: Json) => action);
    expect(audit).toEqual(expect.arrayContaining(['link.create', 'link.update', 'link.remove']));
  });

  it.each([
    [{}, 400],
    [{ name: '' }, 400],
    [{ name: 'a\nb' }, 400],
    [{ name: 'x', code: 'ä' }, 400],
    [{ name: 'x', code: 'btrx0123456789' }, 422],
    [{ name: 'x', code: 'bizChat12' }, 422],
    [{ name: 'x', utm: { source: 'y'.repeat(256) } }, 400],
    [{ name: 'x', utm: { bad: 'y' } }, 400],
    [{ name: 'x', expiresAt: 'tomorrow' }, 400],
    [{ name: 'x', lineId: '999' }, 409],
    [{ name: 'x', portalId: '999' }, 404],
    [{ entity: { type: 'deal', id: '999999' } }, 404],
    [{ entity: { type: 'task', id: '1' } }, 400],
    [{ entity: { type: 'deal', id: '-1' } }, 400],
  ])('%j is refused with %i', async (body, status) => {
    expect((await admin('POST', '/links', body)).status).toBe(status);
  });
});

describe('an invitation', () => {
  function deal(phone?: string) {
    const contact = crm().add('CONTACT', { fields: { NAME: 'Olga' }, ...(phone ? { phones: [phone] } : {}) });
    return crm().add('DEAL', { fields: { TITLE: 'Boots', CONTACT_ID: contact.id } });
  }
  const invite = ({ id }: { id: number }) =>
    make({ entity: { type: 'deal', id: String(id) }, utm: { campaign: 'invite' } });
  const chatsOf = ({ id }: { id: number }) =>
    bridge.portal.crm.dialogs
      .chatsOf({ typeId: CRM_TYPES.DEAL, id }, bridge.portal.lines)
      .map(({ chat }) => chat.externalId);

  it('binds who comes by it to the deal, and makes no second lead where the CRM knows their number', async () => {
    const sale = deal('+7 999 000-06-01');
    const before = crm().of('LEAD').length;
    const made = await invite(sale);
    expect(made).toMatchObject({ name: 'Boots', singleUse: true, entity: { type: 'deal', id: String(sale.id) } });
    expect(new Date(made.expiresAt).getTime()).toBeGreaterThan(Date.now() + 29 * 24 * 3_600_000);
    const talk = Conversation.of(bridge, 601);
    talk.client.starts(payloadOf(made));
    expect(await told(talk)).toEqual([
      `📎 The client came by an invitation and is now linked to the deal “Boots” (${sale.id}).\n` +
        `🏷 Noted in the CRM (deal ${sale.id}): utm_campaign=invite`,
    ]);
    expect(crm().of('LEAD')).toHaveLength(before);
    expect(chatsOf(sale)).toEqual(['tg:601']);
    expect((await link(made.id)).state).toBe('used');
  });

  it('binds to the deal, too, where the CRM knows no number', async () => {
    const sale = deal();
    const talk = Conversation.of(bridge, 602);
    talk.client.starts(payloadOf(await invite(sale)));
    await told(talk);
    expect(chatsOf(sale)).toEqual(['tg:602']);
  });

  it('that somebody else has used, that has expired, or whose deal is gone, brings an ordinary new client', async () => {
    const sale = deal();
    const made = await invite(sale);
    const first = Conversation.of(bridge, 603);
    first.client.starts(payloadOf(made));
    await told(first);
    const second = Conversation.of(bridge, 604);
    second.client.starts(payloadOf(made));
    expect((await told(second))[0]).toContain('Somebody else has already used this invitation');
    expect(chatsOf(sale)).toEqual(['tg:603']);

    const old = await invite(deal());
    await admin('PATCH', `/links/${old.id}`, { expiresAt: new Date(Date.now() - 1000).toISOString() });
    const late = Conversation.of(bridge, 605);
    late.client.starts(payloadOf(old));
    expect((await told(late))[0]).toContain('The invitation has expired');

    const lost = deal();
    const dead = await invite(lost);
    crm().remove(lost);
    const third = Conversation.of(bridge, 606);
    third.client.starts(payloadOf(dead));
    expect((await told(third))[0]).toContain(`no longer in the CRM (deal ${lost.id})`);
    expect(leadOf(third)!.utm).toEqual({ UTM_CAMPAIGN: 'invite' });
  });
});

describe('an application without the scope', () => {
  it('counts links, asks the CRM for nothing, and makes no invitations', async () => {
    bridge.app.scope = bridge.app.scope.filter((scope) => scope !== 'crm');
    await bridge.install();
    const made = await make({ name: 'Counted', utm: { campaign: 'x' } });
    const talk = Conversation.of(bridge, 701);
    talk.client.starts(payloadOf(made));
    await talk.becomes('🔗 The client came by the link: Counted', 'delivered');
    const asked = bridge.portal.calls.length;
    await bridge.portal.quiet(5_000);
    expect(bridge.portal.calls.slice(asked).filter(({ method }) => method.startsWith('crm.'))).toEqual([]);
    expect(leadOf(talk)!.utm).toEqual({});
    expect((await link(made.id)).counts).toEqual({ pressed: 1, wrote: 0, leads: 0 });
    const refused = await admin('POST', '/links', { entity: { type: 'deal', id: '1' } });
    expect([refused.status, refused.json.code]).toEqual([409, 'no_crm_scope']);
    const { json } = await admin('GET', '/doctor');
    expect(json.checks.filter(({ ok }: Json) => !ok)).toEqual([]);
  });
});
