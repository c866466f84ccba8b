import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LineMessage, OperatorContent } from '../support/bitrix24-simulator/open-lines.js';
import { Bridge, eventually, LINE } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { DatabaseService } from '../../src/storage/postgres/database.service.js';
import { sampleJpeg, sampleMp4, sampleOgg } from '../support/telegram-simulator/sample.media.js';

let bridge: Bridge;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
  });
});

afterAll(async () => bridge?.stop());

const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });

const sends = (chat: Conversation, content: OperatorContent): LineMessage =>
  operator().sends(`tg:${chat.client.id}`, content);

const jpeg = (name: string, label = name) => ({
  name,
  mime: 'image/jpeg',
  content: sampleJpeg({ width: 640, height: 480 }, label),
});
const pdf = (name: string) => ({ name, mime: 'application/pdf', content: `%PDF ${name}` });

const reached = (chat: Conversation) => bridge.telegram.ledger().filter(({ chatId }) => chatId === chat.client.id);

const inShort = (chat: Conversation) =>
  reached(chat).map(({ kind, text, caption }) => (kind === 'text' ? text : `${kind} "${caption ?? ''}"`));

describe('files of an operator', () => {
  it('reach the client byte for byte, as what they are', async () => {
    const chat = await Conversation.begin(bridge, 401);
    const content = [
      { text: 'The [b]photo[/b]', files: [jpeg('house.jpg')] },
      { text: '', files: [pdf('Договор № 7.pdf')] },
      { text: '', files: [{ name: 'tour.mp4', mime: 'video/mp4', content: sampleMp4('tour') }] },
    ];
    const messages: LineMessage[] = [];
    for (const each of content) messages.push(sends(chat, each));
    messages.push(operator().recordsVoice('tg:401', sampleOgg('voice'), 'audio/ogg'));
    await chat.client.receives(4, 15_000);
    expect(inShort(chat)).toEqual(['photo "The photo"', 'document ""', 'video ""', 'voice ""']);
    expect(reached(chat).map(({ file }) => file!.sha256)).toEqual(messages.map(({ files: [file] }) => file!.sha256));
    expect(reached(chat)[0]!.entities).toMatchObject([{ type: 'bold', offset: 4, length: 5 }]);
    expect(reached(chat)[1]!.file!.fileName).toBe('Договор № 7.pdf');
    for (const message of messages) await chat.dialog.delivered(message);
    expect(chat.notes).toEqual([]);
  });

  it('that come together are an album, of which the portal learns every id', async () => {
    const chat = await Conversation.begin(bridge, 402);
    const message = sends(chat, { text: 'Three views', files: ['1.jpg', '2.jpg', '3.jpg'].map((name) => jpeg(name)) });
    const { externalIds } = await chat.dialog.delivered(message, 15_000);
    expect(inShort(chat)).toEqual(['photo "Three views"', 'photo ""', 'photo ""']);
    expect(new Set(reached(chat).map(({ mediaGroupId }) => mediaGroupId)).size).toBe(1);
    expect(externalIds).toEqual(reached(chat).map(({ messageId }) => `tg:402:${messageId}`));
    operator().edits(message, 'Three better views');
    await eventually(
      () => chat.client.inbox.map(({ caption }) => caption),
      ([caption]) => caption === 'Three better views',
    );
    operator().deletes(message);
    await eventually(
      () => chat.client.inbox.length,
      (count) => count === 0,
    );
  });

  it('are uploaded once, whoever gets them', async () => {
    const [first, second] = [await Conversation.begin(bridge, 403), await Conversation.begin(bridge, 404)];
    sends(first, { text: 'Our prices', files: [pdf('prices.pdf')] });
    await first.client.receives(1, 10_000);
    sends(second, { text: 'Our prices', files: [pdf('prices.pdf')] });
    await second.client.receives(1, 10_000);
    const [firstId, secondId] = [first, second].map(({ client }) => client.inbox[0]!.document!.file_id);
    expect(secondId).toBe(firstId);
  });

  it('that cannot be had are named to the operator, and the rest goes', async () => {
    const chat = await Conversation.begin(bridge, 405);
    const message = sends(chat, { text: 'Two', files: [jpeg('gone.jpg'), jpeg('there.jpg')] });
    bridge.portal.files.remove(message.files[0]!);
    const [note] = await chat.hasNotes(1);
    expect(note).toContain('Some files did not reach the client');
    expect(note).toContain('gone.jpg: the portal no longer has it');
    expect(note).not.toContain('there.jpg');
    expect(inShort(chat)).toEqual(['photo "Two"']);

    const page = sends(chat, { text: '', files: [pdf('page.pdf')] });
    bridge.portal.files.breakFile(page.files[0]!, { page: 200 });
    const [, refused] = await chat.hasNotes(2);
    expect(refused).toContain('page.pdf: the portal returns a web page instead of the file');
    expect(inShort(chat)).toHaveLength(1);
  });

  it('wait for a portal that does not give them now, and what was said after them waits too', async () => {
    const chat = await Conversation.begin(bridge, 406);
    const message = sends(chat, { text: 'Later', files: [jpeg('later.jpg')] });
    bridge.portal.files.breakFile(message.files[0]!, { page: 503 });
    sends(chat, 'and then this');
    const other = await Conversation.begin(bridge, 407);
    sends(other, 'not delayed');
    await other.client.receives(1, 10_000);
    await chat.becomes('Later', 'queued');
    expect(inShort(chat)).toEqual([]);
    bridge.portal.files.breakFile(message.files[0]!, null);
    await chat.client.receives(2, 30_000);
    expect(inShort(chat)).toEqual(['photo "Later"', 'and then this']);
    expect(chat.notes).toEqual([]);
  });
});

describe('the operator’s name', () => {
  it('stands before his words where the line shows it', async () => {
    const chat = await Conversation.begin(bridge, 408);
    const db = new DatabaseService(bridge.database.url);
    const show = (setting: string) =>
      db.query(`UPDATE lines SET operator_name = $1::"OperatorName", operator_name_template = $2 WHERE line_id = $3`, [
        setting,
        '{first_name}:',
        LINE,
      ]);
    try {
      await show('name');
      sends(chat, 'Hello');
      await chat.client.receives(1, 10_000);
      await show('template');
      sends(chat, { text: 'Look', files: [jpeg('look.jpg')] });
      await chat.client.receives(2, 10_000);
    } finally {
      await show('hidden');
      await db.onApplicationShutdown();
    }
    expect(inShort(chat)).toEqual(['Samantha Johnson:\nHello', 'photo "Samantha:\nLook"']);
  });
});
