import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { parseEncryptionKeys, EncryptionService } from '../../src/storage/secrets/encryption.service.js';
import { readEnvironment } from '../../src/config/environment.js';
import { FileLinks } from '../../src/relay/file-links.js';
import { Bridge, BOT_TOKEN, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { sampleJpeg, sampleOgg } from '../support/telegram-simulator/sample.media.js';

const PHOTO = sampleJpeg({ width: 1280, height: 960 }, 'the cat');
const VOICE = sampleOgg('hello');
const PDF = Buffer.from('%PDF-1.4\nthe offer');
const sha256 = (content: Uint8Array) => createHash('sha256').update(content).digest('hex');

let bridge: Bridge;
/** Makes links as the program does, with its key: for times that nobody waits for. */
let links: FileLinks;
let conversation: Conversation;
let nextClient = 900;

beforeAll(async () => {
  bridge = await Bridge.start({ telegram: { rangeRequests: true } });
  const keys = parseEncryptionKeys(bridge.environment.ENCRYPTION_KEY!);
  links = new FileLinks(readEnvironment({ PUBLIC_URL: bridge.program.url }), new EncryptionService(keys));
});

beforeEach(async () => {
  conversation = await Conversation.begin(bridge, nextClient++);
});

afterAll(async () => bridge?.stop());

/** The message of the dialog that came with files, once it is there. */
const withFiles = (): Promise<LineMessage> =>
  conversation.dialog.waitFor(({ author, files }) => author === 'client' && files.length > 0, 15_000);
const note = (words: string): Promise<LineMessage> =>
  conversation.dialog.waitFor(({ author, text }) => author === 'system' && text.includes(words), 15_000);
const download = (source: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(source, { headers, method });
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000);

/** The message as the program keeps it, once it is there. */
async function stored(kind: string): Promise<bigint> {
  const [item] = await eventually(
    async () => (await bridge.messages(`&chat=${conversation.chatId}`)).filter((each) => each['kind'] === kind),
    ({ length }) => length === 1,
  );
  return BigInt(String(item!['id']));
}

describe('what a client sends', () => {
  it('is in the dialog with the same bytes, name and type', async () => {
    conversation.client.sendsFile('photo', { content: PHOTO }, { caption: 'my cat' });
    const photo = await withFiles();
    expect(photo.text).toContain('my cat');
    expect(photo.files).toMatchObject([{ mime: 'image/jpeg', type: 'image', sha256: sha256(PHOTO) }]);
    expect(photo.files[0]!.name).toMatch(/^photo_\d+\.jpg$/);

    conversation = await Conversation.begin(bridge, nextClient++);
    conversation.client.sendsFile('voice', { content: VOICE });
    const [voice] = (await withFiles()).files;
    expect(voice).toMatchObject({ mime: 'audio/ogg', type: 'audio', sha256: sha256(VOICE) });

    conversation = await Conversation.begin(bridge, nextClient++);
    conversation.client.sendsFile('document', { content: PDF, fileName: 'Предложение "A".pdf' });
    const [document] = (await withFiles()).files;
    expect(document).toMatchObject({ mime: 'application/pdf', type: 'file', sha256: sha256(PDF) });
    expect(document!.name).toMatch(/^Предложение .A.\.pdf$/);
  });

  it('is an album of one message', async () => {
    conversation.client.sendsAlbum([
      { kind: 'photo', content: PHOTO, caption: 'two' },
      { kind: 'photo', content: sampleJpeg({ width: 10, height: 10 }, 'the dog') },
    ]);
    const { files } = await withFiles();
    expect(files).toHaveLength(2);
    expect(files[0]!.sha256).toBe(sha256(PHOTO));
  });

  it('is read as its label where the portal could not fetch it, with a link in a note', async () => {
    bridge.telegram.downloadFaults.next('*', { status: 500 });
    conversation.client.sendsFile('document', { content: PDF, fileName: 'lost.pdf' });
    await conversation.dialog.waitFor(({ author, text }) => author === 'client' && text.includes('lost.pdf'), 15_000);
    const { text } = await note('lost.pdf');
    const [, link] = /\[url=([^\]]+)\]/.exec(text)!;
    expect(Buffer.from(await (await download(link!)).arrayBuffer())).toEqual(PDF);
  });

  it('is named honestly when it is larger than bots may have', async () => {
    conversation.client.sendsFile('video', { content: { bytes: 25 << 20 } });
    const { files } = await conversation.dialog.waitFor(({ text }) => text.includes('20 MB'), 15_000);
    expect(files).toEqual([]);
    const messageId = await stored('video');
    const answer = await download(links.to({ of: 'message', messageId, ordinal: 0 }, inDays(1))!);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([404, 'file_too_large']);
  });
});

it("shows the client's photo in the portal", async () => {
  const { client } = Conversation.of(bridge, nextClient++);
  const face = sampleJpeg({ width: 640, height: 640 }, 'a face');
  client.setsProfilePhoto(face);
  // It is learned beside the messages, and goes along with one of the next.
  const seen = await eventually(
    async () => {
      client.sends('here I am');
      await sleep(500);
      return [...bridge.portal.lines.clients.values()].find(({ avatar }) => avatar !== null)?.avatar?.sha256;
    },
    (avatar) => avatar !== undefined,
    20_000,
  );
  expect(seen).toBe(sha256(face));
});

describe('GET /files/:token', () => {
  let source: string;
  let messageId: bigint;

  beforeEach(async () => {
    conversation.client.sendsFile('document', { content: PDF, fileName: 'КП.pdf' });
    source = (await withFiles()).files[0]!.source!;
    messageId = await stored('document');
  });

  it('says what the file is, and keeps browsers from showing it', async () => {
    const answer = await download(source);
    expect(answer.status).toBe(200);
    expect(Buffer.from(await answer.arrayBuffer())).toEqual(PDF);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/pdf',
      'content-length': String(PDF.length),
      'content-disposition': `attachment; filename="__.pdf"; filename*=UTF-8''%D0%9A%D0%9F.pdf`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'private, no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
    });
    expect(answer.headers.get('set-cookie')).toBeNull();
  });

  it('answers HEAD without fetching the file', async () => {
    const asked = () => bridge.telegram.downloadFaults.pending;
    bridge.telegram.downloadFaults.next('*', { status: 500 });
    const answer = await download(source, {}, 'HEAD');
    expect([answer.status, answer.headers.get('content-length'), await answer.text()]).toEqual([200, '18', '']);
    expect(asked()).toBe(1);
    bridge.telegram.downloadFaults.clear();
  });

  it('hands on the part that was asked for', async () => {
    const answer = await download(source, { range: 'bytes=9-11' });
    expect([answer.status, answer.headers.get('content-range'), await answer.text()]).toEqual([
      206,
      'bytes 9-11/18',
      'the',
    ]);
    expect(await (await download(source, { range: 'bytes=-5' })).text()).toBe('offer');
    const beyond = await download(source, { range: 'bytes=18-' });
    expect([beyond.status, ((await beyond.json()) as { code: string }).code]).toEqual([416, 'range_outside']);
    for (const headers of [{ range: 'bytes=0-1,4-5' }, { range: 'bytes=0-1', 'if-range': '"x"' }]) {
      expect((await download(source, headers as Record<string, string>)).status).toBe(200);
    }
  });

  it('is over when its time is', async () => {
    const answer = await download(links.to({ of: 'message', messageId, ordinal: 0 }, new Date(Date.now() - 2_000))!);
    expect([answer.status, ((await answer.json()) as { code: string }).code]).toEqual([410, 'link_expired']);
  });

  it('opens nothing else', async () => {
    const other = links.token({ of: 'message', messageId: messageId + 1n, ordinal: 0 }, inDays(1));
    const [payload, signature] = source.split('/').at(-1)!.split('.') as [string, string];
    const [otherPayload] = other.split('.') as [string];
    const tokens = [
      `${otherPayload}.${signature}`,
      `${payload}.${signature.slice(1)}`,
      `${payload}.${'A'.repeat(signature.length)}`,
      payload,
      `${payload}.${signature}.${signature}`,
      other,
      links.token({ of: 'message', messageId, ordinal: 1 }, inDays(1)),
      links.token({ of: 'chat', chatId: BigInt(conversation.chatId), photo: 'AQADother' }, inDays(1)),
      'x',
      '%00',
    ];
    for (const token of tokens) {
      const answer = await download(`${bridge.program.url}/files/${token}`);
      expect([token, answer.status]).toEqual([token, 404]);
      expect(await answer.text()).not.toContain('КП');
    }
  });

  it('tells trouble of Telegram from a file that is gone', async () => {
    const { downloadFaults, faults } = bridge.telegram;
    const asked = async () => {
      const answer = await download(source);
      const { code } = (await answer.json()) as { code: string };
      return `${answer.status} ${code}`;
    };
    downloadFaults.next('*', { status: 404 });
    expect(await asked()).toBe('404 file_gone');
    downloadFaults.next('*', { status: 503 });
    expect(await asked()).toBe('502 telegram_not_sent');
    downloadFaults.next('*', 'dropBefore', 2);
    expect(await asked()).toBe('502 telegram_unknown');
    downloadFaults.clear();
    faults.next('getFile', { tooManyRequests: 7 });
    const answer = await download(source);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '7']);
    expect((await download(source)).status).toBe(200);
  });

  it('serves a crowd, some of it after a while', async () => {
    const answers = await Promise.all(
      Array.from({ length: 100 }, async () => {
        const answer = await download(source);
        return `${answer.status} ${sha256(Buffer.from(await answer.arrayBuffer()))}`;
      }),
    );
    expect(new Set(answers)).toEqual(new Set([`200 ${sha256(PDF)}`]));
  });

  it('keeps no place for those who left', async () => {
    const { downloadFaults } = bridge.telegram;
    downloadFaults.next('*', { trickle: { bytes: 1, everyMs: 1_000 } }, 40);
    const leaving = new AbortController();
    const left = Array.from({ length: 40 }, () => fetch(source, { signal: leaving.signal }).catch(() => 'left'));
    await eventually(
      () => downloadFaults.pending,
      (pending) => pending <= 8,
    );
    leaving.abort();
    await Promise.all(left);
    downloadFaults.clear();
    expect((await download(source)).status).toBe(200);
  });

  it('is whole or absent, wherever Telegram breaks off', async () => {
    bridge.telegram.downloadFaults.next('*', { cutAfter: 5 }, 2);
    const answer = await download(source);
    expect(answer.status).toBeGreaterThanOrEqual(500);
    expect(await answer.text()).not.toContain('%PDF');
    bridge.telegram.downloadFaults.next('*', { cutAfter: 5 }, 1);
    expect(await (await download(source)).text()).toBe(PDF.toString());
  });
});

it('never leaves half a file in the dialog: what breaks off is named in a note, with a link to the whole', async () => {
  bridge.telegram.downloadFaults.next('*', { cutAfter: 5 }, 2);
  conversation.client.sendsFile('document', { content: PDF, fileName: 'offer.pdf' }, { caption: 'our offer' });
  const { text } = await note('offer.pdf');
  const message = await conversation.dialog.waitFor((each) => each.text.includes('our offer'), 15_000);
  expect(message.files).toEqual([]);
  const link = /\[url=([^\]]+)\]/.exec(text)![1]!;
  expect(await (await download(link)).text()).toBe(PDF.toString());
});

it('goes by a Bot API server of the company: words and files both ways, large ones as well', async () => {
  const own = await Bridge.start({ telegram: { local: true } });
  try {
    const talk = await Conversation.begin(own, 777);
    const { client, dialog } = talk;
    talk.answers('good day');
    await talk.becomes('good day', 'delivered');
    own.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends('tg:777', {
      text: 'the offer',
      files: [{ name: 'offer.pdf', mime: 'application/pdf', content: PDF }],
    });
    const offer = (await client.receives(2, 15_000)).at(-1)!;
    expect(offer).toMatchObject({ caption: 'the offer', document: { file_name: 'offer.pdf' } });
    expect(own.bot.files.find(offer.document!.file_id)!.content.sha256).toBe(sha256(PDF));
    client.sendsFile('video', { content: { bytes: 25 << 20 } });
    const { files } = await dialog.waitFor(({ author, files: sent }) => author === 'client' && sent.length > 0, 30_000);
    expect(files).toMatchObject([{ size: 25 << 20, sha256: sha256(Buffer.alloc(25 << 20)), mime: 'video/mp4' }]);
  } finally {
    await own.stop();
  }
});

describe('what an operator sends', () => {
  it('reaches the client', async () => {
    bridge.portal.operator({ id: 27, name: 'Samantha Johnson' }).sends(`tg:${conversation.client.id}`, {
      text: 'the offer',
      files: [{ name: 'offer.pdf', mime: 'application/pdf', content: PDF }],
    });
    const [sent] = await conversation.client.receives(1, 15_000);
    expect(sent).toMatchObject({ caption: 'the offer', document: { file_name: 'offer.pdf' } });
    expect(bridge.bot.files.find(sent!.document!.file_id)!.content.sha256).toBe(sha256(PDF));
  });

  it('is left out with a note when the link leads elsewhere', async () => {
    const operator = bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
    const files = [{ name: 'offer.pdf', mime: 'application/pdf', content: PDF }];
    bridge.portal.files.fault = { redirectTo: `${bridge.program.url}/health/live` };
    operator.sends(`tg:${conversation.client.id}`, { text: 'look', files });
    await note('offer.pdf');
    expect(conversation.reached).toEqual(['look']);
    bridge.portal.files.fault = null;
  });
});

it('shows no bot token to anybody', async () => {
  conversation.client.setsProfilePhoto();
  conversation.client.sendsFile('photo', { content: PHOTO });
  await withFiles();
  const { portal, program } = bridge;
  const secret = BOT_TOKEN.split(':')[1]!;
  const seen = JSON.stringify([
    portal.calls,
    portal.ledger(),
    [...portal.files.all.values()].map(({ source }) => source),
  ]);
  expect(seen).toContain('/files/');
  expect(seen).not.toContain(secret);
  expect(program.log.join('\n')).not.toContain(secret);
  for (const { source } of portal.files.all.values()) {
    if (source !== undefined) expect(program.log.join('\n')).not.toContain(source.split('/').at(-1));
  }
});
