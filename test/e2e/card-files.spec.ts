import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes, choose, CRM_SCOPES, entityOf } from '../support/crm.js';

const OPERATOR = 27;
const COLLEAGUE = 28;

let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes([...CRM_SCOPES, 'placement']);
  bridge.portal.operator({ id: OPERATOR, name: 'Samantha Johnson' });
  bridge.portal.operator({ id: COLLEAGUE, name: 'Ann Colleague' });
  expect((await choose(bridge, 'card')).json.state).toBe('ready');
});
afterAll(async () => bridge?.stop());

async function sessionOf(talk: Conversation, user = OPERATOR): Promise<string> {
  const entity = entityOf(bridge, talk).id;
  const where = { placement: 'CRM_LEAD_DETAIL_TAB', entity, user };
  const page = await bridge.portal.openPlacementFrame(bridge.app, where);
  return JSON.parse(/id="bootstrap">(.*?)<\/script>/.exec(page.html)![1]!).session;
}
async function upload(path: string, key: string, name: string, content: Buffer) {
  const response = await fetch(`${bridge.program.url}${path}/files/${encodeURIComponent(name)}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' },
    body: content,
  });
  const json = await response.json();
  return { status: response.status, json: json as { id: string; code: string; size: number; mime: string } };
}
const attach = (session: string, { chatId }: Conversation, name: string, content = Buffer.from(name)) =>
  upload(`/b24/card/api/chats/${chatId}`, session, name, content);
const write = (session: string, { chatId }: Conversation, body: object) =>
  bridge.program.request('POST', `/b24/card/api/chats/${chatId}/messages`, body, {
    authorization: `Bearer ${session}`,
  });
const refusal = ({ status, json }: { status: number; json: { code: string } }) => [status, json.code];
const filesOf = ({ client }: Conversation) =>
  bridge.telegram.ledger().flatMap(({ chatId, file }) => (chatId === client.id && file ? [file.fileName] : []));

describe('files that an employee attaches in a card', () => {
  it('reach the client with the words, once for each key, also after a restart, and stand in the dialog', async () => {
    const talk = await Conversation.begin(bridge, 901);
    const session = await sessionOf(talk);
    const price = await attach(session, talk, 'Прайс (май).pdf', Buffer.alloc(700_000, 7));
    expect(price).toMatchObject({ status: 200, json: { size: 700_000, mime: 'application/pdf' } });
    const plan = await attach(session, talk, 'plan.zip');
    await bridge.restart();
    const message = { text: 'As promised', files: [price.json.id, plan.json.id], key: randomUUID() };
    const [one, two] = await Promise.all([write(session, talk, message), write(session, talk, message)]);
    expect([one.status, two.status], one.text).toEqual([200, 200]);
    expect(one.json.messageId).toBe(two.json.messageId);
    await talk.becomes('As promised', 'delivered');
    expect(filesOf(talk)).toEqual(['Прайс (май).pdf', 'plan.zip']);
    const [note] = await eventually(
      () => talk.notes.filter((line) => line.startsWith('✍️')),
      (notes) => notes.length > 0,
    );
    expect(note).toBe('✍️ Written in the CRM card (Samantha Johnson):\nAs promised\n📎 Прайс (май).pdf\n📎 plan.zip');
    expect(refusal(await write(session, talk, { ...message, files: [plan.json.id] }))).toEqual([409, 'key_reused']);
    expect(refusal(await write(session, talk, { ...message, files: [] }))).toEqual([409, 'key_reused']);
    // Files need no words.
    const alone = await attach(session, talk, 'alone.txt');
    expect((await write(session, talk, { text: '', files: [alone.json.id], key: randomUUID() })).status).toBe(200);
    await eventually(
      () => filesOf(talk),
      (names) => names.includes('alone.txt'),
    );
  });

  it('are nobody else’s, and of no other conversation', async () => {
    const [talk, other] = [await Conversation.begin(bridge, 902), await Conversation.begin(bridge, 903)];
    const session = await sessionOf(talk);
    const { id } = (await attach(session, talk, 'mine.txt')).json;
    const message = () => ({ text: 'x', files: [id], key: randomUUID() });
    expect(refusal(await write(await sessionOf(talk, COLLEAGUE), talk, message()))).toEqual([409, 'attachment_gone']);
    expect(refusal(await write(await sessionOf(other), other, message()))).toEqual([409, 'attachment_gone']);
    expect(refusal(await bridge.program.admin('POST', `/chats/${talk.chatId}/messages`, message()))).toEqual([
      409,
      'attachment_gone',
    ]);
    expect(refusal(await attach(session, other, 'x.txt'))).toEqual([404, 'no_chat']);
    expect(refusal(await attach('nobody', talk, 'x.txt'))).toEqual([401, 'session_invalid']);
    expect(talk.sends + other.sends).toBe(0);
  });

  it('are refused where they are none, too large or too many', async () => {
    const talk = await Conversation.begin(bridge, 904);
    const session = await sessionOf(talk);
    expect(refusal(await attach(session, talk, 'empty.txt', Buffer.alloc(0)))).toEqual([400, 'file_empty']);
    expect(refusal(await attach(session, talk, 'a/b'))).toEqual([400, 'bad_file_name']);
    expect(refusal(await attach(session, talk, 'large.bin', Buffer.alloc(50 * 1024 * 1024 + 1)))).toEqual([
      413,
      'file_too_large',
    ]);
    expect((await attach(session, talk, 'fits.bin', Buffer.alloc(50 * 1024 * 1024))).status).toBe(200);
    const ids = Array.from({ length: 11 }, (_, at) => String(at + 1));
    for (const files of [ids, ['1', '1'], ['x'], [1], 'x', ['0']]) {
      expect((await write(session, talk, { text: 'x', files, key: randomUUID() })).status).toBe(400);
    }
    expect((await write(session, talk, { text: ' ', files: [], key: randomUUID() })).status).toBe(400);
    expect(refusal(await write(session, talk, { text: 'x', files: ['999'], key: randomUUID() }))).toEqual([
      409,
      'attachment_gone',
    ]);
  }, 60_000);
});

it('files that the API uploads go with what it writes', async () => {
  const talk = await Conversation.begin(bridge, 905);
  const path = `/admin/chats/${talk.chatId}`;
  const { json: file } = await upload(path, bridge.program.adminKey, 'contract.pdf', Buffer.from('%PDF'));
  const message = { text: 'Please sign', files: [file.id], key: 'contract' };
  const send = () => bridge.program.admin('POST', `/chats/${talk.chatId}/messages`, message);
  const [one, again] = [await send(), await send()];
  expect([one.json.isRepeated, again.json]).toEqual([false, { messageId: one.json.messageId, isRepeated: true }]);
  await talk.becomes('Please sign', 'delivered');
  expect(filesOf(talk)).toEqual(['contract.pdf']);
  expect((await upload('/admin/chats/999999', bridge.program.adminKey, 'x', Buffer.from('x'))).status).toBe(404);
  // Somebody who removed the application leaves no page behind that could still bring files.
  const session = await sessionOf(talk);
  bridge.portal.uninstall(bridge.app, { clean: false });
  const refused = await eventually(
    async () => refusal(await attach(session, talk, 'x.txt')),
    ([status]) => status === 401,
  );
  expect(refused).toEqual([401, 'session_expired']);
});
