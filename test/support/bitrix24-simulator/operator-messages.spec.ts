import { beforeEach, describe, expect, it } from 'vitest';
import { sendRequest } from './http-exchange.js';
import { formatSize } from './portal-files.js';
import {
  bind,
  connect,
  deliver,
  element,
  messagesOf,
  OPERATOR,
  portal,
  renewToken,
  send,
  useSimulator,
} from './spec.rig.js';

const PDF = { name: 'offer.pdf', mime: 'application/pdf', content: 'PDF' };
const FRAME = '-'.repeat(54);

useSimulator();

beforeEach(async () => {
  await connect();
  for (const name of ['MessageAdd', 'MessageUpdate', 'MessageDelete']) await bind(`OnImConnector${name}`);
  await send(element('tg:777:1', 'hi'));
});

const operator = () => portal.operator(OPERATOR);

/** The messages of the events of this name, once all have been posted. */
async function told(name: 'ADD' | 'UPDATE' | 'DELETE'): Promise<any[]> {
  await portal.events.idle();
  return messagesOf(`ONIMCONNECTORMESSAGE${name}`);
}

describe('files of operators', () => {
  it('come with a short link and a signed one', async () => {
    const sent = operator().sends('tg:777', { text: 'the offer', files: [PDF] });
    const [{ message }] = await told('ADD');
    expect(message).toMatchObject({
      text: 'the offer',
      files: [{ name: 'offer.pdf', type: 'file', mime: 'application/pdf', size: '3', sizef: '3 B' }],
    });
    const [file] = message.files;
    const short = await sendRequest(file.link);
    expect([short.status, short.headers.location]).toEqual([301, file.downloadLink]);
    const content = await sendRequest(file.downloadLink, { headers: { 'User-Agent': 'bridge' } });
    expect([content.status, content.headers['content-type'], content.body]).toEqual([200, 'application/pdf', 'PDF']);
    const forged = await sendRequest(file.downloadLink.replace('SIGN=', 'SIGN=0'));
    expect([forged.status, forged.headers['bx-file-error']]).toEqual([403, 'Wrong signature or file id']);
    const unknown = await sendRequest(`${portal.url}/pub/im.file.php?FILE_ID=1&SIGN=1`);
    expect([unknown.status, unknown.headers['bx-file-error']]).toEqual([403, 'Missing file']);
    expect(portal.files.requests[1]).toMatchObject({ fileId: sent.files[0]?.id, status: 200, userAgent: 'bridge' });
  });

  it('look as older builds sent them: no downloadLink, no size; images with their measures', async () => {
    Object.assign(portal.events.format, { downloadLinks: false, fileSizes: false });
    const photo = { name: 'a.jpg', mime: 'image/jpeg', content: 'x', width: 640, height: 480 };
    const sent = operator().sends('tg:777', { files: [photo, PDF] });
    const [{ message }] = await told('ADD');
    const [image, pdf] = sent.files;
    expect(message.files).toEqual([
      { name: 'a.jpg', type: 'image', mime: 'image/jpeg', link: image?.link, width: '640', height: '480' },
      { name: 'offer.pdf', type: 'file', mime: 'application/pdf', link: pdf?.link },
    ]);
    expect(message.text).toBe('');
    expect(image?.downloadLink).toMatch(/&img=y$/);
  });

  it('write their size as people read it', () => {
    expect([0, 1023, 182_044, 1_048_576, 5_368_709_120].map(formatSize)).toEqual([
      '0 B',
      '1023 B',
      '177.78 KB',
      '1 MB',
      '5 GB',
    ]);
  });

  it('are voice messages when recorded', async () => {
    operator().recordsVoice('tg:777', 'sound');
    operator().recordsVoice('tg:777', 'sound', 'audio/ogg');
    expect((await told('ADD')).map(({ message }) => message.files[0])).toMatchObject([
      { type: 'audio', mime: 'audio/mpeg', name: expect.stringMatching(/\.mp3$/) },
      { type: 'audio', mime: 'audio/ogg', name: expect.stringMatching(/\.ogg$/) },
    ]);
  });

  it('lead elsewhere, show a page, name another type, trickle, break off or never end', async () => {
    const [file] = operator().sends('tg:777', { files: [{ ...PDF, content: 'x'.repeat(400) }] }).files;
    const fetched = () => fetch(file!.downloadLink, { redirect: 'manual' });
    portal.files.breakFile(file!, { redirectTo: 'http://169.254.169.254/latest/meta-data' });
    expect((await fetched()).headers.get('location')).toBe('http://169.254.169.254/latest/meta-data');
    portal.files.breakFile(file!, { page: 200 });
    const page = await fetched();
    expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html']);
    portal.files.breakFile(file!, { contentType: 'text/html; charset=utf-8' });
    expect((await fetched()).headers.get('content-type')).toBe('text/html; charset=utf-8');
    portal.files.breakFile(file!, { bytesPerSecond: 1000 });
    const began = performance.now();
    expect(await (await fetched()).text()).toHaveLength(400);
    expect(performance.now() - began).toBeGreaterThan(300);
    portal.files.breakFile(file!, { cutAfter: 100 });
    await expect(fetched().then((answer) => answer.text())).rejects.toThrow('terminated');
    portal.files.breakFile(file!, null);
    portal.files.fault = { endless: true };
    const reader = (await fetched()).body!.getReader();
    let bytes = 0;
    while (bytes < 1_000_000) bytes += (await reader.read()).value!.length;
    await reader.cancel();
    const head = await fetch(file!.downloadLink, { method: 'HEAD' });
    expect([head.status, head.headers.get('content-length')]).toEqual([200, null]);
  });

  it('are gone from the disk when they are removed, or with their message', async () => {
    const message = operator().sends('tg:777', { files: [PDF, PDF] });
    const [first, second] = message.files;
    portal.files.remove(first!);
    expect((await sendRequest(first!.link)).status).toBe(404);
    expect((await sendRequest(first!.downloadLink)).headers['bx-file-error']).toBe('Missing file');
    expect((await sendRequest(second!.downloadLink)).status).toBe(200);
    operator().deletes(message);
    expect((await sendRequest(second!.downloadLink)).status).toBe(403);
  });
});

describe('corrections by operators', () => {
  it('are told only of messages that were reported as delivered with ids', async () => {
    const silent = operator().sends('tg:777', 'no report');
    operator().edits(silent, 'still none');
    const message = operator().sends('tg:777', 'Hello');
    await deliver(message.id, ['tg:777:5', 'tg:777:6']);
    operator().edits(message, 'Hello!');
    operator().deletes(message);
    expect(await told('UPDATE')).toMatchObject([
      { im: { message_id: String(message.id) }, message: { id: ['tg:777:5', 'tg:777:6'], text: 'Hello!' } },
    ]);
    expect((await told('UPDATE'))[0].message).not.toHaveProperty('user_id');
    expect(await told('DELETE')).toMatchObject([{ message: { id: 'tg:777:5' } }, { message: { id: 'tg:777:6' } }]);
    expect(message.revisions).toMatchObject([
      { by: 27, from: 'Hello', to: 'Hello!' },
      { by: 27, from: 'Hello!', to: null },
    ]);
  });

  it('may list a single deleted id, and keep the older prefix on edits', async () => {
    await connect('1', { NEED_SIGNATURE: true });
    portal.events.format.deletedIds = 'list';
    const message = operator().sends('tg:777', 'Hello');
    await deliver(message.id, ['5']);
    operator().edits(message, 'Hello!');
    portal.events.format.updatePrefixStyle = 'new';
    operator().edits(message, 'Hello!!');
    operator().deletes(message);
    expect((await told('UPDATE')).map(({ message: { text } }) => text)).toEqual([
      '[b]Samantha Johnson:[/b][br] Hello!',
      '[b]Samantha Johnson:[/b] [br]Hello!!',
    ]);
    expect(await told('DELETE')).toMatchObject([{ message: { id: ['5'] } }]);
  });

  it('are refused to others, after three days, after deletion, and where the connector does not allow them', async () => {
    const message = operator().sends('tg:777', 'Hello');
    expect(() => portal.operator({ id: 28 }).edits(message, 'x')).toThrow('Only the author');
    expect(() => operator().edits(message, '')).toThrow('empty');
    portal.clock.advance(259_201_000);
    expect(() => operator().edits(message, 'x')).toThrow('three days');
    operator().deletes(message);
    expect(() => operator().deletes(message)).toThrow('has been deleted');
    expect(() => operator().edits(message, 'x')).toThrow('has been deleted');
    renewToken();
    await connect('1', { EDIT_INTERNAL_MESSAGES: false, DEL_INTERNAL_MESSAGES: false });
    const fixed = operator().sends('tg:777', 'fixed');
    expect(() => operator().edits(fixed, 'x')).toThrow('does not let operators edit');
    expect(() => operator().deletes(fixed)).toThrow('does not let operators delete their');
  });

  it('take the clock with the message, so that a late delivery report is ignored', async () => {
    const message = operator().sends('tg:777', 'Hello');
    operator().deletes(message);
    await deliver(message.id, ['5']);
    expect(message).toMatchObject({ sending: false, externalIds: [] });
    expect(portal.ledger()).toMatchObject({ clocksLeft: [], deliveryReports: [{ accepted: false }] });
    expect(await told('DELETE')).toEqual([]);
  });

  it("reach a client's message only where the connector allows it, and are told with the id it came with", async () => {
    const [message] = portal.dialog('tg:777').clientMessages;
    operator().deletes(message!);
    expect(await told('DELETE')).toMatchObject([{ message: { id: 'tg:777:1' }, chat: { id: 'tg:777' } }]);
    await connect('1', { DEL_EXTERNAL_MESSAGES: false });
    await send(element('tg:777:2', 'again'));
    expect(() => operator().deletes(portal.dialog('tg:777').clientMessages[1]!)).toThrow("delete clients' messages");
  });
});

describe('quotes and attachments', () => {
  it('quotes in the shapes the messenger writes', async () => {
    const [message] = portal.dialog('tg:777').clientMessages;
    const { chatId, id } = message!;
    operator().quotes(message!, 'yes');
    operator().quotes(message!, 'yes', { reference: 'line' });
    operator().quotes(id, 'yes', { reference: 'none' });
    operator().quotes(id, 'yes', { shape: 'lines' });
    const texts = (await told('ADD')).map((one) => one.message.text as string);
    const header = String.raw`Ivan Petrov \[today, \d\d:\d\d\]`;
    expect(texts[0]).toMatch(new RegExp(`^${FRAME}\n${header} #chat${chatId}/${id}\nhi\n${FRAME}\nyes$`));
    expect(texts[1]).toMatch(new RegExp(`^${FRAME}\n${header}\n#chat${chatId}/${id}\nhi\n${FRAME}\nyes$`));
    expect(texts[2]).toMatch(new RegExp(`^${FRAME}\n${header}\nhi\n${FRAME}\nyes$`));
    expect(texts[3]).toBe('>>hi\nyes');
  });

  it('names files in a quotation, and the author of a line of the system', async () => {
    portal.clock.advance(-86_400_000);
    const voice = operator().recordsVoice('tg:777', 'x');
    portal.clock.advance(86_400_000);
    const quoted = operator().quotes(voice, 'listen');
    expect(quoted.text).toMatch(/Samantha Johnson \[[A-Z][a-z]+ \d+, \d\d:\d\d\] #chat.*\n\[Audio message\]\n/);
    expect(operator().quotes(portal.systemText('tg:777', 'closed'), 'x').text).toContain('System message [today');
  });

  it('carries cards beside the message, the last rich link in it, and further parameters', async () => {
    const link = {
      NAME: 'Shop',
      LINK: 'https://shop.example',
      DESC: 'All for sale',
      PREVIEW: 'https://shop.example/p.png',
    };
    const params = { url: 'https://shop.example', richUrlPreview: { title: 'Shop' } };
    operator().sends('tg:777', { attach: [{ ID: 1, BLOCKS: [{ RICH_LINK: link }] }], params });
    operator().sends('tg:777', { attach: [{ ID: 2, BLOCKS: [{ GRID: [{ NAME: 'Sum', VALUE: '5' }] }] }] });
    const [rich, grid] = await told('ADD');
    expect(rich).toMatchObject({
      message: {
        text: '',
        attachments: { ...link, richData: { url: link.LINK, title: 'Shop', image: link.PREVIEW } },
        params: { CLASS: expect.any(String), ...params },
      },
    });
    expect(JSON.parse(rich.attachments_old[0])).toMatchObject({ ID: 1, BLOCKS: [{ RICH_LINK: [link] }] });
    expect(grid.message).not.toHaveProperty('attachments');
    const [{ BLOCKS: blocks }] = grid.attachments_old.map((card: string) => JSON.parse(card));
    expect(blocks).toEqual([{ GRID: [{ NAME: 'Sum', VALUE: '5', DISPLAY: 'BLOCK' }] }]);
    expect(() => operator().sends('tg:777', {})).toThrow('empty message');
  });

  it('signs what operators write and change where the connector asks for it, and nothing that nobody wrote', async () => {
    const texts = async (name: 'ADD' | 'UPDATE') => (await told(name)).map(({ message }) => message.text);
    operator().sends('tg:777', 'hello');
    await connect('1', { NEED_SIGNATURE: true });
    const sent = operator().sends('tg:777', 'hello');
    portal.systemText('tg:777', 'We are closed.');
    expect(await texts('ADD')).toEqual(['hello', '[b]Samantha Johnson:[/b] [br]hello', 'We are closed.']);
    await deliver(sent.id, ['5']);
    operator().edits(sent, 'good day');
    expect(await texts('UPDATE')).toEqual(['[b]Samantha Johnson:[/b][br] good day']);
    portal.lines.lines.get('1')!.operatorData = 'hide';
    operator().sends('tg:777', 'hidden');
    expect((await texts('ADD')).at(-1)).toBe('hidden');
  });
});
