import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BotsRepository } from '../../src/storage/accounts/bots.repository.js';
import { EntityChatsRepository } from '../../src/storage/crm/entity-chats.repository.js';
import { ChatsRepository } from '../../src/storage/history/chats.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { EndpointsRepository } from '../../src/storage/work/endpoints.repository.js';
import { LanesRepository } from '../../src/storage/work/lanes.repository.js';
import { BOT, createTestStorage, endHolds, operatorMessage, PORTAL, update } from '../support/storage.js';

const HOME = { portalId: PORTAL, lineId: '7' };
const PLACES = [
  ['another line', { portalId: PORTAL, lineId: '8' }],
  ['another portal', { portalId: 2n, lineId: '7' }],
  ['no line', null],
] as const;
const MINUTES = 30;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let bots: BotsRepository;
let chats: ChatsRepository;
let intake: IntakeRepository;

beforeEach(async () => {
  storage = await createTestStorage();
  await storage.db.query(
    `INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id)
     VALUES (2, 'm2', 'b.bitrix24.com', 'https://b.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge')`,
  );
  bots = new BotsRepository(storage.db);
  chats = new ChatsRepository(storage.db);
  intake = new IntakeRepository(storage.db);
  await intake.acceptClientUpdates([update(1, 10, 'hello')]);
});

afterEach(() => storage.close());

const knowsDialog = (id: string) =>
  storage.db.query(`UPDATE chat_links SET bitrix_chat_id = $1, bitrix_session_id = '3', looked_session_id = '2'`, [id]);
const looked = async (portalId = PORTAL) =>
  (await chats.activeDialogs(portalId, MINUTES, 10)).map(({ bitrixChatId, lineId }) => `${lineId}: ${bitrixChatId}`);
const count = async () => (await storage.db.query(`SELECT FROM left_dialogs`)).rowCount;

describe.each(PLACES)('dialogs that a bot left for %s', (_, place) => {
  it('are looked through for lost events like those where it is', async () => {
    await knowsDialog('500');
    await bots.assign(BOT, place);
    const [dialog, ...others] = await chats.activeDialogs(PORTAL, MINUTES, 10);
    expect(others).toEqual([]);
    expect(dialog).toMatchObject({
      externalId: 'tg:10',
      lineId: '7',
      bitrixChatId: '500',
      bitrixSessionId: '3',
      lookedSessionId: '2',
    });
    expect(await looked(2n)).toEqual([]);
    expect(await chats.untoldDialogs(PORTAL, [{ bitrixChatId: '500', newMessageId: '77' }])).toMatchObject([
      { bitrixChatId: '500', lineId: '7' },
    ]);
  });

  it('are looked through once when it is back', async () => {
    await knowsDialog('500');
    await bots.assign(BOT, place);
    await bots.assign(BOT, HOME);
    expect(await looked()).toEqual(['7: 500']);
    await knowsDialog('500');
    expect(await looked()).toEqual(['7: 500']);
  });

  it('remember up to where they were looked through, and the ones of its new place do not', async () => {
    await knowsDialog('500');
    const { chatId } = (await chats.activeDialogs(PORTAL, MINUTES, 10))[0]!;
    await bots.assign(BOT, place);
    await chats.saveLookedSessions(PORTAL, [{ chatId, bitrixChatId: '500', sessionId: '9' }]);
    const [dialog] = await chats.activeDialogs(PORTAL, MINUTES, 10);
    expect(dialog).toMatchObject({ lookedSessionId: '9' });
    const { rows } = await storage.db.query(`SELECT looked_session_id AS looked FROM chat_links`);
    expect(rows).toEqual([{ looked: '2' }]);
  });

  it('are known also when the answer that tells of them came after it had gone', async () => {
    const lanes = new LanesRepository(storage.db);
    const leases = await new EndpointsRepository(storage.db).acquire('me', 10);
    await endHolds(storage.db);
    const lease = leases.find(({ endpoint }) => endpoint === 'portal:1')!;
    const [lane] = await lanes.claim(lease, 1, 1);
    await bots.assign(BOT, place);
    const deliveries = lane!.deliveries.map(({ seq }) => ({ seq, outcome: 'delivered' as const }));
    const chat = { bitrixChatId: '500', bitrixSessionId: '3' };
    await lanes.settle([{ lease, lanes: [{ lane: lane!, dueInMs: 0, deliveries, chat }] }], 'me');
    expect(await looked()).toEqual(['7: 500']);
  });

  it('are known by an answer there, and for a week after the last one', async () => {
    await storage.db.query(`UPDATE messages SET state = 'delivered'`);
    await bots.assign(BOT, place);
    await intake.acceptOperatorMessages([{ ...operatorMessage(1, 10, 'answer'), bitrixChatId: '500' }]);
    expect(await looked()).toEqual(['7: 500']);
    await storage.db.query(`UPDATE left_dialogs SET left_at = now() - interval '8 days'`);
    await intake.acceptOperatorMessages([{ ...operatorMessage(2, 10, 'another'), bitrixChatId: '500' }]);
    expect(await chats.forgetLeftDialogs(10)).toBe(0);
    await storage.db.query(`UPDATE left_dialogs SET left_at = now() - interval '8 days'`);
    expect(await chats.forgetLeftDialogs(10)).toBe(1);
    expect(await looked()).toEqual([]);
  });

  it('go with the chat', async () => {
    await knowsDialog('500');
    await bots.assign(BOT, place);
    expect(await count()).toBe(1);
    await bots.remove(BOT);
    expect(await count()).toBe(0);
  });
});

it('the client of an entity is found by the dialog that the bot left, once, and by no other portal', async () => {
  const entities = new EntityChatsRepository(storage.db);
  const found = async (portalId: bigint, ...dialogs: string[]) =>
    (await entities.inDialogs(portalId, dialogs)).map(({ externalId }) => externalId);
  await knowsDialog('500');
  await bots.assign(BOT, { portalId: PORTAL, lineId: '8' });
  expect(await found(PORTAL, '500')).toEqual(['tg:10']);
  await knowsDialog('600');
  expect(await found(PORTAL, '600', '500')).toEqual(['tg:10']);
  expect(await found(2n, '500', '600')).toEqual([]);
  await bots.assign(BOT, { portalId: 2n, lineId: '7' });
  expect(await found(PORTAL, '500', '600')).toEqual([]);
  expect(await found(2n, '500', '600')).toEqual([]);
});

it('a dialog in which nobody wrote for a week is not remembered', async () => {
  await knowsDialog('500');
  await storage.db.query(`UPDATE chat_links SET last_inbound_at = now() - interval '8 days'`);
  await bots.assign(BOT, null);
  expect(await count()).toBe(0);
});
