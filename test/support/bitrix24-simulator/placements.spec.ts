import { describe, expect, it } from 'vitest';
import {
  app,
  b24,
  call,
  connect,
  errorOf,
  listener,
  portal,
  post,
  received,
  renewToken,
  useSimulator,
} from './spec.rig.js';

useSimulator();

async function withScopes(scope = ['imopenlines', 'imconnector', 'im', 'user', 'crm', 'placement']): Promise<void> {
  await connect();
  app.scope = scope;
  renewToken();
}

const handler = () => `${listener.origin}/card`;
const tab = (more = {}) => ({ PLACEMENT: 'CRM_DEAL_DETAIL_TAB', HANDLER: handler(), TITLE: 'Telegram', ...more });
const sidebar = (options = {}) => ({
  PLACEMENT: 'IM_SIDEBAR',
  HANDLER: handler(),
  OPTIONS: { iconName: 'fa-telegram', context: 'LINES', ...options },
});
const bind = async (params: object, as?: string) => {
  const answer = await call('placement.bind', params, as);
  return [answer.status, answer.body.error ?? answer.body.result, answer.body.error_description];
};

describe('placements', () => {
  it('are checked in the order of the portal', async () => {
    await connect();
    expect(errorOf(await call('placement.bind', tab()))[1]).toBe('insufficient_scope');
    await withScopes();
    const clerk = portal.issueTokens(app, 5).accessToken;
    expect(await bind({}, clerk)).toEqual([403, 'ACCESS_DENIED', 'Access denied!']);
    const webhook = await post(`${portal.addWebhook()}placement.bind`, JSON.stringify(tab()));
    expect([webhook.status, webhook.body.error]).toEqual([403, 'WRONG_AUTH_TYPE']);
    expect((await bind(tab({ PLACEMENT: undefined })))[1]).toBe('ERROR_ARGUMENT');
    expect(await bind(tab({ HANDLER: '' }))).toEqual([
      400,
      'ERROR_ARGUMENT',
      "Argument 'The URL of the placement handler is not specified' is null or empty",
    ]);
    expect((await bind(tab({ HANDLER: 'https://localhost/x' })))[1]).toBe('ERROR_WRONG_HANDLER_URL');
    expect(await bind(tab({ PLACEMENT: 'CRM_DYNAMIC_183_DETAIL_TAB' }))).toEqual([
      400,
      'ERROR_PLACEMENT_NOT_FOUND',
      'Placement not found',
    ]);
    expect(await bind(tab({ USER_ID: 5 }))).toEqual([400, 'ERROR_PLACEMENT_USER_MODE', 'User mode is not available.']);
    expect(await bind(tab())).toEqual([200, true, undefined]);
    expect(await bind(tab({ TITLE: 'Other' }))).toEqual([
      400,
      'ERROR_CORE',
      'Unable to set placement handler: Handler already binded',
    ]);
    expect((await bind(tab({ HANDLER: `${handler()}/2` })))[1]).toBe(true);
  });

  it('are not there for an application without their scope, nor for a smart process that is not', async () => {
    await withScopes(['imopenlines', 'placement']);
    expect((await bind(tab()))[1]).toBe('ERROR_PLACEMENT_NOT_FOUND');
    expect((await bind(sidebar()))[1]).toBe(true);
    await withScopes();
    portal.crm.records.add(183);
    expect((await bind(tab({ PLACEMENT: 'crm_dynamic_183_detail_tab' })))[1]).toBe(true);
    const { result } = (await call('placement.list')).body;
    expect(result).toEqual(expect.arrayContaining(['CRM_DEAL_DETAIL_TAB', 'CRM_DYNAMIC_183_DETAIL_TAB', 'IM_SIDEBAR']));
    expect(result).not.toContain('CONTACT_CENTER');
  });

  it('of the messenger want an icon, and are refused with 200 where an option is wrong', async () => {
    await withScopes();
    expect(await bind({ ...sidebar(), OPTIONS: {} })).toEqual([
      400,
      'ERROR_ARGUMENT',
      "Argument 'iconName' is null or empty",
    ]);
    expect((await bind(sidebar({ iconName: '' }))).slice(0, 2)).toEqual([200, 'EMPTY_ERROR_ICON_NAME']);
    expect((await bind(sidebar({ context: 'OPENLINES' }))).slice(0, 2)).toEqual([200, 'INVALID_ERROR_CONTEXT']);
    expect((await bind(sidebar({ role: 'BOSS' }))).slice(0, 2)).toEqual([200, 'INVALID_ERROR_ROLE']);
    const area = { ...sidebar({ height: 200 }), PLACEMENT: 'IM_TEXTAREA' };
    expect((await bind(area)).slice(0, 2)).toEqual([200, 'INVALID_ERROR_HEIGHT']);
    expect(await bind(sidebar({ unknown: 'x' }))).toEqual([200, true, undefined]);
    expect(portal.placements.rows[0]!.options).not.toHaveProperty('unknown');
  });

  it('count twice when they are unbound, and go with the application', async () => {
    await withScopes();
    await bind(tab());
    await bind(tab({ HANDLER: `${handler()}/2`, LANG_ALL: { ru: { TITLE: 'Телеграм' } } }));
    const rows = (await call('placement.get')).body.result;
    expect(rows).toMatchObject([
      { placement: 'CRM_DEAL_DETAIL_TAB', handler: handler(), langAll: { en: { TITLE: 'Telegram' } } },
      { handler: `${handler()}/2`, langAll: { ru: { TITLE: 'Телеграм' } } },
    ]);
    const unbind = async (params: object) => (await call('placement.unbind', params)).body.result;
    expect(await unbind({ PLACEMENT: 'CRM_DEAL_DETAIL_TAB', HANDLER: handler() })).toEqual({ count: 2 });
    expect(await unbind({ PLACEMENT: 'NO_SUCH_PLACE' })).toEqual({ count: 0 });
    portal.uninstall(app, { clean: false });
    expect(portal.placements.rows).toEqual([]);
  });

  it('tell their frame where it stands, and act for who looks', async () => {
    await withScopes();
    await bind(tab());
    await bind({ ...sidebar(), HANDLER: `${listener.origin}/sidebar` });
    const deal = portal.crm.records.add('DEAL');
    await portal.openPlacementFrame(app, { placement: 'CRM_DEAL_DETAIL_TAB', entity: deal.id, user: 5, lang: 'ru' });
    const card = received.at(-1)!;
    expect(card.path).toBe('/card');
    expect(card.form).toMatchObject({ PLACEMENT: 'CRM_DEAL_DETAIL_TAB', member_id: portal.memberId });
    expect(JSON.parse(card.form['PLACEMENT_OPTIONS'] as string)).toEqual({
      ID: String(deal.id),
      URI: `/crm/type/2/details/${deal.id}/`,
    });
    expect((await call('profile', {}, card.form['AUTH_ID'] as string)).body.result.ID).toBe('5');
    await portal.openPlacementFrame(app, { placement: 'IM_SIDEBAR', chat: 12, withUri: false });
    expect(JSON.parse(received.at(-1)!.form['PLACEMENT_OPTIONS'] as string)).toEqual({ dialogId: 'chat12' });

    deal.hiddenFrom.add(5);
    const shown = (user: number) =>
      portal.openPlacementFrame(app, { placement: 'CRM_DEAL_DETAIL_TAB', entity: deal.id, user });
    await expect(shown(5)).rejects.toThrow('closed');
    const token = portal.issueTokens(app, 5).accessToken;
    expect((await call('crm.item.get', { entityTypeId: 2, id: deal.id }, token)).body.error).toBe('ACCESS_DENIED');
    portal.users.get(1)!.appAccess = false;
    await expect(shown(1)).rejects.toThrow('Nobody is shown');
  });

  it('are opened in a browser by the control API', async () => {
    await withScopes();
    await bind(tab());
    const routes = `${b24.controlUrl}/portals/${portal.memberId}`;
    const body = { clientId: app.clientId, page: 'placement', placement: 'CRM_DEAL_DETAIL_TAB', entity: 0 };
    const { url } = (await post(`${routes}/frames`, JSON.stringify(body))).body;
    expect(await (await fetch(url)).text()).toContain('CRM_DEAL_DETAIL_TAB');
    const { items } = (await (await fetch(`${routes}/placements`)).json()) as { items: unknown[] };
    expect(items).toMatchObject([{ clientId: app.clientId, placement: 'CRM_DEAL_DETAIL_TAB', handler: handler() }]);
  });
});
