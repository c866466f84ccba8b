import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { addNeighbour, type Neighbour } from '../support/neighbour.js';

// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

const OTHER_LINE = '8';
const MB = 1024 * 1024;

let bridge: Bridge;
let next: Neighbour;
let portalId: string;

beforeAll(async () => {
  bridge = await Bridge.start({ bitrix24: { limits: false } });
  bridge.portal.addLine({ id: OTHER_LINE, name: 'Support' });
  portalId = (await admin('GET', '/portals')).json.items[0].id;
  next = await addNeighbour(bridge, {
    line: '9',
    token: '987654321:AAHnextdoornextdoornextdoornextdoor',
    username: 'next_bot',
  });
});
afterAll(async () => bridge?.stop());

const admin = (method: string, path: string, body?: unknown) => bridge.program.admin(method, path, body);

async function make(body: object, portal = portalId): Promise<Json> {
  const { status, json, text } = await admin('POST', '/answers', { portalId: portal, ...body });
  if (status !== 201) throw new Error(`POST /admin/answers: ${status} ${text}`);
  return json;
}

const list = async (query = ''): Promise<Json> => (await admin('GET', `/answers?portal=${portalId}${query}`)).json;
const titles = async (query = '') => (await list(query)).items.map(({ title }: Json) => title);

async function upload(
  id: string,
  name: string,
  content: Uint8Array,
  path = `/admin/answers/${id}`,
  key = bridge.program.adminKey,
) {
  const response = await fetch(`${bridge.program.url}${path}/files/${encodeURIComponent(name)}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/octet-stream' },
    body: content as Uint8Array<ArrayBuffer>,
  });
  return { status: response.status, json: (await response.json()) as Json };
}

describe('ready answers', () => {
  it('are made, found by line, changed, ordered and deleted', async () => {
    const text = 'Hello {first_name}!\n[b]Two[/b] sizes.\n[SEND=s]Small[/SEND] [SEND=l]Large[/SEND]';
    const made = await make({ title: ' Sizes ', text, shortcut: '/Sizes', lineId: LINE, language: 'EN' });
    expect(made).toMatchObject({
      portalId,
      lineId: LINE,
      title: 'Sizes',
      shortcut: 'sizes',
      language: 'en',
      text,
      files: [],
      createdBy: 'admin',
      preview: {
        text: 'Hello {first_name}!\nTwo sizes.',
        marks: [{ type: 'bold', offset: 20, length: 3 }],
        buttons: [
          [
            { text: 'Small', action: 'send' },
            { text: 'Large', action: 'send' },
          ],
        ],
      },
    });
    const everywhere = await make({ title: 'Thanks', text: 'Thank you!' });
    const other = await make({ title: 'Support hours', text: '9 to 5', lineId: OTHER_LINE });
    expect(await titles()).toEqual(['Sizes', 'Thanks', 'Support hours']);
    expect(await titles(`&line=${OTHER_LINE}`)).toEqual(['Thanks', 'Support hours']);
    await admin('PATCH', `/answers/${other.id}`, { place: 0 });
    expect(await titles()).toEqual(['Support hours', 'Sizes', 'Thanks']);
    await admin('PATCH', `/answers/${other.id}`, { place: 1 });
    expect(await titles()).toEqual(['Sizes', 'Support hours', 'Thanks']);
    const changed = await admin('PATCH', `/answers/${made.id}`, { text: 'One size', lineId: null, shortcut: '' });
    expect(changed.json).toMatchObject({
      title: 'Sizes',
      text: 'One size',
      lineId: null,
      shortcut: null,
      language: 'en',
    });
    expect(changed.json.changedAt).not.toBe(made.changedAt);
    const first = (await list('&limit=1')).nextCursor;
    expect((await list(`&limit=2&cursor=${first}`)).items.map(({ title }: Json) => title)).toEqual([
      'Support hours',
      'Thanks',
    ]);
    expect((await admin('DELETE', `/answers/${everywhere.id}`)).status).toBe(204);
    expect((await admin('GET', `/answers/${everywhere.id}`)).status).toBe(404);
    expect(await titles()).toEqual(['Sizes', 'Support hours']);
    const audit = (await admin('GET', '/audit?limit=50')).json.items.filter(({ action }: Json) =>
      action.startsWith('answer.'),
    );
    expect(audit.map(({ action }: Json) => action).toReversed()).toEqual([
      'answer.create',
      'answer.create',
      'answer.create',
      'answer.update',
      'answer.update',
      'answer.update',
      'answer.remove',
    ]);
    expect(JSON.stringify(audit)).not.toContain('One size');
  });

  it.each<[string, object]>([
    ['no title', { title: undefined }],
    ['an empty title', { title: '' }],
    ['two lines of title', { title: 'two\nlines' }],
    ['a long title', { title: 'x'.repeat(101) }],
    ['a long text', { text: 'x'.repeat(4_097) }],
    ['U+0000', { text: 'a\0b' }],
    ['no text', { text: null }],
    ['a shortcut of two words', { shortcut: 'two words' }],
    ['no line', { lineId: 'seven' }],
    ['the name of a language', { language: 'English' }],
    ['a place before the first', { place: -1 }],
    ['something else', { colour: 'red' }],
  ])('are refused with %s', async (_, body) => {
    const { status, json } = await admin('POST', '/answers', { portalId, title: 'x', ...body });
    expect([status, json.code]).toEqual([400, 'invalid_request']);
  });

  it('are previewed before they are kept', async () => {
    const { json } = await admin('POST', '/answers/preview', { text: '[i]Hi[/i] [URL=https://a.example]there[/URL]' });
    expect(json).toEqual({
      text: 'Hi there',
      marks: [
        { type: 'italic', offset: 0, length: 2 },
        { type: 'link', offset: 3, length: 5, url: 'https://a.example' },
      ],
      buttons: [],
    });
  });

  it('of a portal are its own', async () => {
    const own = await make({ title: 'Ours' });
    const theirs = await make({ title: 'Theirs' }, next.portalId);
    expect(await titles()).not.toContain('Theirs');
    expect((await admin('GET', '/answers?limit=200')).json.items.map(({ title }: Json) => title)).toContain('Theirs');
    expect((await admin('POST', '/answers', { title: 'whose?' })).json.code).toBe('portal_needed');
    const { key } = (await admin('POST', '/keys', { name: 'next', role: 'operator', portalId: next.portalId })).json;
    const ask = (method: string, path: string, body?: unknown) =>
      bridge.program.request(method, `/admin${path}`, body, { authorization: `Bearer ${key}` });
    expect((await ask('GET', '/answers')).json.items.map(({ title }: Json) => title)).toEqual(['Theirs']);
    expect((await ask('PATCH', `/answers/${own.id}`, { title: 'Mine' })).status).toBe(404);
    expect((await ask('DELETE', `/answers/${own.id}`)).status).toBe(404);
    expect((await upload(own.id, 'a.txt', Buffer.from('x'), undefined, key)).status).toBe(404);
    expect((await ask('POST', '/answers', { title: 'x', portalId })).status).toBe(404);
    expect((await ask('PATCH', `/answers/${theirs.id}`, { title: 'Ours now' })).status).toBe(200);
  });
});

describe('files of a ready answer', () => {
  it('are kept as they are, replaced by name, and taken off', async () => {
    const { id, changedAt } = await make({ title: 'Price list' });
    const content = Buffer.from(Array.from({ length: 700_000 }, (_, at) => at % 251));
    const kept = await upload(id, 'Прайс (май).pdf', content);
    expect(kept.json.files).toEqual([{ name: 'Прайс (май).pdf', mime: 'application/pdf', size: 700_000 }]);
    expect(kept.json.changedAt).not.toBe(changedAt);
    const path = `/admin/answers/${id}/files/${encodeURIComponent('Прайс (май).pdf')}`;
    const read = () =>
      fetch(bridge.program.url + path, { headers: { authorization: `Bearer ${bridge.program.adminKey}` } });
    const answer = await read();
    expect(answer.headers.get('content-disposition')).toBe('attachment');
    expect(Buffer.from(await answer.arrayBuffer()).equals(content)).toBe(true);
    await upload(id, 'Прайс (май).pdf', Buffer.from('new'));
    expect(await (await read()).text()).toBe('new');
    const gone = await bridge.program.admin('DELETE', path.slice('/admin'.length));
    expect([gone.status, gone.json.files]).toEqual([200, []]);
    expect((await bridge.program.admin('DELETE', path.slice('/admin'.length))).status).toBe(404);
  });

  it('have limits of size, number and sum, which one portal cannot fill for another', async () => {
    const { id } = await make({ title: 'Files' });
    const code = async (answer: Promise<{ status: number; json: Json }>) => {
      const { status, json } = await answer;
      return [status, json.code];
    };
    expect(await code(upload(id, 'none.txt', new Uint8Array()))).toEqual([400, 'file_empty']);
    expect(await code(upload(id, 'a/b.txt', Buffer.from('x')))).toEqual([400, 'bad_file_name']);
    expect(await code(upload(id, 'large.bin', Buffer.alloc(10 * MB + 1)))).toEqual([413, 'file_too_large']);
    for (let at = 0; at < 10; at++) expect((await upload(id, `${at}.bin`, Buffer.alloc(10 * MB, at))).status).toBe(200);
    expect(await code(upload(id, '10.bin', Buffer.from('x')))).toEqual([409, 'too_many_files']);
    // In place of one of the same size.
    expect((await upload(id, '9.bin', Buffer.alloc(10 * MB, 1))).status).toBe(200);
    const { id: more } = await make({ title: 'More' });
    expect(await code(upload(more, 'x.txt', Buffer.from('x')))).toEqual([409, 'files_full']);
    const { id: theirs } = await make({ title: 'Theirs' }, next.portalId);
    expect((await upload(theirs, 'x.txt', Buffer.from('x'))).status).toBe(200);
    expect((await admin('DELETE', `/answers/${id}`)).status).toBe(204);
    expect((await upload(more, 'x.txt', Buffer.from('x'))).status).toBe(200);
  }, 60_000);

  it('are taken by no other address', async () => {
    const headers = { 'content-type': 'application/octet-stream', authorization: `Bearer ${bridge.program.adminKey}` };
    for (const path of ['/admin/answers', '/b24/handler?secret=handler-secret-0123456789', '/tg/webhook']) {
      const answer = await fetch(bridge.program.url + path, { method: 'POST', headers, body: Buffer.from('x') });
      expect([path, answer.status]).toEqual([path, 415]);
    }
  });
});

describe('the settings page of a line', () => {
  it('has those of the line and of all lines, and no others', async () => {
    const page = await bridge.portal.openSettingsFrame(bridge.app, { connector: bridge.connectorId, line: LINE });
    const { session } = JSON.parse(/id="bootstrap">(.*?)<\/script>/.exec(page.html)![1]!);
    const ask = (method: string, path: string, body?: unknown) =>
      bridge.program.request(method, `/b24/settings/api/answers${path}`, body, { authorization: `Bearer ${session}` });
    const other = await make({ title: 'Of the other line', lineId: OTHER_LINE });
    const made = await ask('POST', '', { title: 'Of this line', text: '[b]Hi[/b]', lineId: LINE });
    expect([made.status, made.json.preview.text]).toEqual([200, 'Hi']);
    const found = (await ask('GET', '')).json.items.map(({ title }: Json) => title);
    expect([found.includes('Of this line'), found.includes('Of the other line')]).toEqual([true, false]);
    for (const [method, body] of [
      ['PATCH', { title: 'x' }],
      ['DELETE', undefined],
    ] as const) {
      expect((await ask(method, `/${other.id}`, body)).status).toBe(404);
    }
    expect((await ask('POST', '', { title: 'x', lineId: OTHER_LINE })).status).toBe(404);
    expect((await ask('PATCH', `/${made.json.id}`, { lineId: OTHER_LINE })).status).toBe(404);
    const { id } = made.json;
    const kept = await upload(id, 'a.txt', Buffer.from('hello'), `/b24/settings/api/answers/${id}`, session);
    expect(kept.json.files).toEqual([{ name: 'a.txt', mime: 'text/plain', size: 5 }]);
    expect((await ask('DELETE', `/${id}/files/a.txt`)).json.files).toEqual([]);
    expect((await ask('PATCH', `/${id}`, { lineId: null, place: 0 })).json.lineId).toBeNull();
    expect((await titles())[0]).toBe('Of this line');
    expect((await ask('DELETE', `/${id}`)).status).toBe(204);
    const { json } = await admin('GET', '/audit?limit=20');
    expect(json.items.find(({ action }: Json) => action === 'answer.remove')).toMatchObject({
      actor: expect.stringMatching(/^portal:\d+\/user:\d+$/),
      subject: `answer:${id}`,
      detail: { title: 'Of this line', lineId: LINE },
    });
  });

  it('keeps nothing once the application was removed: what there was may be erased', async () => {
    const { portal } = bridge;
    const page = await portal.openSettingsFrame(bridge.app, { connector: bridge.connectorId, line: LINE });
    const { session } = JSON.parse(/id="bootstrap">(.*?)<\/script>/.exec(page.html)![1]!);
    const path = '/b24/settings/api/answers';
    const headers = { authorization: `Bearer ${session}` };
    const make = (title: string) => bridge.program.request('POST', path, { title }, headers);
    const { id } = (await make('Before')).json;
    portal.uninstall(bridge.app, { clean: false });
    await eventually(
      async () => (await admin('GET', `/portals/${portalId}`)).json.state,
      (state) => state === 'uninstalled',
    );
    const refused = await make('After');
    expect([refused.status, refused.json.code]).toEqual([403, 'portal_gone']);
    const kept = await upload(id, 'a.txt', Buffer.from('hello'), `${path}/${id}`, session);
    expect([kept.status, kept.json.code]).toEqual([403, 'portal_gone']);
  });
});
