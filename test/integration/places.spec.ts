import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { IntakeRepository } from '../../src/storage/intake/intake.repository.js';
import { parseUpdate } from '../../src/telegram/inbound/update.parser.js';
import { BOT, createTestStorage } from '../support/storage.js';

let storage: Awaited<ReturnType<typeof createTestStorage>>;
let intake: IntakeRepository;
let updateId: number;

beforeEach(async () => {
  storage = await createTestStorage();
  intake = new IntakeRepository(storage.db);
  updateId = 0;
});

afterEach(() => storage.close());

const ivan = { id: 777, is_bot: false, first_name: 'Ivan' };
const group = { id: -500, type: 'group', title: 'Buyers' };
const supergroup = { id: -1_001_500, type: 'supergroup', title: 'Buyers' };
const message = (chat: object, more: object) => ({
  message: { message_id: ++updateId, date: 1, chat, from: ivan, ...more },
});

/** The updates as one batch of a poll. */
async function receive(...updates: object[]) {
  await intake.acceptClientUpdates(
    updates.map((update) => parseUpdate({ update_id: ++updateId, ...update }, BOT, 'en')),
  );
}
const chats = async () =>
  (
    await storage.db.query(
      `SELECT external_id, telegram_chat_id::text AS at, title, type, state FROM chat_links ORDER BY id`,
    )
  ).rows;
const relayed = async () =>
  (
    await storage.db.query<{ text: string; external_id: string }>(
      `SELECT c.external_id, m.text FROM messages m JOIN chat_links c ON c.id = m.chat_id
        WHERE m.state = 'queued' ORDER BY m.id`,
    )
  ).rows.map(({ external_id, text }) => `${external_id} ${text.replace('\n', ' ')}`);

describe('a group that becomes a supergroup', () => {
  const moved = [
    message(group, { migrate_to_chat_id: -1_001_500 }),
    message(supergroup, { migrate_from_chat_id: -500 }),
  ];
  const here = [{ external_id: 'tg:-500', at: '-1001500', title: 'Buyers', type: 'supergroup', state: 'active' }];

  it('keeps its dialog and is written to in its new place', async () => {
    await receive(message(group, { text: 'before' }));
    await receive(moved[0]!);
    await receive(moved[1]!);
    await receive(message(supergroup, { text: 'after' }));
    expect(await chats()).toEqual(here);
    expect(await relayed()).toEqual(['tg:-500 Ivan: before', 'tg:-500 Ivan: after']);
  });

  it('in one batch, in any order of the notices', async () => {
    for (const notices of [moved, moved.toReversed(), moved.slice(0, 1), moved.slice(1)]) {
      await storage.db.query('TRUNCATE chat_links CASCADE');
      await receive(message(group, { text: 'before' }), ...notices, message(supergroup, { text: 'after' }));
      expect(await chats()).toEqual(here);
    }
  });

  it('never moves back, whatever comes late from the old group', async () => {
    await receive(message(group, { text: 'before' }));
    await receive(...moved);
    const left = {
      chat: group,
      from: ivan,
      date: 1,
      old_chat_member: { status: 'member' },
      new_chat_member: { status: 'left' },
    };
    await receive({ my_chat_member: left });
    expect(await chats()).toEqual(here);
  });
});

describe('a topic of a forum', () => {
  const inTopic = (more: object) => message(supergroup, { is_topic_message: true, message_thread_id: 9, ...more });
  const first = { reply_to_message: { message_id: 9, chat: supergroup, forum_topic_created: { name: 'Delivery' } } };
  const title = async () => (await chats())[0]!.title;

  it('has the name that it was given last, whatever its messages say', async () => {
    await receive(inTopic({ text: 'an answer to somebody' }));
    expect(await title()).toBe('Buyers');
    await receive(inTopic({ text: 'an answer to somebody' }), inTopic({ text: 'hi', ...first }));
    expect(await title()).toBe('Delivery');
    await receive(inTopic({ text: 'an answer to somebody' }));
    expect(await title()).toBe('Delivery');
    await receive(inTopic({ forum_topic_edited: { name: 'Returns' } }), inTopic({ text: 'more', ...first }));
    expect(await title()).toBe('Returns');
    await receive(inTopic({ text: 'and more', ...first }));
    expect(await title()).toBe('Returns');
  });
});

describe('what is kept for the record only', () => {
  it('changes neither the state of a chat nor when its client last wrote', async () => {
    const blocked = { old_chat_member: { status: 'member' }, new_chat_member: { status: 'left' } };
    await receive(message(group, { text: 'hi' }));
    await receive({ my_chat_member: { chat: group, from: ivan, date: 1, ...blocked } });
    await storage.db.query(`UPDATE chat_links SET last_inbound_at = NULL`);
    await receive(message(group, { left_chat_member: { id: 1, is_bot: true, first_name: 'Our bot' } }));
    const { rows } = await storage.db.query(`SELECT state, state_reason, last_inbound_at FROM chat_links`);
    expect(rows).toEqual([
      { state: 'blocked', state_reason: 'The bot was removed from the chat', last_inbound_at: null },
    ]);
    expect(await relayed()).toEqual(['tg:-500 Ivan: hi', 'tg:-500 ➖ The bot was removed from the chat']);
    await receive(message(group, { text: 'back' }));
    expect(await chats()).toMatchObject([{ state: 'active' }]);
  });
});
