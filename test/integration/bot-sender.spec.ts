import { createHash, randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { UpstreamError } from '../../src/common/upstream-error.js';
import { readEnvironment } from '../../src/config/environment.js';
import type { LaneResult } from '../../src/relay/endpoint-driver.js';
import type { OperatorDirectory, OperatorDownloads } from '../../src/relay/operator-directory.js';
import type { ClaimedAttachment, ClaimedDelivery, ClaimedLane } from '../../src/storage/work/claimed-lane.js';
import { UploadsRepository } from '../../src/storage/work/uploads.repository.js';
import { BotSender } from '../../src/telegram/outbound/bot.sender.js';
import { FileSpool } from '../../src/telegram/files/file-spool.js';
import { MediaSender } from '../../src/telegram/outbound/media.sender.js';
import { OperatorFiles } from '../../src/telegram/outbound/operator-files.js';
import { PartSender } from '../../src/telegram/outbound/part.sender.js';
import { SendPace } from '../../src/telegram/outbound/send-pace.js';
import { TelegramClient, type BotApi } from '../../src/telegram/api/telegram.client.js';
import { claimedChat, claimedDelivery } from '../support/claimed-work.js';
import { createTestStorage } from '../support/storage.js';
import { sampleJpeg, sampleMp3, sampleMp4, sampleOgg } from '../support/telegram-simulator/sample.media.js';
import type { SimulatedBot } from '../support/telegram-simulator/simulated.bot.js';
import { TelegramSimulator, type LedgerEntry } from '../support/telegram-simulator.js';

const TOKEN = '123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc';
const MB = 1024 * 1024;

type Chat = ClaimedLane['chat'];
type Message = ClaimedDelivery['message'];

let telegram: TelegramSimulator;
let bot: SimulatedBot;
let storage: Awaited<ReturnType<typeof createTestStorage>>;
let uploads: UploadsRepository;
let api: BotApi;
let sender: BotSender;
let spool: FileSpool;
let nextClient = 1000;
let seq = 0n;

/** What the portal has under its links; an error is thrown. */
const portal = new Map<string, Buffer | UpstreamError>();
const opened: string[] = [];
const operators: OperatorDirectory & OperatorDownloads = {
  open: async (_portalId, url) => {
    opened.push(url);
    const content = portal.get(url);
    if (content instanceof Error) throw content;
    if (!content) throw portalError('refused', 'file_gone');
    return { stream: Readable.from([content]), name: null, mime: null, size: content.length };
  },
  operator: async () => ({ firstName: 'Samantha', lastName: 'Johnson', position: 'Sales' }),
  operatorOnLine: async () => ({ firstName: 'Samantha', lastName: 'Johnson', position: 'Sales' }),
};

beforeAll(async () => {
  [telegram, storage] = await Promise.all([TelegramSimulator.start(), createTestStorage()]);
  bot = telegram.addBot({ token: TOKEN });
  const client = new TelegramClient(readEnvironment({ TG_API_ROOT: telegram.url }));
  spool = new FileSpool(operators);
  uploads = new UploadsRepository(storage.db);
  api = client.bot(TOKEN);
  const parts = new PartSender(new MediaSender(uploads));
  sender = new BotSender(operators, new OperatorFiles(spool), parts);
});

afterAll(async () => {
  await telegram?.stop();
  await storage?.close();
});

function portalError(kind: 'refused' | 'not_sent' | 'unknown', code: string): UpstreamError {
  return new UpstreamError({ network: 'bitrix24', kind, scope: 'message', code, detail: 'The portal says so.' });
}

/** A file of the portal, under a link of its own. */
function file(name: string, content: Buffer | UpstreamError, more: Partial<ClaimedAttachment> = {}): ClaimedAttachment {
  const url = `https://acme.bitrix24.com/${randomBytes(8).toString('hex')}`;
  portal.set(url, content);
  return {
    ordinal: 0,
    kind: 'document',
    name,
    mime: null,
    size: null,
    label: name,
    telegramFileId: null,
    telegramUniqueId: null,
    url,
    ...more,
  };
}

const jpeg = (label: string, width = 640, height = 480) => sampleJpeg({ width, height }, label);

/** One chat of the bot, and an operator's messages into it. */
class Talk {
  readonly client = bot.client({ id: nextClient++, first_name: 'Ivan' });
  blocked = false;

  constructor(private readonly chat: Partial<Chat> = {}) {
    this.client.sends('hello');
  }

  /** Sends one delivery by a bot that has rested. */
  async sends(
    message: Partial<Message> & { files?: ClaimedAttachment[] },
    delivery: Partial<ClaimedDelivery> = {},
    by: { api?: BotApi; held?: boolean; signal?: AbortSignal } = {},
  ): Promise<LaneResult['deliveries'][number] & { nextInMs?: number; chat?: LaneResult['chat'] }> {
    const { files = [], ...words } = message;
    const lane: ClaimedLane = {
      id: 1n,
      claim: 1n,
      channel: 'outbound',
      chat: claimedChat(this.client.id, this.chat),
      deliveries: [
        claimedDelivery(
          {
            id: ++seq,
            attachments: files.map((attachment, ordinal) => ({ ...attachment, ordinal })),
            authorId: '27',
            bitrixMessageId: '1',
            bitrixChatId: '1',
            ...words,
          },
          { seq, ...delivery },
        ),
      ],
    };
    const pace = new SendPace(performance.now() - 600_000);
    pace.reserve(1, performance.now());
    const turn = pace.turn(lane.chat.telegramChatId);
    const lease = { lease: {} as never, held: by.held ?? true, signal: by.signal ?? new AbortController().signal };
    const { deliveries, nextInMs, chat } = await sender.send(by.api ?? api, lane, turn, lease);
    turn.end(performance.now());
    return { ...deliveries[0]!, nextInMs, chat };
  }

  get ledger(): LedgerEntry[] {
    return telegram.ledger().filter(({ chatId }) => chatId === this.client.id);
  }

  /** Everything that reached the client: `photo "caption"`. */
  get reached(): string[] {
    return this.ledger.map(({ kind, text, caption }) => (kind === 'text' ? text : `${kind} "${caption ?? ''}"`));
  }

  /** Calls that went to this client, by method. */
  get calls(): string[] {
    return telegram.calls
      .filter(({ params }) => String(params['chat_id']) === String(this.client.id))
      .map(({ method }) => method);
  }

  readonly isMine = (params: Readonly<Record<string, unknown>>) => String(params['chat_id']) === String(this.client.id);

  refuses(method: string, description: string, times = 1): void {
    const body = { ok: false, error_code: 400, description: `Bad Request: ${description}` };
    telegram.faults.next(method, { status: 400, body }, times, this.isMine);
  }
}

/** What the second attempt knows of the first. */
function again(result: { telegramMessageIds?: bigint[]; telegramParts?: number[] }): Partial<Message> {
  return { telegramMessageIds: result.telegramMessageIds, telegramParts: result.telegramParts };
}

describe('files of operators', () => {
  it.each([
    ['photo', 'a.jpg', () => jpeg('one')],
    ['video', 'a.mp4', () => sampleMp4('one')],
    ['voice', 'a.ogg', () => sampleOgg('one')],
    ['audio', 'a.mp3', () => sampleMp3('one')],
    ['document', 'Contract №1; "final".pdf', () => Buffer.from('%PDF one')],
  ])('go as %s, byte for byte, with the words under them', async (kind, name, content) => {
    const talk = new Talk();
    const result = await talk.sends({ text: 'Here you are', files: [file(name, content())] });
    expect(result).toMatchObject({ delivered: true, reportDelivery: true, telegramParts: [0] });
    expect(talk.ledger).toMatchObject([
      {
        kind,
        caption: 'Here you are',
        messageId: Number(result.telegramMessageIds![0]),
        file: { sha256: createHash('sha256').update(content()).digest('hex') },
      },
    ]);
  });

  it('keep their names', async () => {
    const talk = new Talk();
    await talk.sends({ files: [file('Прайс-лист 2026.pdf', Buffer.from('%PDF two'))] });
    expect(talk.ledger[0]!.file!.fileName).toBe('Прайс-лист 2026.pdf');
  });

  it('are one album with the words under its first item, and each has its id', async () => {
    const talk = new Talk();
    const files = [file('1.jpg', jpeg('a')), file('2.mp4', sampleMp4('b')), file('3.jpg', jpeg('c'))];
    const result = await talk.sends({ text: 'Three', files });
    expect(talk.calls).toEqual(['sendMediaGroup']);
    expect(talk.reached).toEqual(['photo "Three"', 'video ""', 'photo ""']);
    expect(new Set(talk.ledger.map(({ mediaGroupId }) => mediaGroupId)).size).toBe(1);
    expect(result.telegramMessageIds).toEqual(talk.ledger.map(({ messageId }) => BigInt(messageId)));
    expect(result.telegramParts).toEqual([0, 1, 2]);
  });

  it('follow words that are too long for a caption', async () => {
    const talk = new Talk();
    const result = await talk.sends({ text: 'x'.repeat(1025), files: [file('1.jpg', jpeg('long'))] });
    expect(talk.ledger.map(({ kind }) => kind)).toEqual(['text', 'photo']);
    expect(result.telegramParts).toEqual([0, 1]);
    expect(result.telegramMessageIds).toEqual([talk.ledger[1]!.messageId, talk.ledger[0]!.messageId].map(BigInt));
  });

  it('are uploaded once for all clients of the bot, and anew when Telegram has forgotten them', async () => {
    const content = Buffer.from(`%PDF ${randomBytes(8).toString('hex')}`);
    const [first, second, renamed] = [new Talk(), new Talk(), new Talk()];
    await first.sends({ files: [file('price.pdf', content)] });
    await second.sends({ files: [file('price.pdf', content)] });
    await renamed.sends({ files: [file('other name.pdf', content)] });
    expect(second.ledger[0]!.file).toEqual(first.ledger[0]!.file);
    expect(renamed.ledger[0]!.file!.fileName).toBe('other name.pdf');
    const { rows } = await storage.db.query<{ file_id: string }>(`SELECT file_id FROM uploads WHERE kind = 'document'`);
    const documents = telegram.calls
      .filter(({ params }) => second.isMine(params))
      .map(({ params }) => params['document']);
    expect(rows.map((row) => row.file_id)).toContain(documents[0]);

    await storage.db.query(`UPDATE uploads SET file_id = 'forgotten' WHERE kind = 'document'`);
    const third = new Talk();
    expect(await third.sends({ files: [file('price.pdf', content)] })).toMatchObject({ delivered: true });
    expect(third.calls).toEqual(['sendDocument', 'sendDocument']);
    const fourth = new Talk();
    await fourth.sends({ files: [file('price.pdf', content)] });
    expect(fourth.calls).toEqual(['sendDocument']);

    await storage.db.query(`UPDATE uploads SET used_at = now() - interval '20 days' WHERE kind = 'document'`);
    const count = async () => (await storage.db.query(`SELECT FROM uploads WHERE kind = 'document'`)).rowCount;
    const before = await count();
    await uploads.purge(30);
    expect(await count()).toBe(before);
    await uploads.purge(10);
    expect(await count()).toBe(0);
  });

  it('go as documents when Telegram cannot show them as what they are', async () => {
    const talk = new Talk();
    const long = file('panorama.jpg', jpeg('long', 9000, 100));
    expect(await talk.sends({ text: 'wide', files: [long] })).toMatchObject({ delivered: true });
    expect(talk.reached).toEqual(['document "wide"']);
    const voice = new Talk();
    voice.refuses('sendVoice', 'VOICE_MESSAGES_FORBIDDEN');
    voice.refuses('sendAudio', 'AUDIO_CONTENT_TYPE_INVALID');
    expect(await voice.sends({ files: [file('a.ogg', sampleOgg('v'))] })).toMatchObject({ delivered: true });
    expect(voice.calls).toEqual(['sendVoice', 'sendAudio', 'sendDocument']);
  });

  it('go one by one when Telegram refuses the album', async () => {
    const talk = new Talk();
    const files = [file('1.jpg', jpeg('p1')), file('wide.jpg', jpeg('p2', 9000, 100)), file('3.jpg', jpeg('p3'))];
    const result = await talk.sends({ text: 'Three', files });
    expect(result).toMatchObject({ delivered: true, telegramParts: [0, 1, 2] });
    expect(talk.reached).toEqual(['photo "Three"', 'document ""', 'photo ""']);
  });

  it('leave nothing in the temporary folder', async () => {
    const talk = new Talk();
    await talk.sends({ files: [file('a.bin', randomBytes(3 * MB))] });
    expect(talk.ledger[0]!.file!.size).toBe(3 * MB);
    expect((await readdir(tmpdir())).filter((name) => name.startsWith('operator-file-'))).toEqual([]);
  });
});

describe('files that cannot go', () => {
  it('are named, and the rest goes; the words go with the first that does', async () => {
    const talk = new Talk();
    const files = [file('gone.jpg', portalError('refused', 'file_gone')), file('2.jpg', jpeg('there'))];
    const result = await talk.sends({ text: 'Two', files });
    expect(result).toMatchObject({
      delivered: true,
      telegramParts: [1],
      leftOut: [{ name: 'gone.jpg', code: 'file_gone', detail: 'The portal says so.' }],
    });
    expect(talk.reached).toEqual(['photo "Two"']);
  });

  it('leave the words as a text when there is no other', async () => {
    const talk = new Talk();
    const files = [file('gone.jpg', portalError('refused', 'file_gone'))];
    expect(await talk.sends({ text: 'Alone', files })).toMatchObject({
      delivered: true,
      telegramParts: [1],
      leftOut: [{ name: 'gone.jpg' }],
    });
    expect(talk.reached).toEqual(['Alone']);
  });

  it('are refused when nothing is left to send', async () => {
    const talk = new Talk();
    const result = await talk.sends({ files: [file('empty.txt', Buffer.alloc(0))] });
    expect(result).toMatchObject({
      delivered: false,
      error: { kind: 'refused', code: 'files_left_out' },
      leftOut: [{ name: 'empty.txt', code: 'file_empty' }],
    });
  });

  it('are left out when they are larger than the server takes', async () => {
    const talk = new Talk();
    const files = [file('huge.iso', Buffer.alloc(51 * MB, 1)), file('small.txt', Buffer.from('small'))];
    expect(await talk.sends({ text: 'Take these', files })).toMatchObject({
      delivered: true,
      leftOut: [{ name: 'huge.iso', code: 'file_too_large' }],
    });
    expect(talk.reached).toEqual(['document "Take these"']);
    const before = opened.length;
    const declared = file('more.iso', Buffer.from('x'), { size: 3000 * MB });
    expect(await talk.sends({ text: 'x', files: [declared] })).toMatchObject({ leftOut: [{ code: 'file_too_large' }] });
    expect(opened.length).toBe(before);
  });

  it('make the message wait, whole, while the portal does not answer', async () => {
    const talk = new Talk();
    const files = [file('1.jpg', jpeg('w1')), file('2.jpg', portalError('unknown', 'TIMEOUT'))];
    const result = await talk.sends({ text: 'x'.repeat(2000), files });
    expect(result).toMatchObject({
      delivered: false,
      error: { network: 'telegram', kind: 'not_sent', scope: 'message', code: 'file_not_now' },
      telegramMessageIds: [],
    });
    expect(talk.reached).toEqual([]);
    portal.set(files[1]!.url!, jpeg('w2'));
    expect(await talk.sends({ text: 'x'.repeat(2000), files })).toMatchObject({ delivered: true });
  });

  it('wait a moment for the event with their links when they were found in the dialog before it', async () => {
    const talk = new Talk();
    const files = [file('1.jpg', portalError('refused', 'file_needs_disk'))];
    const now = new Date();
    const ago = (ms: number) => new Date(now.getTime() - ms);
    expect(await talk.sends({ files, saidAt: ago(3_000), createdAt: ago(2_000) })).toMatchObject({
      delivered: false,
      error: { kind: 'not_sent', code: 'file_not_now' },
    });
    for (const times of [
      { saidAt: ago(20_000), createdAt: ago(1_000) },
      { saidAt: ago(-60_000), createdAt: ago(20_000) },
    ]) {
      expect(await talk.sends({ files, ...times })).toMatchObject({ error: { kind: 'refused' } });
    }
  });

  it('are named once, though the message took two attempts', async () => {
    const talk = new Talk();
    const files = [
      file('gone.jpg', portalError('refused', 'file_gone')),
      file('2.pdf', Buffer.from('%PDF 2')),
      file('3.jpg', jpeg('third')),
    ];
    telegram.faults.next('sendPhoto', { tooManyRequests: 1 }, 1, talk.isMine);
    const first = await talk.sends({ text: 'x', files });
    expect(first).toMatchObject({
      delivered: false,
      error: { kind: 'not_sent', code: '429' },
      telegramParts: [1],
      leftOut: [{ name: 'gone.jpg' }],
    });
    const second = await talk.sends({ text: 'x', files, ...again(first) });
    expect(second).toMatchObject({ delivered: true, telegramParts: [1, 2] });
    expect(second).not.toHaveProperty('leftOut');
    expect(talk.reached).toEqual(['document "x"', 'photo ""']);
  });
});

describe('outcomes of uploads', () => {
  it('are unknown when the whole request was written and no answer came', async () => {
    const talk = new Talk();
    telegram.faults.next('sendDocument', 'dropAfter', 1, talk.isMine);
    const result = await talk.sends({ files: [file('a.bin', randomBytes(100))] });
    expect(result).toMatchObject({ delivered: false, error: { kind: 'unknown' }, telegramMessageIds: [] });
    expect(talk.reached).toHaveLength(1);
  });

  it('were not sent when the connection ended before the request was complete', async () => {
    const server = createServer((request) => request.once('data', () => request.destroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const root = readEnvironment({ TG_API_ROOT: `http://127.0.0.1:${port}` });
    const talk = new Talk();
    const files = [file('a.bin', randomBytes(20 * MB))];
    const result = await talk.sends({ files }, {}, { api: new TelegramClient(root).bot(TOKEN) });
    server.close();
    expect(result).toMatchObject({ delivered: false, error: { kind: 'not_sent' } });
  });

  it('are given up, unsent, when another replica takes the bot over', async () => {
    const talk = new Talk();
    const lost = await talk.sends({ text: 'x' }, {}, { held: false });
    expect(lost).toMatchObject({ delivered: false, error: { kind: 'not_sent', code: 'LEASE_LOST' } });
    const handover = AbortSignal.abort();
    const result = await talk.sends({ files: [file('a.bin', randomBytes(MB))] }, {}, { signal: handover });
    expect(result).toMatchObject({ delivered: false, error: { kind: 'not_sent' } });
    expect(talk.reached).toEqual([]);
  });

  it('wait their turn when other messages of the bot have files under way', async () => {
    const leave = [spool.tryAcquire(1n)!, spool.tryAcquire(1n)!];
    const talk = new Talk();
    const files = [file('1.jpg', jpeg('busy'))];
    const before = opened.length;
    expect(await talk.sends({ files })).toMatchObject({ postponed: { begun: false }, nextInMs: expect.any(Number) });
    expect(opened.length).toBe(before);
    for (const go of leave) go();
    expect(await talk.sends({ files })).toMatchObject({ delivered: true });
  });

  it('are marked as a possible repetition when the first outcome is unknown', async () => {
    const talk = new Talk();
    await talk.sends({ text: 'Look', files: [file('1.jpg', jpeg('r1'))] }, { unknown: true });
    await talk.sends({ files: [file('2.jpg', jpeg('r2'))] }, { unknown: true });
    await talk.sends({ text: 'y'.repeat(1024), files: [file('3.jpg', jpeg('r3'))] }, { unknown: true });
    expect(talk.reached).toEqual([
      'photo "(possibly repeated)\nLook"',
      'photo "(possibly repeated)"',
      '(possibly repeated)',
      `photo "${'y'.repeat(1024)}"`,
    ]);
  });
});

describe('answers to a message', () => {
  it('refer to it, with the quoted part', async () => {
    const talk = new Talk();
    const { message } = talk.client.sends('How much is the fish?');
    const replyTo = { telegramMessageId: BigInt(message.message_id), quote: 'the fish' };
    await talk.sends({ text: 'Ten', replyTo });
    expect(talk.ledger.at(-1)).toMatchObject({ replyTo: message.message_id, quote: 'the fish' });
  });

  it('go without what Telegram does not find', async () => {
    const talk = new Talk();
    const { message } = talk.client.sends('How much?');
    const id = BigInt(message.message_id);
    await talk.sends({ text: 'one', replyTo: { telegramMessageId: id, quote: 'not said' } });
    await talk.sends({ text: 'two', replyTo: { telegramMessageId: 9_999_999n, quote: null } });
    talk.refuses('sendMessage', 'message to be replied not found');
    await talk.sends({ text: 'three', replyTo: { telegramMessageId: id, quote: null } });
    expect(talk.ledger.map(({ text, replyTo, quote }) => [text, replyTo, quote])).toEqual([
      ['one', message.message_id, undefined],
      ['two', undefined, undefined],
      ['three', undefined, undefined],
    ]);
  });

  it('refer to it once, however many parts they have', async () => {
    const talk = new Talk();
    const { message } = talk.client.sends('Photos?');
    const files = [file('1.jpg', jpeg('q1')), file('a.pdf', Buffer.from('%PDF q'))];
    await talk.sends({ text: 'x', files, replyTo: { telegramMessageId: BigInt(message.message_id), quote: null } });
    expect(talk.ledger.map(({ replyTo }) => replyTo)).toEqual([message.message_id, undefined]);
  });
});

describe('the operator’s name', () => {
  it('stands on a line of its own, as the line wants it', async () => {
    const named = new Talk({ operatorName: 'name' });
    await named.sends({ text: 'Hello' });
    await named.sends({ text: 'Look', files: [file('1.jpg', jpeg('n1'))] });
    await named.sends({ text: 'Welcome!', authorId: '0' });
    expect(named.reached).toEqual(['Samantha Johnson:\nHello', 'photo "Samantha Johnson:\nLook"', 'Welcome!']);
    const template = new Talk({ operatorName: 'template', operatorNameTemplate: '{first_name}, {position}' });
    await template.sends({ text: 'Hello' });
    expect(template.reached).toEqual(['Samantha, Sales\nHello']);
  });
});

describe('edits', () => {
  const edit = (text: string): Partial<ClaimedDelivery> => ({ kind: 'edit', payload: { text, marks: [] } });

  it('change the texts of a message one by one, add what is missing and delete what is too much', async () => {
    const talk = new Talk();
    const words = (...letters: string[]) => letters.map((letter) => letter.repeat(4000)).join('\n\n');
    const first = await talk.sends({ text: words('a', 'b') });
    const longer = await talk.sends(again(first), edit(words('a', 'c', 'd')));
    expect(longer).toMatchObject({ delivered: true, telegramParts: [0, 1, 2] });
    expect(longer).not.toHaveProperty('reportDelivery', true);
    expect(talk.client.inbox.map(({ text }) => text![0])).toEqual(['a', 'c', 'd']);
    const shorter = await talk.sends(again(longer), edit('e'));
    expect(shorter).toMatchObject({
      delivered: true,
      telegramParts: [0],
      removedMessageIds: longer.telegramMessageIds!.slice(1),
    });
    expect(talk.client.inbox.map(({ text }) => text)).toEqual(['e']);
    expect(await talk.sends(again(shorter), edit('e'))).toMatchObject({ delivered: true });
  });

  it('change the caption of the first file, or take it away', async () => {
    const talk = new Talk();
    const files = [file('1.jpg', jpeg('e1')), file('2.jpg', jpeg('e2'))];
    const first = await talk.sends({ text: 'before', files });
    expect(await talk.sends({ files, ...again(first) }, edit('after'))).toMatchObject({ delivered: true });
    expect(talk.client.inbox.map(({ caption }) => caption)).toEqual(['after', undefined]);
    await talk.sends({ files, ...again(first) }, edit(''));
    expect(talk.client.inbox.map(({ caption }) => caption)).toEqual([undefined, undefined]);
    expect(await talk.sends({ files, ...again(first) }, edit('z'.repeat(1025)))).toMatchObject({
      delivered: false,
      error: { kind: 'refused', code: 'caption_too_long' },
    });
  });

  it('change the words before the files, not the files', async () => {
    const talk = new Talk();
    const files = [file('gone.jpg', portalError('refused', 'file_gone')), file('2.jpg', jpeg('e4'))];
    const first = await talk.sends({ text: 'w'.repeat(2000), files });
    await talk.sends({ files, ...again(first) }, edit('short'));
    expect(talk.client.inbox.map(({ text, caption }) => text ?? caption)).toEqual(['short', undefined]);
  });

  it('are refused with a reason when Telegram has nothing to change', async () => {
    const talk = new Talk();
    const first = await talk.sends({ text: 'soon gone' });
    talk.client.chat.remove(Number(first.telegramMessageIds![0]));
    expect(await talk.sends(again(first), edit('x'))).toMatchObject({
      error: { kind: 'refused', code: 'message_gone' },
    });
    expect(await talk.sends({}, edit('x'))).toMatchObject({ error: { kind: 'refused', code: 'message_gone' } });
  });

  it('send nothing anew whose outcome is unknown', async () => {
    const talk = new Talk();
    const first = await talk.sends({ text: 'one' });
    telegram.faults.next('sendMessage', 'dropAfter', 1, talk.isMine);
    const words = edit(`${'a'.repeat(4000)}\n\n${'b'.repeat(500)}`);
    expect(await talk.sends(again(first), words)).toMatchObject({ error: { kind: 'refused', code: 'edit_uncertain' } });
    const inDoubt = { ...words, unknown: true };
    expect(await talk.sends(again(first), inDoubt)).toMatchObject({ error: { code: 'edit_uncertain' } });
    expect(talk.calls.filter((method) => method === 'sendMessage')).toHaveLength(2);
  });
});

describe('deletions', () => {
  it('take all parts back in one call, or those that are named, and do not mind what is gone', async () => {
    const talk = new Talk();
    const files = [file('1.jpg', jpeg('d1')), file('2.jpg', jpeg('d2')), file('3.jpg', jpeg('d3'))];
    const sent = await talk.sends({ files });
    const named = { telegramMessageIds: [String(sent.telegramMessageIds![1])] };
    await talk.sends({ files, ...again(sent) }, { kind: 'delete', payload: named });
    expect(talk.client.inbox).toHaveLength(2);
    await talk.sends({ files, ...again(sent) }, { kind: 'delete', payload: {} });
    expect(talk.client.inbox).toHaveLength(0);
    expect(await talk.sends({ files, ...again(sent) }, { kind: 'delete', payload: named })).toMatchObject({
      delivered: true,
    });
    expect(talk.calls.slice(-3)).toEqual(['deleteMessage', 'deleteMessages', 'deleteMessage']);
  });

  it('are refused after 48 hours', async () => {
    const talk = new Talk();
    const sent = await talk.sends({ text: 'old' });
    talk.refuses('deleteMessage', "message can't be deleted for everyone");
    expect(await talk.sends(again(sent), { kind: 'delete', payload: {} })).toMatchObject({
      delivered: false,
      error: { kind: 'refused', code: 'delete_refused' },
    });
  });
});

describe('places', () => {
  it('follows a group that became a supergroup', async () => {
    const talk = new Talk();
    const target = new Talk();
    const parameters = { migrate_to_chat_id: target.client.id };
    const body = { ok: false, error_code: 400, description: 'Bad Request: group chat was upgraded', parameters };
    telegram.faults.next('sendMessage', { status: 400, body }, 1, talk.isMine);
    expect(await talk.sends({ text: 'moved' })).toMatchObject({
      delivered: true,
      chat: { telegramChatId: BigInt(target.client.id) },
    });
    expect(target.reached).toEqual(['moved']);
  });

  it('does not need a topic of a private chat, and says when another one is gone', async () => {
    const talk = new Talk({ threadId: 77n });
    talk.refuses('sendMessage', 'message thread not found');
    expect(await talk.sends({ text: 'anyway' })).toMatchObject({ delivered: true });
    const forum = new Talk({ threadId: 77n, type: 'supergroup' });
    forum.refuses('sendMessage', 'message thread not found');
    expect(await forum.sends({ text: 'x' })).toMatchObject({ error: { kind: 'refused', code: 'topic_deleted' } });
  });

  it('names topics of direct messages and business connections', async () => {
    const paramsOf = (talk: Talk) => telegram.calls.findLast(({ params }) => talk.isMine(params))!.params;
    const direct = new Talk({ threadId: 5n, type: 'direct_messages' });
    await direct.sends({ text: 'x' });
    expect(paramsOf(direct)).toMatchObject({ direct_messages_topic_id: 5 });
    expect(paramsOf(direct)).not.toHaveProperty('message_thread_id');
    const account = bot.connectBusiness(
      { id: 9_001, first_name: 'Owner' },
      { can_reply: true, can_delete_outgoing_messages: true },
    );
    const business = new Talk({ businessConnection: account.connection.id });
    account.clientSends({ id: business.client.id, first_name: 'Ivan' }, 'hi');
    const sent = await business.sends({ text: 'Hello', files: [file('1.jpg', jpeg('b1'))] });
    expect(sent).toMatchObject({ delivered: true });
    expect(business.ledger.map(({ businessConnectionId }) => businessConnectionId)).toEqual([account.connection.id]);
    const files = [file('1.jpg', jpeg('b1'))];
    const edited = await business.sends(
      { files, ...again(sent) },
      { kind: 'edit', payload: { text: 'Bye', marks: [] } },
    );
    expect(edited).toMatchObject({ delivered: true });
    expect(await business.sends({ files, ...again(sent) }, { kind: 'delete', payload: {} })).toMatchObject({
      delivered: true,
    });
    account.grants({});
    expect(await business.sends({ text: 'x' })).toMatchObject({ error: { code: 'business_rights' } });
    account.disconnects();
    expect(await business.sends({ text: 'x' })).toMatchObject({ error: { code: 'business_disconnected' } });
  });

  it('remembers that the client blocked the bot', async () => {
    const talk = new Talk();
    talk.client.blocks();
    expect(await talk.sends({ text: 'x' })).toMatchObject({
      error: { code: 'bot_blocked' },
      chat: { blockedReason: 'The client blocked the bot' },
    });
  });
});
