import { describe, expect, it } from 'vitest';
import { app, call, connect, element, errorOf, portal, renewToken, send, useSimulator } from './spec.rig.js';

useSimulator();

const SCOPES = ['imopenlines', 'imconnector', 'im', 'user', 'crm'];

async function withCrm(settings: { crm?: 'off' | 'search' | 'lead' | 'deal' } = {}): Promise<void> {
  app.scope = SCOPES;
  Object.assign(portal.lines.lines.get('1')!, settings);
  renewToken();
  await connect();
}

const dialogData = async () => {
  const { result } = (await call('imopenlines.dialog.get', { CHAT_ID: portal.chat('tg:777').id })).body;
  return [result.entity_data_1.split('|').slice(0, 3).join('|'), result.entity_data_2];
};

const lead = () => portal.crm.records.of('LEAD')[0]!;

describe('a session', () => {
  it('makes a lead that the dialog names, and finds it again', async () => {
    await withCrm();
    await send(element('tg:777:1', 'Hello'));
    const { id, fields } = lead();
    expect(fields).toMatchObject({ SOURCE_ID: '1|tg_bridge', NAME: 'Ivan', LAST_NAME: 'Petrov' });
    expect(await dialogData()).toEqual([`Y|LEAD|${id}`, `LEAD|${id}|COMPANY|0|CONTACT|0|DEAL|0`]);
    portal.dialog('tg:777').closeSession();
    await send(element('tg:777:2', 'And again'));
    expect(portal.crm.records.of('LEAD')).toHaveLength(1);
    expect(portal.crm.dialogs.activities.size).toBe(2);
  });

  it('finds the contact by its phone, and the deal that is open', async () => {
    await withCrm();
    const contact = portal.crm.records.add('CONTACT', { fields: { NAME: 'Ivan' }, phones: ['8 (999) 000-00-01'] });
    portal.crm.records.add('DEAL', { fields: { CONTACT_ID: contact.id, STAGE_ID: 'WON' } });
    const deal = portal.crm.records.add('DEAL', { fields: { CONTACT_ID: String(contact.id) } });
    const first = element('tg:777:1', 'Hello');
    await send({ ...first, user: { ...(first['user'] as object), phone: '+79990000001' } });
    expect(portal.crm.records.of('LEAD')).toEqual([]);
    const [primary, all] = await dialogData();
    expect(primary).toBe(`Y|DEAL|${deal.id}`);
    expect(all).toBe(`LEAD|0|COMPANY|0|CONTACT|${contact.id}|DEAL|${deal.id}`);
  });

  it('is left alone where the line has no CRM, until an operator saves it', async () => {
    await withCrm({ crm: 'off' });
    await send(element('tg:777:1', 'Hello'));
    expect(await dialogData()).toEqual(['N|NONE|0', '']);
    portal.dialog('tg:777').saveToCrm();
    expect((await dialogData())[0]).toBe(`Y|LEAD|${lead().id}`);
  });

  it('may be saved by its operator alone', async () => {
    await withCrm({ crm: 'off' });
    await send(element('tg:777:1', 'Hello'));
    const CHAT_ID = portal.chat('tg:777').id;
    expect((await call('imopenlines.crm.lead.create', { CHAT_ID })).body.error).toBe('ERROR_USER_NOT_OPERATOR');
    portal.operator({ id: 1 }).sends('tg:777', 'Good afternoon');
    expect((await call('imopenlines.crm.lead.create', { CHAT_ID })).body.result).toBe(true);
    expect(portal.crm.records.of('LEAD')).toHaveLength(1);
  });
});

describe('entities', () => {
  it('are closed to an application without the scope', async () => {
    await connect();
    expect(errorOf(await call('crm.item.get', { entityTypeId: 2, id: 1 })).slice(0, 2)).toEqual([
      401,
      'insufficient_scope',
    ]);
  });

  it('have UTM fields for texts only', async () => {
    await withCrm();
    const deal = portal.crm.records.add('DEAL', { fields: { TITLE: 'Boots', UTM_SOURCE: 'telegram' } });
    const write = (fields: object) => call('crm.item.update', { entityTypeId: 2, id: deal.id, fields });
    await write({ utmMedium: 'cpc', utmTerm: 7 });
    await call('crm.deal.update', { id: deal.id, fields: { UTM_CAMPAIGN: 'may', UTM_CONTENT: null } });
    const read = await call('crm.item.get', { entityTypeId: 2, id: deal.id });
    expect(read.body.result.item).toMatchObject({
      utmSource: 'telegram',
      utmMedium: 'cpc',
      utmCampaign: 'may',
      utmContent: null,
      utmTerm: null,
    });
    await write({ utmSource: '' });
    expect((await call('crm.deal.get', { id: deal.id })).body.result).toMatchObject({
      UTM_SOURCE: null,
      UTM_MEDIUM: 'cpc',
    });
  });

  it('are refused with a code, or without one by the older methods', async () => {
    await withCrm();
    expect(errorOf(await call('crm.item.get', { entityTypeId: 1, id: 9 }))).toEqual([
      400,
      'NOT_FOUND',
      'Item not found',
    ]);
    expect(errorOf(await call('crm.lead.get', { id: 9 }))).toEqual([400, '', 'Not found']);
    const hidden = portal.crm.records.add('LEAD');
    hidden.hiddenFrom.add(1);
    expect((await call('crm.item.get', { entityTypeId: 1, id: hidden.id })).body.error).toBe('ACCESS_DENIED');
    expect((await call('crm.item.list', { entityTypeId: 1 })).body).toMatchObject({ result: { items: [] }, total: 0 });
  });

  it('are listed by filter, fifty at a time', async () => {
    await withCrm();
    for (let n = 0; n < 60; n += 1) portal.crm.records.add('DEAL', { fields: { CONTACT_ID: n % 2 === 0 ? 5 : 6 } });
    const all = await call('crm.item.list', { entityTypeId: 2, order: { id: 'DESC' } });
    expect(all.body).toMatchObject({ total: 60, next: 50 });
    expect(all.body.result.items[0].id).toBe(1260);
    const some = await call('crm.item.list', { entityTypeId: 2, filter: { contactId: 6 }, start: 0 });
    expect(some.body.total).toBe(30);
  });
});

describe('dialogs of an entity', () => {
  const chatsOf = (params: object) => call('imopenlines.crm.chat.get', params);

  it('are those whose session is bound to it, active ones unless asked for all', async () => {
    await withCrm();
    await send(element('tg:777:1', 'Hello'));
    const entity = { CRM_ENTITY_TYPE: 'lead', CRM_ENTITY: lead().id };
    expect((await chatsOf(entity)).body.result).toEqual([]);
    const chat = { CHAT_ID: String(portal.chat('tg:777').id), CONNECTOR_ID: 'tg_bridge', CONNECTOR_TITLE: 'Telegram' };
    expect((await chatsOf({ ...entity, ACTIVE_ONLY: 'N' })).body.result).toEqual([chat]);
    portal.operator({ id: 1 }).sends('tg:777', 'Good afternoon');
    expect((await chatsOf(entity)).body.result).toEqual([chat]);
    expect((await chatsOf({ crm_entity_type: 'lead', crm_entity: 1 })).body.error).toBe('ERROR_ARGUMENT');
    expect((await chatsOf({ CRM_ENTITY_TYPE: 'DYNAMIC_183', CRM_ENTITY: 1 })).body.result).toEqual([]);
  });

  it('grow by bindings of the activity, which the dialog does not tell', async () => {
    await withCrm();
    await send(element('tg:777:1', 'Hello'));
    const deal = portal.crm.records.add('DEAL');
    const before = await dialogData();
    const found = await call('crm.activity.list', {
      filter: { PROVIDER_ID: 'IMOPENLINES_SESSION', ASSOCIATED_ENTITY_ID: portal.dialog('tg:777').session!.id },
    });
    const [{ ID: activityId, PROVIDER_PARAMS }] = found.body.result;
    expect(PROVIDER_PARAMS.USER_CODE).toBe(portal.chat('tg:777').userCode);
    const bind = (entityId: number) => call('crm.activity.binding.add', { activityId, entityTypeId: 2, entityId });
    expect((await bind(deal.id)).body.result).toBe(true);
    expect((await bind(deal.id)).body.error).toBe('ACTIVITY_IS_ALREADY_BOUND');
    expect((await bind(9)).body.error).toBe('OWNER_NOT_FOUND');
    expect(
      (await chatsOf({ CRM_ENTITY_TYPE: 'DEAL', CRM_ENTITY: deal.id, ACTIVE_ONLY: 'N' })).body.result,
    ).toHaveLength(1);
    const bound = await call('crm.activity.list', { filter: { BINDINGS: [{ OWNER_TYPE_ID: 2, OWNER_ID: deal.id }] } });
    expect(bound.body.result).toHaveLength(1);
    expect(await dialogData()).toEqual(before);
  });
});

it('directories: an administrator adds a source once', async () => {
  await withCrm();
  const fields = { ENTITY_ID: 'SOURCE', STATUS_ID: 'TG_ADS', NAME: 'Telegram Ads' };
  expect((await call('crm.status.add', { fields })).body.result).toBeGreaterThan(0);
  expect((await call('crm.status.add', { fields })).body.error).toBe('ERROR_CORE');
  const found = await call('crm.status.list', { filter: { ENTITY_ID: 'SOURCE', STATUS_ID: 'TG_ADS' } });
  expect(found.body).toMatchObject({ result: [{ NAME: 'Telegram Ads', SYSTEM: 'N' }], total: 1 });
});
