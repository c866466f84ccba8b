import { afterAll, beforeAll, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
});
afterAll(async () => bridge?.stop());

const write = (chatId: string, body: unknown) => bridge.program.admin('POST', `/chats/${chatId}/messages`, body);

it('writes to whoever ever wrote, once for each key, and shows it to the operators', async () => {
  const talk = await Conversation.begin(bridge, 501);
  const [one, two] = await Promise.all([1, 2].map(() => write(talk.chatId, { text: 'Hi [b]!', key: 'k1' })));
  expect([one!.status, two!.status]).toEqual([200, 200]);
  expect(one!.json.messageId).toBe(two!.json.messageId);
  expect([one!.json.isRepeated, two!.json.isRepeated].toSorted()).toEqual([false, true]);
  await eventually(
    () => talk.reached,
    (texts) => texts.length > 0,
  );
  const notes = await talk.hasNotes(1);
  expect(notes).toEqual([expect.stringMatching(/✉️ Written by an administrator:\nHi \[\u200bb\]!$/)]);
  const again = await write(talk.chatId, { text: 'Hi [b]!', key: 'k1' });
  expect(again.json).toEqual({ messageId: one!.json.messageId, isRepeated: true });
  expect(talk.reached).toEqual(['Hi [b]!']);
  const { json } = await bridge.program.admin('GET', `/messages/${one!.json.messageId}`);
  expect(json).toMatchObject({ kind: 'api', state: 'delivered', authorId: null, bitrixMessageId: null });
});

it('without a key each is a message of its own; a key that belongs to another message is refused', async () => {
  const talk = await Conversation.begin(bridge, 502);
  const other = await Conversation.begin(bridge, 503);
  for (const text of ['same', 'same']) expect((await write(talk.chatId, { text })).json.isRepeated).toBe(false);
  expect((await write(talk.chatId, { text: 'first', key: 'k2' })).status).toBe(200);
  const refusals = [
    await write(talk.chatId, { text: 'second', key: 'k2' }),
    await write(other.chatId, { text: 'first', key: 'k2' }),
  ];
  expect(refusals.map(({ status, json }) => [status, json.code])).toEqual([
    [409, 'key_reused'],
    [409, 'key_reused'],
  ]);
  await eventually(
    () => talk.reached,
    (texts) => texts.length === 3,
  );
  expect(other.reached).toEqual([]);
});

it('knows a message by its key also where PostgreSQL cannot keep its words as they came', async () => {
  const talk = await Conversation.begin(bridge, 507);
  // Half of an emoji, as scripts leave it that cut a text by its length.
  const body = { text: 'Cut \ud83d', key: 'k3' };
  const [first, again] = [await write(talk.chatId, body), await write(talk.chatId, body)];
  expect([first.status, again.status, again.json.isRepeated]).toEqual([200, 200, true]);
  expect(again.json.messageId).toBe(first.json.messageId);
});

it('refuses an Idempotency-Key that is too long: two that begin alike are two', async () => {
  const talk = await Conversation.begin(bridge, 508);
  const named = (key: string) =>
    bridge.program.request(
      'POST',
      `/admin/chats/${talk.chatId}/messages`,
      { text: 'same' },
      {
        authorization: `Bearer ${bridge.program.adminKey}`,
        'idempotency-key': key,
      },
    );
  const kept = [await named('x'.repeat(199) + '1'), await named('x'.repeat(199) + '2')];
  expect(kept.map(({ status, json }) => [status, json.isRepeated])).toEqual([
    [200, false],
    [200, false],
  ]);
  expect((await named('x'.repeat(201))).status).toBe(400);
});

it('where no session is open it opens none: the operators read it with the next words of the client', async () => {
  const talk = await Conversation.begin(bridge, 504);
  talk.dialog.finish();
  await write(talk.chatId, { text: 'Still interested?' });
  await eventually(
    () => talk.reached,
    (texts) => texts.includes('Still interested?'),
  );
  const sessions = talk.dialog.chat!.sessions.length;
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(talk.dialog.chat!.sessions.length).toBe(sessions);
  talk.client.sends('Yes');
  await talk.becomes('Yes', 'delivered');
  await eventually(
    () => talk.notes,
    (notes) => notes.some((note) => note.includes('Still interested?')),
  );
});

it('says why it did not arrive', async () => {
  const talk = await Conversation.begin(bridge, 505);
  const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
  bridge.telegram.faults.next('sendMessage', { status: 403, body }, 1, talk.toClient);
  await write(talk.chatId, { text: 'Are you there?' });
  const [note] = await talk.hasNotes(1);
  expect(note).toContain('Not delivered to the client: the client blocked the bot');
});

it('takes no empty text, no key of nothing, no chat that is not there', async () => {
  const talk = await Conversation.begin(bridge, 506);
  const answers = [
    await write(talk.chatId, { text: ' \n' }),
    await write(talk.chatId, {}),
    await write(talk.chatId, { text: 5 }),
    await write(talk.chatId, { text: 'x'.repeat(20_001) }),
    await write(talk.chatId, { text: 'x', key: '' }),
    await write('999999', { text: 'x' }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([400, 400, 400, 400, 400, 404]);
});
