import { describe, expect, it } from 'vitest';
import {
  app,
  call,
  connect,
  errorOf,
  lastReceived,
  listener,
  portal,
  received,
  renewToken,
  useSimulator,
} from './spec.rig.js';

useSimulator();

async function withScopes(): Promise<void> {
  app.scope = ['imopenlines', 'imconnector', 'im', 'user', 'crm', 'bizproc', 'messageservice'];
  renewToken();
  await connect();
}

const robot = (more = {}) => ({
  CODE: 'tg_send',
  HANDLER: `${listener.origin}/robots`,
  NAME: { en: 'Send', ru: 'Отправить' },
  USE_SUBSCRIPTION: 'Y',
  PROPERTIES: { text: { Name: 'Text', Type: 'text' }, file: { Name: 'File' } },
  RETURN_PROPERTIES: { status: { Name: 'Status', Type: 'string' } },
  ...more,
});
const add = async (more = {}) => errorOf(await call('bizproc.robot.add', robot(more))).slice(1);
const idle = () => portal.events.idle();

describe('robots', () => {
  it('are checked in the order of the portal', async () => {
    await connect();
    expect((await add())[0]).toBe('insufficient_scope');
    await withScopes();
    portal.robots.plan.robots = false;
    expect((await add())[0]).toBe('ERROR_METHOD_NOT_FOUND');
    portal.robots.plan.robots = true;
    expect(await add({ CODE: '', HANDLER: '' })).toEqual(['ERROR_ACTIVITY_VALIDATION_FAILURE', 'Empty activity code!']);
    expect((await add({ CODE: 'tg send', HANDLER: '' }))[1]).toBe('Wrong activity code!');
    expect(await add({ HANDLER: 'https://localhost/x', NAME: '' })).toEqual([
      'ERROR_WRONG_HANDLER_URL',
      'Wrong handler URL',
    ]);
    expect((await add({ NAME: '', PROPERTIES: 'x' }))[1]).toBe('Empty activity NAME!');
    expect((await add({ PROPERTIES: { '1a': {} } }))[1]).toBe('Wrong property key (1a)!');
    expect((await add({ PROPERTIES: { a: {} } }))[1]).toBe('Empty property NAME (a)!');
    expect((await add({ FILTER: 'x' }))[1]).toBe('Wrong activity FILTER!');
    expect(await add()).toEqual([undefined, undefined]);
    expect((await add())[0]).toBe('ERROR_ACTIVITY_ALREADY_INSTALLED');
    expect((await call('bizproc.robot.list')).body.result).toEqual(['tg_send']);
    expect((await call('bizproc.activity.list')).body.result).toEqual([]);
    const other = portal.issueTokens(app, 5).accessToken;
    expect((await call('bizproc.robot.list', {}, other)).body.error).toBe('ACCESS_DENIED');
  });

  it('post once, without an event, and heed the first answer only', async () => {
    await withScopes();
    await call('bizproc.robot.add', robot());
    const run = portal.robots.run(app, 'tg_send', { properties: { text: 'Hi' } });
    await idle();
    const { form } = lastReceived();
    expect(form).toMatchObject({
      code: 'tg_send',
      document_id: ['crm', 'CCrmDocumentDeal', 'DEAL_1'],
      event_token: run.eventToken,
    });
    expect(form).toMatchObject({ properties: { text: 'Hi', file: '' }, auth: { refresh_token: expect.any(String) } });
    expect(form).not.toHaveProperty('event');
    const send = (EVENT_TOKEN: string, STATUS: string) =>
      call('bizproc.event.send', { EVENT_TOKEN, RETURN_VALUES: { STATUS, other: 1 } });
    expect((await send(`${run.eventToken}0`, 'x')).status).toBe(403);
    expect((await send(run.eventToken, 'delivered')).body.result).toBe(true);
    expect((await send(run.eventToken, 'failed')).body.result).toBe(true);
    expect(run.returned).toEqual({ status: 'delivered' });
    const late = portal.robots.run(app, 'tg_send', { timeoutSeconds: 60 });
    portal.clock.advance(61_000);
    expect((await send(late.eventToken, 'delivered')).body.error).toBeUndefined();
    expect(late.returned).toEqual({ IsTimeout: 1 });
  });

  it('go with a new version of the application', async () => {
    await withScopes();
    await call('bizproc.robot.add', robot());
    await call('messageservice.sender.add', {
      CODE: 'tg',
      TYPE: 'SMS',
      HANDLER: `${listener.origin}/sms`,
      NAME: 'Telegram',
    });
    portal.updateApp(app);
    expect((await call('bizproc.robot.list')).body.result).toEqual([]);
    expect((await call('messageservice.sender.list')).body.result).toEqual([]);
    expect(() => portal.robots.run(app, 'tg_send')).toThrow('not found');
  });
});

describe('the message service', () => {
  it('posts what the card sends, and takes statuses from the author or an administrator', async () => {
    await withScopes();
    const sender = { CODE: 'tg', TYPE: 'sms', HANDLER: `${listener.origin}/sms`, NAME: 'Telegram' };
    expect((await call('messageservice.sender.add', sender)).body.error_description).toBe(
      'Unknown sender message TYPE!',
    );
    await call('messageservice.sender.add', { ...sender, TYPE: 'SMS' });
    const sms = portal.messageService.send(app, 'tg', { phone: '8 (999) 000-00-00', text: 'Hi', bindings: [[2, 7]] });
    await idle();
    expect(lastReceived().form).toMatchObject({
      module_id: 'crm',
      bindings: [{ OWNER_TYPE_ID: '2', OWNER_ID: '7' }],
      message_to: '+79990000000',
      message_id: sms.messageId,
    });
    const status = (STATUS: string, as?: string) =>
      call('messageservice.message.status.update', { CODE: 'tg', MESSAGE_ID: sms.messageId, STATUS }, as);
    expect((await status('read')).body.error).toBe('ERROR_MESSAGE_STATUS_INCORRECT');
    expect((await status('delivered', portal.issueTokens(app, 5).accessToken)).status).toBe(403);
    expect((await status('delivered')).body.result).toBe(true);
    expect(sms.status).toBe('delivered');
    received.length = 0;
    portal.messageService.send(app, 'tg', {
      phone: '+79990000000',
      text: 'x',
      author: 0,
      module: 'sender',
      lateMs: 5_000,
    });
    await idle();
    expect(lastReceived().form).not.toHaveProperty('auth');
  });
});

describe('triggers', () => {
  it('are of administrators and of applications, and refuse without a code', async () => {
    await withScopes();
    const said = async (method: string, params: object, token?: string) =>
      errorOf(await call(`crm.automation.trigger.${method}`, params, token));
    const worker = portal.issueTokens(app, 5).accessToken;
    expect(await said('list', {}, worker)).toEqual([403, 'ACCESS_DENIED', 'Access denied! Admin permissions required']);
    expect(await said('add', { CODE: '', NAME: '' })).toEqual([400, '', 'Empty trigger code!']);
    expect(await said('add', { CODE: 'a b', NAME: '' })).toEqual([400, '', 'Wrong trigger code!']);
    expect(await said('add', { CODE: 'ab', NAME: '' })).toEqual([400, '', 'Empty trigger name!']);
    expect(await said('delete', {})).toEqual([400, '', 'Empty trigger code!']);
    expect(await said('delete', { CODE: 'ab' })).toEqual([400, '', 'Trigger not found']);
    await call('crm.automation.trigger.add', { CODE: 'ab', NAME: 'AB' });
    expect(await said('execute', { CODE: 'ab', OWNER_TYPE_ID: 99 })).toEqual([
      400,
      '',
      'Incorrect parameter OWNER_TYPE_ID.',
    ]);
    expect(await said('execute', { CODE: 'ab', OWNER_TYPE_ID: 2 })).toEqual([400, '', 'Incorrect parameter OWNER_ID.']);
  });

  it('fire for an open deal of the contact', async () => {
    await withScopes();
    const contact = portal.crm.records.add('CONTACT');
    const deal = portal.crm.records.add('DEAL', { fields: { CONTACT_ID: contact.id } });
    const run = { CODE: 'tg_message', OWNER_TYPE_ID: 3, OWNER_ID: contact.id };
    const unknown = await call('crm.automation.trigger.execute', run);
    expect(errorOf(unknown)).toEqual([400, '', 'Trigger with code tg_message is not registered.']);
    for (const NAME of ['One', 'Two']) await call('crm.automation.trigger.add', { CODE: 'tg_message', NAME });
    expect((await call('crm.automation.trigger.list')).body.result).toEqual([{ NAME: 'Two', CODE: 'tg_message' }]);
    expect((await call('crm.automation.trigger.execute', run)).body.result).toBe(true);
    expect(portal.triggers.runs).toEqual([
      { code: 'tg_message', ownerTypeId: 3, ownerId: contact.id, fired: [`2_${deal.id}`] },
    ]);
  });
});
