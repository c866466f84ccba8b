import { afterEach, beforeEach, expect, it } from 'vitest';
import { PanelChatsRepository } from '../../src/storage/crm/panel-chats.repository.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { createTestStorage, PORTAL, update } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;

beforeEach(async () => {
  storage = await createTestStorage();
});
afterEach(() => storage.close());

it('how a client came is shown to the portal for which they came, also after their bot has moved to another one', async () => {
  await new IntakeRepository(storage.db).acceptUpdates([{ updates: [update(1, 10, 'hello')] }]);
  const { rows } = await storage.db.query<{ id: bigint }>(`SELECT id FROM chat_links`);
  const chatId = rows[0]!.id;
  await storage.db.query(
    `INSERT INTO arrivals (portal_id, chat_id, payload, utm, entity_type, entity_id)
     VALUES (1, $1, 'ads_may', '{"source": "yandex"}', 'deal', '7')`,
    [chatId],
  );
  await storage.db
    .query(`INSERT INTO portals (id, member_id, domain, client_endpoint, oauth_origin, client_id, connector_id, scope)
    VALUES (2, 'm2', 'other.bitrix24.com', 'https://other.bitrix24.com/rest/', 'https://oauth.bitrix24.tech', 'c', 'tg_bridge', '')`);
  const panel = new PanelChatsRepository(storage.db);
  expect(await panel.arrivals(PORTAL, chatId, 3)).toMatchObject([
    { payload: 'ads_may', entity: { type: 'deal', id: '7' } },
  ]);
  await storage.db.query(`UPDATE bots SET portal_id = 2`);
  await storage.db.query(`UPDATE chat_links SET portal_id = 2`);
  expect(await panel.arrivals(2n, chatId, 3)).toEqual([]);
});
