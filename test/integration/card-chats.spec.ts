import { Client } from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CardChatsRepository } from '../../src/storage/crm/card-chats.repository.js';
import type { SendSource } from '../../src/storage/crm/send-requests.js';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { createTestStorage, operatorMessage, PORTAL, update } from '../support/storage.js';

const ANN = 10;
const OTHERS = 2n;

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let cards: CardChatsRepository;
let chatId: bigint;
let said = 0;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  cards = new CardChatsRepository(storage.db);
  await clientSays('hello');
  [{ id: chatId }] = (await storage.db.query<{ id: bigint }>('SELECT id FROM chat_links')).rows as [{ id: bigint }];
});
afterEach(() => storage.close());

const clientSays = (text: string) => intake.acceptClientUpdates([update(++said, ANN, text)]);
const says = (source: SendSource) =>
  intake.acceptSendRequests([
    { portalId: PORTAL, source, key: source, chatId, words: { text: source, marks: [] }, bulk: source === 'broadcast' },
  ]);
const newest = async () => (await storage.db.query<{ id: bigint }>('SELECT max(id) AS id FROM messages')).rows[0]!.id;
const unread = async (userId = '27') =>
  (await cards.list(PORTAL, userId, [chatId])).map((chat) => [chat.unread, chat.firstUnreadId]);

describe('what somebody has not seen of a chat', () => {
  it('is what nobody has answered, until they have looked', async () => {
    expect(await unread()).toEqual([[1, await newest()]]);
    await intake.acceptOperatorMessages([operatorMessage(5, ANN, 'Good day')]);
    expect(await unread()).toEqual([[0, null]]);
    await clientSays('one');
    const first = await newest();
    await clientSays('two');
    expect(await unread()).toEqual([[2, first]]);
    await cards.read(PORTAL, '27', chatId, first);
    expect(await unread()).toEqual([[1, await newest()]]);
    expect(await unread('28')).toEqual([[2, first]]);
    // A page that was slow tells of less.
    await cards.read(PORTAL, '27', chatId, await newest());
    await cards.read(PORTAL, '27', chatId, first);
    expect(await unread()).toEqual([[0, null]]);
  });

  it('is not answered by what the program or the portal says by itself', async () => {
    const first = await newest();
    await intake.acceptOperatorMessages([
      {
        ...operatorMessage(5, ANN, 'We shall answer soon.'),
        said: { ...operatorMessage(5, ANN, '').said, authorId: '0' },
      },
    ]);
    for (const source of ['robot', 'sms', 'broadcast'] as const) await says(source);
    expect(await unread()).toEqual([[1, first]]);
  });

  it.each(['card', 'answer', 'api'] as const)('is answered by %s', async (source) => {
    await says(source);
    expect(await unread()).toEqual([[0, null]]);
  });

  it('is nobody’s business in another portal, and gone with the chat', async () => {
    await cards.read(OTHERS, '27', chatId, await newest());
    await cards.read(PORTAL, '27', chatId, await newest());
    expect(await cards.list(OTHERS, '27', [chatId])).toEqual([]);
    const marks = async () => (await storage.db.query('SELECT portal_id FROM chat_reads')).rows;
    expect(await marks()).toEqual([{ portal_id: PORTAL }]);
    await storage.db.query('DELETE FROM messages');
    await storage.db.query('DELETE FROM chat_links');
    expect(await marks()).toEqual([]);
    await cards.read(PORTAL, '27', chatId, 1n);
    expect(await marks()).toEqual([]);
  });

  it('waits for whoever has the portal before it touches the chat', async () => {
    const eraser = new Client({ connectionString: storage.url });
    await eraser.connect();
    try {
      await eraser.query('BEGIN');
      await eraser.query('SELECT FROM portals WHERE id = 1 FOR UPDATE');
      const reading = cards.read(PORTAL, '27', chatId, 1n);
      await new Promise((resolve) => setTimeout(resolve, 300));
      // In the other order each would wait for the other: a deadlock.
      await eraser.query('DELETE FROM messages');
      await eraser.query('DELETE FROM chat_links');
      await eraser.query('COMMIT');
      await reading;
      expect((await storage.db.query('SELECT FROM chat_reads')).rowCount).toBe(0);
    } finally {
      await eraser.end();
    }
  });
});
