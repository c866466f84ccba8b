import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, entityOf } from '../support/crm.js';
import { addNeighbour, type Neighbour } from '../support/neighbour.js';
import { registeredTriggers, triggersOf, triggersRan } from '../support/trigger-runs.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
  const { json } = await choose(bridge, 'triggers');
  expect(json).toMatchObject({ feature: 'triggers', wanted: true, state: 'ready', says: 'Triggers: ready.' });
});
afterAll(async () => bridge?.stop());

const registered = (portal = bridge.portal) => registeredTriggers(portal);
const runsOf = (ownerId: number) => triggersOf(bridge.portal, ownerId);

const ran = (talk: Conversation, count: number, timeoutMs?: number) => triggersRan(bridge, talk, count, timeoutMs);
async function rowsOf<Row extends object>(sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  return (await client.query<Row>(sql).finally(() => client.end())).rows;
}
const later = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

it('what the portal executes when the program is killed, or gives no answer to, is not executed again', async () => {
  const talk = await Conversation.begin(bridge, 907);
  await ran(talk, 2);
  bridge.portal.triggers.slowMs = 3_000;
  talk.client.sends('kill');
  await ran(talk, 3);
  await bridge.restart({}, 'kill');
  await rowsOf(`UPDATE trigger_events SET due_at = now() WHERE started_at IS NOT NULL`);
  bridge.portal.triggers.slowMs = 0;
  const uncertain = () =>
    rowsOf<{ outcome: string }>(
      `SELECT outcome FROM trigger_events WHERE event = 'wrote' AND outcome = 'uncertain' AND due_at IS NULL`,
    );
  await eventually(uncertain, (rows) => rows.length === 1, 20_000);
  bridge.bitrix24.faults.next('crm.automation.trigger.execute', 'dropAfter');
  talk.client.sends('cut');
  await ran(talk, 4);
  await later(6_000);
  expect(runsOf(entityOf(bridge, talk).id)).toHaveLength(4);
  talk.client.sends('on it goes');
  expect(await ran(talk, 5)).toHaveLength(5);
}, 90_000);

it('killed before it asked, it executes what was committed', async () => {
  const talk = await Conversation.begin(bridge, 908);
  await ran(talk, 2);
  talk.client.sends('early');
  await talk.becomes('early', 'delivered');
  await bridge.restart({}, 'kill');
  expect(await ran(talk, 3, 80_000)).toHaveLength(3);
}, 120_000);

it('a slow trigger delays no message, and none of another portal', async () => {
  const neighbour: Neighbour = await addNeighbour(bridge, { line: '31', token: '31:neighbour', username: 'next_bot' });
  await bridge.program.admin('PATCH', `/portals/${neighbour.portalId}/features/triggers`, { wanted: true });
  expect(registered(neighbour.portal)).toHaveLength(6);
  bridge.portal.triggers.slowMs = 20_000;
  const talk = await Conversation.begin(bridge, 909);
  await ran(talk, 1);
  const client = neighbour.bot.client({ id: 910, first_name: 'Next' });
  client.sends('hello neighbour');
  await eventually(
    () => neighbour.portal.triggers.runs.map(({ code }) => code).toSorted(),
    (codes) => codes.join() === 'tg_client_wrote,tg_client_wrote_first',
    12_000,
  );
  expect(bridge.portal.triggers.runs.every(({ ownerId }) => ownerId > 0)).toBe(true);
  talk.client.sends('fast');
  await talk.becomes('fast', 'delivered', 5_000);
  bridge.portal.triggers.slowMs = 0;
}, 60_000);
