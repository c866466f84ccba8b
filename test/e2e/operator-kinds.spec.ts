import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LineMessage } from '../support/bitrix24-simulator/open-lines.js';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { sampleJpeg, sampleMp3 } from '../support/telegram-simulator/sample.media.js';

const DAY_MS = 86_400_000;

let bridge: Bridge;
/** How far Telegram's clock is ahead. */
let ahead = 0;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
    telegram: { now: () => Date.now() + ahead },
  });
});

afterAll(async () => bridge?.stop());

const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
const reached = ({ client }: Conversation) => bridge.telegram.ledger().filter(({ chatId }) => chatId === client.id);
const jpeg = (name: string) => ({
  name,
  mime: 'image/jpeg',
  content: sampleJpeg({ width: 640, height: 480 }, name),
});

/** Sent, in Telegram, and known to the portal as such. */
async function answered(chat: Conversation, text: string): Promise<LineMessage> {
  return chat.dialog.delivered(chat.answers(text), 15_000);
}

const inbox = ({ client }: Conversation) => client.inbox.map(({ text, caption }) => text ?? caption ?? '');

/** Text and marks, `type:words` each. */
type Row = [bbcode: string, text: string, ...marks: string[]];

const TEXTS: Record<string, Row> = {
  'styles, one in another': [
    '[b]bold [i]both[/i][/b] [u]under[/u] [s]struck[/s]',
    'bold both under struck',
    'bold:bold ',
    'bold:both',
    'italic:both',
    'underline:under',
    'strikethrough:struck',
  ],
  'styles that cross': ['[b]one [i]two[/b] three[/i]', 'one two three', 'bold:one ', 'bold:two', 'italic:two three'],
  'code, in which nothing else counts': ['[code]a[b]c[/b][/code]', 'a[b]c[/b]', 'code:a[b]c[/b]'],
  links: [
    '[url=https://a.example/b?c=1&amp;d=2]here[/url] [url]https://x.example[/url]',
    'here https://x.example',
    'text_link:here',
    'url:https://x.example',
  ],
  'a link that nobody can open': ['[url=javascript:alert(1)]here[/url]', 'here (javascript:alert(1))'],
  'quoted lines': ['[quote]said[/quote]heard', 'said\nheard', 'blockquote:said'],
  'a list': ['[list=1][*]one[*]two[/list]', '1. one\n2. two'],
  'a colleague, a smiley, a file of the disk, a colour': [
    '[user=27]Samantha[/user] [icon=https://a.example/b.png title=smile] [disk=12][color=#ff0000]red[/color]',
    'Samantha smile red',
  ],
  'a left-over of the smiley editor': ['fine <img src="/x.png" data-code=":D" title="smile" />', 'fine :D'],
  'an old line break': ['one[br]two#BR#three', 'one\ntwo\nthree'],
  'tags that nobody knows, and one that never ends': ['[x]as it is[/x] [b]bold', '[x]as it is[/x] bold', 'bold:bold'],
  'signs that are written as codes': ['1 &lt; 2 &amp;&amp; 3 &gt; 2', '1 < 2 && 3 > 2'],
};

describe('the client reads', () => {
  it.each(Object.entries(TEXTS))('%s', async (name, [bbcode, text, ...marks]) => {
    const chat = await Conversation.begin(bridge, 8_001 + Object.keys(TEXTS).indexOf(name));
    const message = await answered(chat, bbcode);
    const [sent] = reached(chat);
    expect(sent!.text).toBe(text);
    const said = sent!.entities
      .filter(({ type }) => type !== 'bot_command')
      .map(({ type, offset, length }) => `${type}:${text.slice(offset, offset + length)}`);
    expect(said.toSorted()).toEqual(marks.toSorted());
    expect(message.externalIds).toEqual([`tg:${chat.client.id}:${sent!.messageId}`]);
    expect(chat.notes).toEqual([]);
  });

  it('what stands on a card, and a link that is all there is', async () => {
    const chat = await Conversation.begin(bridge, 8_100);
    const attach = [
      { ID: 1, BLOCKS: [{ MESSAGE: 'Order [b]5[/b]' }, { LINK: { NAME: 'Pay', LINK: 'https://a.example' } }] },
    ];
    for (const content of [{ attach }, { params: { url: 'https://b.example' } }]) {
      await chat.dialog.delivered(operator().sends('tg:8100', content), 15_000);
    }
    expect(chat.reached).toEqual(['Order 5\nPay', 'https://b.example']);
    expect(reached(chat)[0]!.entities.map(({ type }) => type)).toEqual(['bold', 'text_link']);
  });

  it('a text of any length, in parts that are whole', async () => {
    const chat = await Conversation.begin(bridge, 8_101);
    const words = Array.from({ length: 1_200 }, (_, n) => `word${n}`).join(' ');
    const message = await answered(chat, `[b]${words}[/b] 👩‍👩‍👧`);
    const parts = reached(chat);
    expect(parts.map(({ text }) => text).join(' ')).toBe(`${words} 👩‍👩‍👧`);
    for (const { text, entities } of parts) {
      expect(text.length).toBeLessThanOrEqual(4_096);
      expect(text).not.toMatch(/^\S*\d\s*$/);
      expect(entities).toMatchObject([{ type: 'bold', offset: 0 }]);
    }
    expect(parts.length).toBeGreaterThan(1);
    expect(message.externalIds).toEqual(parts.map(({ messageId }) => `tg:8101:${messageId}`));
  });

  it('words that are too long for a caption before their file', async () => {
    const chat = await Conversation.begin(bridge, 8_102);
    const text = `${'long '.repeat(300)}end`;
    const message = operator().sends('tg:8102', { text, files: [jpeg('house.jpg')] });
    await chat.dialog.delivered(message, 15_000);
    expect(reached(chat).map(({ kind, caption, text: words }) => [kind, caption, words])).toEqual([
      ['text', undefined, text],
      ['photo', undefined, ''],
    ]);
    expect(message.externalIds).toHaveLength(2);
  });

  it('files of every kind as what they are, others as documents', async () => {
    const chat = await Conversation.begin(bridge, 8_103);
    const files = [
      { name: 'song.mp3', mime: 'audio/mpeg', content: sampleMp3('song') },
      { name: 'fun.gif', mime: 'image/gif', content: Buffer.from('GIF89a\x01\0\x01\0') },
      { name: 'plan.dwg', mime: 'application/octet-stream', content: 'AC1032' },
      { name: 'broken.jpg', mime: 'image/jpeg', content: 'no picture at all' },
    ];
    for (const file of files) {
      await chat.dialog.delivered(operator().sends('tg:8103', { files: [file] }), 15_000);
    }
    expect(reached(chat).map(({ kind, file }) => `${kind} ${file!.size}`)).toEqual([
      `audio ${files[0]!.content.length}`,
      `animation ${files[1]!.content.length}`,
      'document 6',
      'document 17',
    ]);
    expect(chat.notes).toEqual([]);
  });

  it('a quotation as an answer to what was quoted, wherever the messenger put its reference', async () => {
    const chat = await Conversation.begin(bridge, 8_104);
    const { message } = chat.client.sends('Is it red or blue?');
    await chat.becomes('Is it red or blue?', 'delivered');
    const quoted = chat.dialog.clientMessages.at(-1)!;
    const styles = [{ reference: 'header' }, { reference: 'line' }, { reference: 'none' }, { shape: 'lines' }] as const;
    for (const [index, style] of styles.entries()) {
      await chat.dialog.delivered(operator().quotes(quoted, `Blue ${index}`, style), 15_000);
    }
    expect(reached(chat).map(({ text, replyTo }) => [text, replyTo])).toEqual(
      styles.map((_, index) => [`Blue ${index}`, message.message_id]),
    );
  });

  it('a quotation of an answer, too, and one of something else as a quotation', async () => {
    const chat = await Conversation.begin(bridge, 8_105);
    const first = await answered(chat, 'It costs 10');
    await chat.dialog.delivered(operator().quotes(first, 'Now 9'), 15_000);
    await answered(chat, '>>nobody said this\nhere');
    const [cost, now, other] = reached(chat);
    expect(now).toMatchObject({ text: 'Now 9', replyTo: cost!.messageId });
    expect(other).toMatchObject({ text: 'nobody said this\nhere', replyTo: undefined });
    expect(other!.entities).toMatchObject([{ type: 'blockquote', offset: 0, length: 16 }]);
  });
});

describe('a change of the operator', () => {
  it('keeps the answer an answer', async () => {
    const chat = await Conversation.begin(bridge, 8_201);
    const quoted = chat.dialog.clientMessages[0]!;
    const message = await chat.dialog.delivered(operator().quotes(quoted, 'Good mourning'), 15_000);
    operator().edits(message, message.text.replace('mourning', 'morning'));
    await eventually(
      () => inbox(chat),
      ([text]) => text !== 'Good mourning',
    );
    expect(inbox(chat)).toEqual(['Good morning']);
  });

  it('of a caption is seen under the file, unless it is too long for that', async () => {
    const chat = await Conversation.begin(bridge, 8_202);
    const message = operator().sends('tg:8202', { text: 'The hause', files: [jpeg('house.jpg')] });
    await chat.dialog.delivered(message, 15_000);
    operator().edits(message, 'The [b]house[/b]');
    await eventually(
      () => inbox(chat),
      ([caption]) => caption === 'The house',
    );
    operator().edits(message, 'x'.repeat(1_025));
    const [note] = await chat.hasNotes(1);
    expect(note).toContain('the caption of a file may have at most 1,024 characters');
    expect(inbox(chat)).toEqual(['The house']);
  });

  it('that comes after the client blocked the bot is explained', async () => {
    const chat = await Conversation.begin(bridge, 8_203);
    const message = await answered(chat, 'It costs 10');
    const body = { ok: false, error_code: 403, description: 'Forbidden: bot was blocked by the user' };
    bridge.telegram.faults.next('editMessageText', { status: 403, body }, 1, chat.toClient);
    operator().edits(message, 'It costs 12');
    expect(await chat.hasNotes(1)).toEqual([
      '⚠️ The client still sees the message as it was before your change: the client blocked the bot.\n«It costs 12»',
    ]);
  });

  it('takes back every part of a long message, and nothing else', async () => {
    const chat = await Conversation.begin(bridge, 8_204);
    const message = await answered(chat, `${'a'.repeat(4_000)}\n\n${'b'.repeat(200)}`);
    await answered(chat, 'and this');
    operator().deletes(message);
    await eventually(
      () => inbox(chat),
      (texts) => texts.length === 1,
    );
    expect(inbox(chat)).toEqual(['and this']);
    expect(chat.notes).toEqual([]);
  });

  it('comes too late after two days, and says so', async () => {
    const chat = await Conversation.begin(bridge, 8_205);
    const message = await answered(chat, 'Too old');
    ahead = 3 * DAY_MS;
    try {
      operator().deletes(message);
      const [note] = await chat.hasNotes(1);
      expect(note).toBe(
        '⚠️ The client still sees the message that you deleted: Telegram does not allow deleting this message (only within 48 hours after sending).\n«Too old»',
      );
    } finally {
      ahead = 0;
    }
    expect(inbox(chat)).toEqual(['Too old']);
  });
});

it('a file that goes to three clients is uploaded once', async () => {
  const chats: Conversation[] = [];
  for (const id of [8_301, 8_302, 8_303]) chats.push(await Conversation.begin(bridge, id));
  for (const chat of chats) {
    const file = { name: 'prices.pdf', mime: 'application/pdf', content: '%PDF prices for all' };
    await chat.dialog.delivered(operator().sends(`tg:${chat.client.id}`, { files: [file] }), 15_000);
  }
  const ids = chats.map(({ client }) => client.inbox[0]!.document!.file_id);
  const calls = bridge.telegram.calls.filter(
    ({ method, params }) => method.toLowerCase() === 'senddocument' && chats.some((chat) => chat.toClient(params)),
  );
  expect(calls.map(({ params }) => params['document'] === ids[0])).toEqual([false, true, true]);
});

it('left no clock behind but those of what was never delivered, and sent nothing twice', () => {
  const { clocksLeft } = bridge.portal.ledger();
  expect(clocksLeft).toEqual([]);
  const keys = bridge.telegram
    .ledger()
    .map(({ chatId, text, caption, file }) => `${chatId} ${text ?? caption} ${file?.sha256}`);
  expect(keys.length).toBe(new Set(keys).size);
});
