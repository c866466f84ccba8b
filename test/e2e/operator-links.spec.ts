import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LineMessage, OperatorContent } from '../support/bitrix24-simulator/open-lines.js';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';
import { sampleJpeg } from '../support/telegram-simulator/sample.media.js';

let bridge: Bridge;
let nextClient = 9_101;

beforeAll(async () => {
  bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000' },
    bitrix24: { limits: false },
  });
});

afterAll(async () => bridge?.stop());

const operator = () => bridge.portal.operator({ id: 27, name: 'Samantha Johnson' });
const reached = (chat: Conversation) => bridge.telegram.ledger().filter(({ chatId }) => chatId === chat.client.id);
const inbox = ({ client }: Conversation) => client.inbox.map(({ text, caption }) => text ?? caption ?? '');
const jpeg = (name: string) => ({ name, mime: 'image/jpeg', content: sampleJpeg({ width: 640, height: 480 }, name) });

/** Sent, in Telegram, and known to the portal as such. */
const answered = (chat: Conversation, content: OperatorContent): Promise<LineMessage> =>
  chat.dialog.delivered(operator().sends(`tg:${chat.client.id}`, content), 15_000);

/** Where each link of what reached the client leads, with its words. */
const links = (chat: Conversation) =>
  reached(chat).flatMap(({ text, caption, entities }) =>
    entities.flatMap((entity) =>
      entity.type === 'text_link'
        ? [`${(text || caption || '').substr(entity.offset, entity.length)} → ${entity.url}`]
        : [],
    ),
  );

/** A link as the operator wrote it, what the client reads, and where the words lead when they are a link. */
const LINKS: Record<string, [bbcode: string, text: string, link?: string]> = {
  'of the web': [
    '[url=https://shop.example/a?b=1#c]Shop[/url] today',
    'Shop today',
    'Shop → https://shop.example/a?b=1#c',
  ],
  'without a scheme': ['see [url=shop.example/a]Shop[/url]', 'see Shop', 'Shop → http://shop.example/a'],
  'with a port and a user': [
    '[url=https://me:pw@shop.example:8443/]Shop[/url]',
    'Shop',
    'Shop → https://me:pw@shop.example:8443/',
  ],
  'with a space': ['[url=https://shop.example/a b]Shop[/url]', 'Shop', 'Shop → https://shop.example/a%20b'],
  'of a Cyrillic domain': ['[url=https://пример.рф/путь]Сайт[/url]', 'Сайт', 'Сайт → https://пример.рф/путь'],
  'into Telegram': ['[url=tg://resolve?domain=shop]Us[/url]', 'Us', 'Us → tg://resolve?domain=shop'],
  'to a telephone': ['[url=tel:+74951234567]Call us[/url] now', 'Call us (tel:+74951234567) now'],
  'to a telephone that is written out': ['[url=tel:+74951234567]+7 (495) 123-45-67[/url]', '+7 (495) 123-45-67'],
  'to mail': ['[url=mailto:info@shop.example]Write[/url]', 'Write (mailto:info@shop.example)'],
  'to mail that is written out': ['[url=mailto:info@shop.example]info@shop.example[/url]', 'info@shop.example'],
  'into the intranet': ['[b][url=http://portal/crm/deal/5/]Deal 5[/url][/b]', 'Deal 5 (http://portal/crm/deal/5/)'],
  'to a box without a domain': ['[url=http://localhost:8080/a]Box[/url]', 'Box (http://localhost:8080/a)'],
  'to a page of the portal': ['[url=/crm/deal/5/]Deal[/url]', 'Deal (/crm/deal/5/)'],
  'with a bad port': ['[url=https://shop.example:99999/]Shop[/url]', 'Shop (https://shop.example:99999/)'],
  'with a bad user': ['[url=https://a|b@shop.example/]Shop[/url]', 'Shop (https://a|b@shop.example/)'],
  'with a bad host': ['[url=https://sh^op.example/]Shop[/url]', 'Shop (https://sh^op.example/)'],
  'of another scheme': ['[url=ftp://shop.example/]Files[/url]', 'Files (ftp://shop.example/)'],
  'cut by other tags': ['[b]Call [url=tel:+7495]us[/b] now[/url]!', 'Call us now (tel:+7495)!'],
  'in a quotation': ['[quote]Call [url=tel:+7495]us[/url][/quote]Please', 'Call us (tel:+7495)\nPlease'],
};

describe('a link', () => {
  it.each(Object.entries(LINKS))('%s', async (_, [bbcode, text, link]) => {
    const chat = await Conversation.begin(bridge, nextClient++);
    await answered(chat, bbcode);
    expect(chat.reached).toEqual([text]);
    expect(links(chat)).toEqual(link === undefined ? [] : [link]);
    expect(chat.notes).toEqual([]);
    expect(chat.sends).toBe(1);
  });

  it('under a file, in an album and in a change', async () => {
    const chat = await Conversation.begin(bridge, nextClient++);
    const text = '[url=http://portal/5]Deal[/url], [url=tel:+7495]call[/url], [url=https://a.example/]see[/url]';
    const read = 'Deal (http://portal/5), call (tel:+7495), see';
    const photo = await answered(chat, { text, files: [jpeg('1.jpg')] });
    await answered(chat, { text, files: [jpeg('2.jpg'), jpeg('3.jpg')] });
    const words = await answered(chat, 'Words');
    expect(inbox(chat)).toEqual([read, read, '', 'Words']);
    operator().edits(words, `More: ${text}`);
    operator().edits(photo, `New: ${text}`);
    await eventually(
      () => inbox(chat),
      (texts) => texts[0] === `New: ${read}` && texts[3] === `More: ${read}`,
    );
    expect(chat.notes).toEqual([]);
  });

  it('is not lost when there are more than Telegram keeps in one message', async () => {
    const chat = await Conversation.begin(bridge, nextClient++);
    const all = Array.from({ length: 150 }, (_, n) => `[url=https://a.example/${n}]n${n}[/url]`);
    await answered(chat, `[b]${all.join(' ')}[/b]`);
    expect(links(chat)).toEqual(all.map((_, n) => `n${n} → https://a.example/${n}`));
  });
});

describe('characters', () => {
  it.each<[string, string, string]>([
    ['line and paragraph separators are line feeds', 'one\u2028two\u2029three', 'one\ntwo\nthree'],
    ['what is decomposed is composed', 'A\u030Angstro\u0308m и\u0306', 'Ångström й'],
    ['signs of direction go', '\u202Bone\u202C two\u202E', 'one two'],
    ['the place of an object stays between words', 'one\uFFFCtwo', 'one\uFFFCtwo'],
    ['a written-out address stays what it is', 'https://a.example/A\u030A see', 'https://a.example/A%CC%8A see'],
  ])('%s', async (_, bbcode, text) => {
    const chat = await Conversation.begin(bridge, nextClient++);
    await answered(chat, `${bbcode} [b]bold[/b]`);
    expect(chat.reached).toEqual([`${text} bold`]);
    expect(reached(chat)[0]!.entities.filter(({ type }) => type === 'bold')).toMatchObject([
      { offset: text.length + 1, length: 4 },
    ]);
  });
});

describe('a refusal of entities', () => {
  const refusesOnce = (chat: Conversation, method: string, description: string, times = 1) => {
    const body = { ok: false, error_code: 400, description: `Bad Request: ${description}` };
    bridge.telegram.faults.next(method, { status: 400, body }, times, chat.toClient);
  };

  it.each([
    "entity URL 'https://a.example/bot-was-kicked' is invalid: Wrong HTTP URL",
    "can't parse entities: can't find end of the entity",
    'ENTITY_BOUNDS_INVALID',
  ])('%s: the words go once more without them', async (description) => {
    const chat = await Conversation.begin(bridge, nextClient++);
    refusesOnce(chat, 'sendMessage', description);
    await answered(chat, '[b]See[/b] [url=https://a.example/bot-was-kicked]this[/url]');
    expect(chat.reached).toEqual(['See this (https://a.example/bot-was-kicked)']);
    expect(reached(chat)[0]!.entities.map(({ type }) => type)).not.toContain('bold');
    expect(chat.sends).toBe(2);
    await answered(chat, 'The chat goes on');
    expect(chat.notes).toEqual([]);
  });

  it('costs no file: its caption goes without them', async () => {
    const chat = await Conversation.begin(bridge, nextClient++);
    const text = '[b]See[/b] [url=https://a.example/]this[/url]';
    refusesOnce(chat, 'sendPhoto', "entity URL 'https://a.example/' is invalid: Wrong HTTP URL");
    await answered(chat, { text, files: [jpeg('4.jpg')] });
    refusesOnce(chat, 'sendMediaGroup', "entity URL 'https://a.example/' is invalid: Wrong HTTP URL");
    await answered(chat, { text, files: [jpeg('5.jpg'), jpeg('6.jpg')] });
    expect(reached(chat).map(({ kind, caption }) => [kind, caption])).toEqual([
      ['photo', 'See this (https://a.example/)'],
      ['photo', 'See this (https://a.example/)'],
      ['photo', undefined],
    ]);
    expect(chat.notes).toEqual([]);
  });

  it('of a caption even then: the words go as a message before the file', async () => {
    const chat = await Conversation.begin(bridge, nextClient++);
    refusesOnce(chat, 'sendPhoto', 'ENTITY_BOUNDS_INVALID', 2);
    const message = await answered(chat, { text: '[b]See[/b] this', files: [jpeg('7.jpg')] });
    refusesOnce(chat, 'sendMediaGroup', 'message caption is too long');
    await answered(chat, { text: 'And these', files: [jpeg('8.jpg'), jpeg('9.jpg')] });
    expect(
      reached(chat).map(({ kind, text, caption }) => (kind === 'text' ? text : `${kind} ${caption ?? ''}`)),
    ).toEqual(['See this', 'photo ', 'And these', 'photo ', 'photo ']);
    expect(message.externalIds).toHaveLength(2);
    expect(chat.notes).toEqual([]);
  });

  it('of a change: it is made without them', async () => {
    const chat = await Conversation.begin(bridge, nextClient++);
    const message = await answered(chat, 'Here');
    refusesOnce(chat, 'editMessageText', "entity URL 'https://a.example/' is invalid: Wrong HTTP URL");
    operator().edits(message, '[url=https://a.example/]There[/url]');
    await eventually(
      () => inbox(chat),
      ([text]) => text === 'There (https://a.example/)',
    );
    expect(chat.notes).toEqual([]);
  });
});
