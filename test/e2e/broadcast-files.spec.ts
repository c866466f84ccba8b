import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, type Bridge } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { bridgeWithScopes } from '../support/crm.js';
import { addNeighbour } from '../support/neighbour.js';

/** Bodies of the admin API; tests read them freely. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const MB = 1024 * 1024;
let bridge: Bridge;

beforeAll(async () => {
  bridge = await bridgeWithScopes();
});
afterAll(async () => bridge?.stop());

const admin = async (method: string, path: string, body?: unknown, status = 200): Promise<Json> => {
  const answer = await bridge.program.admin(method, path, body);
  expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.json)}`).toBe(status);
  return answer.json;
};

let next = 45_000;
/** Clients whom this tag finds, and nobody else. */
async function clients(name: string, count: number): Promise<Conversation[]> {
  const talks = Array.from({ length: count }, () => Conversation.of(bridge, ++next));
  for (const talk of talks) talk.client.sends('hello');
  for (const talk of talks) {
    talk.chatId = (await talk.becomes('hello', 'delivered')).chatId;
    await admin('PATCH', `/chats/${talk.chatId}`, { tags: [name] });
  }
  return talks;
}

const make = (name: string, more: Json = {}): Promise<Json> =>
  admin('POST', '/broadcasts', { name, text: `News of ${name}`, audience: { tags: [name] }, ...more }, 201);
const start = ({ id }: Json) => admin('POST', `/broadcasts/${id}/start`);
const becomes = ({ id }: Json, state: string): Promise<Json> =>
  eventually(
    () => admin('GET', `/broadcasts/${id}`),
    (report) => report.state === state,
    30_000,
  );
const inShort = (talk: Conversation) =>
  bridge.telegram
    .ledger()
    .filter(({ chatId }) => chatId === talk.client.id)
    .map(({ kind, text, caption }) => (kind === 'text' ? text : `${kind} "${caption ?? ''}"`));
const pdf = (name: string, size = 0) =>
  bridge.portal.files.add({ name, mime: 'application/pdf', content: Buffer.alloc(Math.max(size, 1), `%PDF ${name}`) });

describe('a broadcast with a link to a file of the portal', () => {
  it('reaches everybody as a file with the text under it, and is fetched once', async () => {
    const talks = await clients('linked', 4);
    const file = pdf('prices.pdf');
    const made = await make('linked', { file: file.downloadLink, buttons: 'I want it' });
    await start(made);
    expect((await becomes(made, 'done')).counts).toMatchObject({ delivered: 4, failed: 0 });
    for (const talk of talks) expect(inShort(talk)).toEqual(['document "News of linked"']);
    const sent = talks.map(({ client }) => client.inbox.at(-1)!);
    for (const { reply_markup: markup } of sent) expect(markup?.inline_keyboard).toHaveLength(2);
    expect(sent.map(({ document }) => document!.file_name)).toEqual(talks.map(() => 'prices.pdf'));
    expect(bridge.portal.files.requests.filter(({ fileId }) => fileId === file.id)).toHaveLength(1);
  });

  it.each([
    ['is gone', (id: number) => bridge.portal.files.remove(id)],
    ['is a page now', (id: number) => bridge.portal.files.breakFile(id, { page: 200 })],
  ])('whose file %s, is sent to nobody without it: it pauses and says why', async (what, spoil) => {
    const name = `gone ${what}`;
    const talks = await clients(name, 3);
    const file = pdf('gone.pdf');
    spoil(file.id);
    const made = await make(name, { file: file.downloadLink });
    await start(made);
    expect((await becomes(made, 'paused')).pauseReason).toBe('file_unavailable');
    await eventually(
      () => admin('GET', `/broadcasts/${made.id}`),
      ({ counts }) => counts.waiting === 3,
    );
    for (const talk of talks) expect(inShort(talk)).toEqual([]);
    const { items } = await admin('GET', '/audit?limit=10');
    expect(items.find(({ action }: Json) => action === 'broadcast.pause')).toMatchObject({
      actor: 'program',
      subject: `broadcast:${made.id}`,
      detail: { reason: 'file_unavailable' },
    });
    bridge.portal.files.breakFile(file.id, null);
    if (what === 'is gone') return;
    // Nobody was lost.
    await admin('POST', `/broadcasts/${made.id}/resume`);
    expect(await becomes(made, 'done')).toMatchObject({ pauseReason: null, counts: { delivered: 3 } });
  });

  it('whose file is too large for a bot, says so', async () => {
    const [talk] = (await clients('large', 1)) as [Conversation];
    const made = await make('large', { file: pdf('large.pdf', 50 * MB + 1).downloadLink });
    await admin('POST', `/broadcasts/${made.id}/test`, { chatId: talk.chatId });
    const failed = await talk.becomes('News of large', 'failed', 30_000);
    expect(failed.error.detail).toContain('file_too_large');
    await start(made);
    expect((await becomes(made, 'paused')).pauseReason).toBe('file_unavailable');
    expect(inShort(talk)).toEqual([]);
  }, 60_000);

  it('whose file waits, holds up no answer of an operator', async () => {
    const [talk] = (await clients('waits', 1)) as [Conversation];
    const file = pdf('later.pdf');
    bridge.portal.files.breakFile(file.id, { page: 503 });
    const made = await make('waits', { file: file.downloadLink });
    await start(made);
    await eventually(
      () => bridge.portal.files.requests.filter(({ fileId }) => fileId === file.id).length,
      (count) => count > 0,
    );
    talk.answers('Yes, we are open');
    await eventually(
      () => inShort(talk),
      (said) => said.includes('Yes, we are open'),
    );
    expect(inShort(talk)).toEqual(['Yes, we are open']);
    bridge.portal.files.breakFile(file.id, null);
    expect((await becomes(made, 'done')).counts).toMatchObject({ delivered: 1 });
    expect(inShort(talk)).toEqual(['Yes, we are open', 'document "News of waits"']);
  }, 60_000);
});

describe('a file that is uploaded for a broadcast', () => {
  const upload = async ({ id }: Json, name: string, content: Uint8Array, key = bridge.program.adminKey) => {
    const response = await fetch(`${bridge.program.url}/admin/broadcasts/${id}/files/${encodeURIComponent(name)}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' },
      body: content as Uint8Array<ArrayBuffer>,
    });
    return { status: response.status, json: (await response.json()) as Json };
  };

  it('reaches everybody, byte for byte, also without words', async () => {
    const talks = await clients('uploaded', 3);
    const content = Buffer.from(Array.from({ length: 700_000 }, (_, at) => at % 251));
    const made = await make('uploaded', { text: '', hasFile: true });
    await admin('POST', `/broadcasts/${made.id}/start`, undefined, 400);
    const kept = await upload(made, 'Прайс (май).pdf', content);
    expect(kept.json).toMatchObject({
      file: '',
      files: [{ name: 'Прайс (май).pdf', mime: 'application/pdf', size: 700_000 }],
    });
    await start(made);
    expect((await becomes(made, 'done')).counts).toMatchObject({ delivered: 3, failed: 0 });
    for (const talk of talks) expect(inShort(talk)).toEqual(['document ""']);
    const [{ file }] = bridge.telegram.ledger().filter(({ chatId }) => chatId === talks[0]!.client.id) as [Json];
    expect([file.fileName, file.size]).toEqual(['Прайс (май).pdf', 700_000]);
    const answer = await upload(made, 'other.pdf', Buffer.from('x'));
    expect([answer.status, answer.json.code]).toEqual([409, 'broadcast_started']);
    // Its messages may be sent again for a while.
    await admin('DELETE', `/broadcasts/${made.id}`, undefined, 204);
  });

  it('is the one file that it has: another one, or a link, takes its place', async () => {
    const made = await make('one', { file: pdf('linked.pdf').downloadLink });
    expect((await upload(made, 'a.pdf', Buffer.from('a'))).json).toMatchObject({
      file: '',
      files: [{ name: 'a.pdf' }],
    });
    expect((await upload(made, 'b.pdf', Buffer.from('b'))).json.files).toEqual([
      { name: 'b.pdf', mime: 'application/pdf', size: 1 },
    ]);
    const read = await fetch(`${bridge.program.url}/admin/broadcasts/${made.id}/files/b.pdf`, {
      headers: { authorization: `Bearer ${bridge.program.adminKey}` },
    });
    expect([read.headers.get('content-disposition'), await read.text()]).toEqual(['attachment', 'b']);
    const file = pdf('again.pdf').downloadLink;
    expect(await admin('PATCH', `/broadcasts/${made.id}`, { file })).toMatchObject({ file, files: [] });
    await upload(made, 'c.pdf', Buffer.from('c'));
    expect(await admin('DELETE', `/broadcasts/${made.id}/files/c.pdf`)).toMatchObject({ file: '', files: [] });
    await admin('DELETE', `/broadcasts/${made.id}/files/c.pdf`, undefined, 404);
    await admin('GET', `/broadcasts/${made.id}/files/c.pdf`, undefined, 404);
    await admin('DELETE', `/broadcasts/${made.id}/files/%00`, undefined, 404);
  });

  it('has the limits of all files that are uploaded, and is of its portal alone', async () => {
    const made = await make('limits');
    const code = async (answer: Promise<{ status: number; json: Json }>) => {
      const { status, json } = await answer;
      return [status, json.code];
    };
    expect(await code(upload(made, 'none.txt', new Uint8Array()))).toEqual([400, 'file_empty']);
    expect(await code(upload(made, 'a/b.txt', Buffer.from('x')))).toEqual([400, 'bad_file_name']);
    expect(await code(upload(made, 'large.bin', Buffer.alloc(10 * MB + 1)))).toEqual([413, 'file_too_large']);
    const next = await addNeighbour(bridge, {
      line: '9',
      token: '987654321:AAHnextdoornextdoornextdoornextdoor',
      username: 'next_bot',
    });
    const { key } = await admin('POST', '/keys', { name: 'next', role: 'operator', portalId: next.portalId }, 201);
    expect(await code(upload(made, 'a.txt', Buffer.from('x'), key))).toEqual([404, 'not_found']);
  }, 60_000);
});
