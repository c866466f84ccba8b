import { beforeEach, expect, it } from 'vitest';
import { app, bind, call, connect, element, events, OPERATOR, portal, send, useSimulator } from './spec.rig.js';
import { SESSION_STATUS } from './sessions.js';

useSimulator();
beforeEach(() => connect());

const dialog = () => portal.dialog('tg:777');
const session = () => dialog().session!;
const line = (id: string) => element(id, 'Reaction: 👍', { user_id: 0, disable_crm: 'Y' });
const note = (words = 'Not delivered', more = {}) =>
  call('im.message.add', {
    DIALOG_ID: `chat${dialog().chat!.id}`,
    MESSAGE: words,
    SYSTEM: 'Y',
    SKIP_CONNECTOR: 'Y',
    ...more,
  });
const entityData = async () =>
  (await call('imopenlines.dialog.get', { CHAT_ID: dialog().chat!.id })).body.result.entity_data_1.split('|');

it('opens a session for a message of author 0, too, and tells who opened it', async () => {
  await bind('OnImConnectorDialogStart');
  await send(line('1'));
  expect(session()).toMatchObject({ closed: false, openedBy: 'system' });
  dialog().closeSession();
  await send(element('2', 'hi'));
  expect(session()).toMatchObject({ closed: false, openedBy: 'client' });
  await portal.events.idle();
  expect(events('ONIMCONNECTORDIALOGSTART')).toHaveLength(2);
});

it('lets a message of author 0 wake a session that was answered or is being closed', async () => {
  portal.lines.lines.get('1')!.closingText = 'Goodbye.';
  await send(element('1', 'hi'));
  portal.operator(OPERATOR).sends('tg:777', 'hello');
  expect(session().status).toBe(SESSION_STATUS.operatorAnswered);
  dialog().finish();
  expect(session()).toMatchObject({ status: SESSION_STATUS.beingClosed, waitAction: true, closed: false });
  expect((await entityData()).slice(4, 6)).toEqual(['Y', String(session().id)]);
  await send(line('2'));
  expect(session()).toMatchObject({ status: SESSION_STATUS.clientWaitsAgain, waitAction: false });
  expect(session().woken).toMatchObject([{ cause: 'system', from: SESSION_STATUS.beingClosed }]);
  dialog().finish();
  dialog().finish();
  expect(session().closed).toBe(true);
  expect((await entityData()).slice(4, 6)).toEqual(['N', '0']);
});

it('takes lines of the system past every session, from members and from those who may join', async () => {
  await send(element('1', 'hi'));
  portal.operator(OPERATOR).sends('tg:777', 'hello');
  dialog().closeSession();
  expect((await note()).status).toBe(200);
  expect(dialog().messages.at(-1)).toMatchObject({
    author: 'system',
    text: `[b]${app.clientId}[/b]\nNot delivered`,
    sessionId: 0,
    sending: false,
  });
  expect(dialog().chat!.sessions).toHaveLength(1);
  expect(session().woken).toEqual([]);
  const history = (await call('imopenlines.session.history.get', { SESSION_ID: session().id })).body.result.message;
  expect(Object.values(history)).toHaveLength(2);
  portal.lines.lines.get('1')!.joinable = false;
  expect((await note()).body.error).toBe('PARAMS_ERROR');
  portal.chat('tg:777').members.add(1);
  expect((await note()).status).toBe(200);
});

it('shows in the history of a session what lies between its first and its last message, by id', async () => {
  await send(element('1', 'hi'));
  portal.operator(OPERATOR).sends('tg:777', 'hello');
  const first = session();
  expect(first.endId).toBe(0);
  dialog().closeSession();
  expect([first.startId, first.endId]).toEqual([0, dialog().messages.at(-1)!.id]);
  await note();
  const between = dialog().messages.at(-1)!.id;
  await send(element('2', 'again'));
  const second = session();
  expect(second.startId).toBe(between + 1);
  const shown = async (which: object) =>
    Object.values<{ text: string }>((await call('imopenlines.session.history.get', which)).body.result.message).map(
      ({ text }) => text,
    );
  expect(await shown({ SESSION_ID: first.id })).toEqual(['hi', 'hello']);
  expect(await shown({ CHAT_ID: dialog().chat!.id })).toEqual(['again']);
  // Opened again, a session has no end: what was said meanwhile outside of every session is shown in it.
  dialog().closeSession();
  await note();
  second.endId = 0;
  expect(await shown({ SESSION_ID: second.id })).toHaveLength(2);
});
