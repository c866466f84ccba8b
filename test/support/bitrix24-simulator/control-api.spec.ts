import { beforeEach, describe, expect, it } from 'vitest';
import { sendRequest } from './http-exchange.js';
import type { Params } from './php-encoding.js';
import { b24, connect, CONNECTOR, deliver, element, portal, post, send, useSimulator } from './spec.rig.js';

useSimulator();

let chatId: number;

beforeEach(async () => {
  await connect();
  await send(element('tg:777:1', 'hi'));
  ({ id: chatId } = portal.chat('tg:777'));
});

async function control(method: string, path: string, body?: Params): Promise<{ status: number; body: any }> {
  const answer = await sendRequest(`${b24.controlUrl}/portals/${portal.memberId}/${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: answer.status, body: JSON.parse(answer.body) };
}

const write = (body: Params) => control('POST', `dialogs/${chatId}/messages`, body);

describe('control API', () => {
  it('lets a page read dialogs and answer as the operator', async () => {
    const base = `${b24.controlUrl}/portals/${portal.memberId}/dialogs`;
    const list = await sendRequest(base);
    expect(list.headers['access-control-allow-origin']).toBe('*');
    const [dialog] = JSON.parse(list.body).items;
    expect(dialog).toMatchObject({ externalId: 'tg:777', messages: 1, lastMessage: { text: 'hi' } });
    const written = await post(`${base}/${dialog.chatId}/messages`, JSON.stringify({ text: 'Good afternoon!' }));
    expect([written.status, written.body.tick, written.body.authorName]).toEqual([201, 'clock', 'Samantha Johnson']);
    await deliver(written.body.id, ['9']);
    const after = await control('GET', `dialogs/${dialog.chatId}/messages?after=${dialog.lastMessage.id}`);
    expect(after.body.items).toMatchObject([{ text: 'Good afternoon!', tick: 'delivered' }]);
    portal.disableConnector(CONNECTOR, '1');
    const refused = await write({ text: 'again' });
    expect([refused.status, refused.body.error]).toEqual([422, expect.stringContaining('not configured')]);
  });

  it('shows what the CRM did in each session', async () => {
    const { body } = await control('POST', 'expectations');
    await control('POST', `dialogs/${chatId}/close`);
    await send({ ...element('tg:777:2', 'again'), ref: { source: body.code } });
    const [dialog] = (await control('GET', 'dialogs')).body.items;
    expect(dialog.sessions).toMatchObject([
      { closed: true, source: null, crm: 'client searched, lead made' },
      { closed: false, source: body.code, crm: 'bound by the tracker' },
    ]);
  });

  it('sends files, voice, attachments and quotations', async () => {
    const base64 = Buffer.from('PDF').toString('base64');
    const files = [{ name: 'a.pdf', mime: 'application/pdf', base64 }];
    const { body: withFile } = await write({
      text: 'see',
      files,
      attach: [{ ID: 1, BLOCKS: [] }],
      params: { url: 'x' },
    });
    expect(withFile).toMatchObject({
      text: 'see',
      files: [{ name: 'a.pdf', size: 3, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
      attach: [{ ID: 1 }],
      params: { url: 'x' },
    });
    expect((await sendRequest(withFile.files[0].url)).body).toBe('PDF');
    const { body: voice } = await write({ voice: { mime: 'audio/ogg', base64 } });
    expect(voice.files).toMatchObject([{ type: 'audio', mime: 'audio/ogg' }]);
    const { body: quotation } = await write({ text: 'so?', quote: withFile.id, quoteStyle: { shape: 'lines' } });
    expect(quotation.text).toBe('>>see\n>>[File: a.pdf]\nso?');
  });

  it('edits and deletes, and shows every correction', async () => {
    const { body: message } = await write({ text: 'Helo' });
    expect((await control('PATCH', `messages/${message.id}`, { text: 'Hello' })).body).toMatchObject({
      text: 'Hello',
      edited: true,
      revisions: [{ by: 27, from: 'Helo', to: 'Hello' }],
    });
    const stranger = await control('PATCH', `messages/${message.id}`, { text: 'x', operator: { id: 28, name: 'Bo' } });
    expect([stranger.status, stranger.body.error]).toEqual([422, expect.stringContaining('author')]);
    expect((await control('DELETE', `messages/${message.id}`)).body).toMatchObject({ deleted: true });
  });

  it('breaks, removes and counts files', async () => {
    const { body } = await write({ files: [{ name: 'a.txt', mime: 'text/plain', base64: 'eA==' }] });
    const [{ id, url }] = body.files;
    await control('PATCH', 'files', { fault: { page: 503 } });
    expect((await sendRequest(url)).status).toBe(503);
    await control('PATCH', `files/${id}`, { fault: { contentType: 'image/png' } });
    expect((await sendRequest(url)).headers['content-type']).toBe('image/png');
    await control('PATCH', 'files', { fault: null });
    await control('PATCH', `files/${id}`, { fault: null });
    expect((await control('DELETE', `files/${id}`)).body).toMatchObject({ id, removed: true });
    expect((await sendRequest(url)).status).toBe(403);
    const { body: all } = await control('GET', 'files');
    expect(all.requests.map(({ status }: { status: number }) => status)).toEqual([503, 200, 403]);
    expect((await control('DELETE', 'files/1')).status).toBe(422);
  });

  it('changes how the portal downloads and which build it is, and shows clients', async () => {
    const settings = { forbidden: true, maxBytes: 10 };
    expect((await control('PATCH', 'downloads', settings)).body).toMatchObject({ ...settings, items: [] });
    await send({ ...element('2', 'x'), user: { id: 'tg:777', phone: '+7 1', picture: { url: `${portal.url}/~x` } } });
    expect((await control('GET', 'downloads')).body.items).toMatchObject([{ purpose: 'avatar', outcome: 'forbidden' }]);
    await control('PATCH', 'downloads', { maxBytes: null });
    expect(portal.downloads.maxBytes).toBe(Infinity);
    expect((await control('PATCH', 'format', { downloadLinks: false })).body).toMatchObject({ downloadLinks: false });
    expect((await control('GET', 'clients')).body.items).toMatchObject([{ phone: '+7 1', avatar: null }]);
    expect((await control('GET', 'ledger')).body).toMatchObject({
      corrections: [],
      downloads: [{ outcome: 'forbidden' }],
    });
  });
});
