import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Bridge } from '../support/bridge.js';
import { bridgeWithScopes, choose } from '../support/crm.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
});
afterAll(async () => bridge?.stop());

const ofDomain = () => ({
  robots: () => bridge.portal.robots.all.size,
  sms: () => bridge.portal.messageService.senders.size,
  triggers: () => bridge.portal.triggers.all.size,
});

it.each([
  ['robots', 'bizproc.robot.delete', { status: 400, error: 'ERROR_ACTIVITY_NOT_FOUND', description: 'Not found!' }],
  ['sms', 'messageservice.sender.delete', { status: 400, error: 'ERROR_SENDER_NOT_FOUND', description: 'Not found!' }],
  ['triggers', 'crm.automation.trigger.delete', { status: 400, error: '', description: 'Trigger not found' }],
] as const)('%s that somebody else has taken away meanwhile are away', async (feature, method, refusal) => {
  expect((await choose(bridge, feature)).json.state).toBe('ready');
  const registered = ofDomain()[feature];
  const count = registered();
  // Listed a moment ago, deleted by another process since.
  bridge.bitrix24.faults.next(method, refusal);
  const { json } = await choose(bridge, feature, false);
  expect(json).toMatchObject({ wanted: false, state: 'off', says: null });
  expect([count > 0, registered()]).toEqual([true, 1]);
  // Any other refusal is none of that kind: it is tried again.
  expect((await choose(bridge, feature)).json.state).toBe('ready');
  bridge.bitrix24.faults.next(method, { status: 400, error: 'ERROR_CORE', description: 'Deadlock found' });
  expect((await choose(bridge, feature, false)).json.state).toBe('failed');
  expect((await choose(bridge, feature, false)).json.state).toBe('off');
  expect(registered()).toBe(0);
});
