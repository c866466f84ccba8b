import { Client } from 'pg';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation, noteOf } from '../support/conversation.js';

let bridge: Bridge;

beforeAll(async () => {
  // The webhook is repeated by Telegram when its answer is lost.
  bridge = await Bridge.start({ environment: { TG_USE_POLLING: '0' } });
  await welcomes('Hello {first_name}!\nAre you {name}? {other} [b]');
});
afterAll(async () => bridge?.stop());

async function welcomes(welcomeText: string | null): Promise<void> {
  const { json } = await bridge.program.admin('GET', '/portals');
  const path = `/portals/${json.items[0].id}/lines/${LINE}`;
  expect((await bridge.program.admin('PATCH', path, { welcomeText })).status).toBe(200);
}

/** Rows of the program's own tables, for what no route shows. */
async function rowsOf<Row extends Record<string, unknown>>(sql: string): Promise<Row[]> {
  const client = new Client({ connectionString: bridge.database.url });
  await client.connect();
  return client
    .query<Row>(sql)
    .then(({ rows }) => rows)
    .finally(() => client.end());
}

/** What the operators see, in order. */
const dialogOf = ({ dialog }: Conversation) =>
  dialog.messages.map((message) => `${message.author}: ${noteOf(message)}`);
const delivered = (id: number) =>
  bridge.bot
    .client({ id, first_name: `Client ${id}` })
    .receives(1, 15_000)
    .then((messages) => messages.map(({ text }) => text));

it('answers each Start at once, once, and shows the operators what the client has read', async () => {
  const talk = Conversation.of(bridge, 201);
  talk.client.sends('/start from_site');
  expect(await delivered(201)).toEqual(['Hello Client 201!\nAre you Client 201? {other} [b]']);
  await eventually(
    () => dialogOf(talk),
    (lines) => lines.length >= 2,
  );
  const [start, note] = dialogOf(talk);
  expect(start).toBe('client: 🔗 The client came by the link: from_site');
  expect(note).toMatch(/^system: .*👋 The bot answered \/start:\nHello Client 201!/s);

  talk.answers('I am here');
  await eventually(
    () => talk.reached,
    (texts) => texts.length === 2,
  );
  talk.client.sends('/start');
  await eventually(
    () => talk.reached,
    (texts) => texts.length === 3,
  );
  expect(talk.reached.map((text) => text.split('\n')[0])).toEqual([
    'Hello Client 201!',
    'I am here',
    'Hello Client 201!',
  ]);

  const [item] = await eventually(
    () => bridge.messages('&direction=outbound&q=Hello'),
    (items) => items.length === 2 && items.every(({ state }) => state === 'delivered'),
  );
  expect(item).toMatchObject({ kind: 'welcome', authorId: null, bitrixMessageId: null });
  await eventually(
    () => dialogOf(talk).filter((line) => line.includes('👋')),
    (notes) => notes.length === 2,
  );
  const { json } = await bridge.program.admin('GET', `/messages/${String(item!.id)}`);
  expect(json.timeline.map(({ what, kind }: { what: string; kind?: string }) => kind ?? what)).toEqual(
    expect.arrayContaining(['received', 'stored', 'message', 'delivered', 'note']),
  );
  // Only the operator's answer is reported as delivered, and as read once the client goes on.
  const rows = await rowsOf<{ kind: string }>(
    `SELECT a.kind::text FROM attempts a JOIN messages m ON m.id = a.message_id WHERE m.kind = 'welcome'`,
  );
  expect(new Set(rows.map(({ kind }) => kind))).toEqual(new Set(['message', 'note']));
});

it('answers an update that comes again only once', async () => {
  const talk = Conversation.of(bridge, 202);
  const update = {
    update_id: 900_001,
    message: {
      message_id: 5,
      date: Math.floor(Date.now() / 1000),
      chat: { id: 202, type: 'private', first_name: 'Client 202' },
      from: { id: 202, is_bot: false, first_name: 'Client 202' },
      text: '/start',
    },
  };
  talk.client.sends('hello');
  await talk.becomes('hello', 'delivered');
  for (let time = 0; time < 3; time++) expect((await bridge.program.post('/tg/webhook', update)).status).toBe(200);
  await Promise.all([1, 2].map(() => bridge.program.post('/tg/webhook', { ...update, update_id: 900_002 })));
  await eventually(
    () => talk.reached,
    (texts) => texts.length >= 2,
  );
  talk.answers('that is all');
  await eventually(
    () => talk.reached,
    (texts) => texts.includes('that is all'),
  );
  expect(talk.reached).toHaveLength(3);
});

it('says why the client has not read it when Telegram refuses', async () => {
  const talk = await Conversation.begin(bridge, 203);
  const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
  bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, talk.toClient);
  talk.client.sends('/start');
  const note = await eventually(
    () => talk.notes.find((line) => line.includes('⚠️')),
    (line) => line !== undefined,
  );
  expect(note).toContain('Not delivered to the client: the client blocked the bot');
  expect(note).toContain('Hello Client 203!');
  const silent = await Conversation.begin(bridge, 204);
  bridge.telegram.faults.next('sendMessage', 'dropAfter', 1, silent.toClient);
  silent.client.sends('/start');
  await eventually(
    () => silent.notes,
    (notes) => notes.some((line) => line.includes('It is not known whether the client received')),
  );
  expect(silent.sends).toBe(1);
});

it('says nothing to others: other words, groups, Business, banned chats, lines without a welcome', async () => {
  const group = bridge.bot.group({ id: -500, type: 'group', title: 'Club' });
  const member = { id: 301, first_name: 'Member' };
  group.sets('administrator', member);
  group.says(member, '/start');
  const banned = await Conversation.begin(bridge, 302);
  expect((await bridge.program.admin('POST', `/chats/${banned.chatId}/ban`)).status).toBeLessThan(300);
  banned.client.sends('/start');
  const talk = Conversation.of(bridge, 303);
  talk.client.sends('/started, or so I think');
  talk.client.sends('please /start');
  await talk.becomes('please /start', 'delivered');
  await welcomes(null);
  talk.client.sends('/start');
  await talk.becomes('▶️ The client pressed Start', 'delivered');
  const rows = await rowsOf(
    `SELECT c.external_id FROM messages m JOIN chat_links c ON c.id = m.chat_id
      WHERE m.kind = 'welcome' AND c.telegram_chat_id IN (-500, 302, 303)`,
  );
  expect(rows).toEqual([]);
});
