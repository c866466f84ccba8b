import { afterEach, beforeEach, expect, it } from 'vitest';
import { EntityChatsRepository } from '../../src/storage/crm/entity-chats.repository.js';
import { BOT, createTestStorage, PORTAL } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;

beforeEach(async () => {
  storage = await createTestStorage();
});
afterEach(() => storage.close());

it('whoever came by an invitation is found with the number that they have shared, or none', async () => {
  await storage.db.query(
    `WITH chats AS (
       INSERT INTO chat_links (bot_id, portal_id, external_id, external_user_id, telegram_chat_id, title, phone)
       VALUES ($1, $2, 'tg:1', 'tg:1', 1, 'Ann', NULL), ($1, $2, 'tg:2', 'tg:2', 2, 'Bob', '+79990000712')
       RETURNING id, portal_id)
     INSERT INTO arrivals (portal_id, chat_id, payload, found_type, found_id)
     SELECT portal_id, id, '', 'dynamic_177', '5' FROM chats ORDER BY id`,
    [BOT, PORTAL],
  );
  const found = await new EntityChatsRepository(storage.db).invited(PORTAL, { type: 'dynamic_177', id: '5' });
  expect(found.map(({ title, phone }) => [title, phone])).toEqual([
    ['Bob', '+79990000712'],
    ['Ann', null],
  ]);
});
