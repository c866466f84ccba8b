import type { Message, MessageEntity } from '@grammyjs/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bot, call, ivan, refusal, start, tg } from './simulator.stage.js';

beforeEach(() => start());
afterEach(() => tg.stop());

describe('sendMessage', () => {
  beforeEach(() => void ivan.sends('hello'));
  const send = (params: object) => call('sendMessage', { chat_id: 777, text: 'x', ...params });
  const refused = (params: object) => refusal('sendMessage', { chat_id: 777, text: 'x', ...params });

  it('puts the message into the chat, with ids that both sides share', async () => {
    const { result } = await send({ text: '  Good day \n' });
    expect(result).toMatchObject({
      message_id: 2,
      text: 'Good day',
      from: { id: 123456, is_bot: true },
      chat: { id: 777, type: 'private', first_name: 'Ivan' },
    });
    expect(Math.abs(result.date - Date.now() / 1000)).toBeLessThan(2);
    expect(ivan.sends('and you?').message.message_id).toBe(3);
    expect(ivan.chat.messages.map(({ text }) => text)).toEqual(['hello', 'Good day', 'and you?']);
    expect(tg.ledger()).toMatchObject([{ bot: 123456, chatId: 777, messageId: 2, text: 'Good day' }]);
  });

  it('refuses texts that are empty, too long or broken', async () => {
    expect(await refused({ text: '' })).toBe('400 Bad Request: message text is empty');
    expect(await refused({ text: ' \n ' })).toBe('400 Bad Request: text must be non-empty');
    expect(await refused({ text: 'x'.repeat(4097) })).toBe('400 Bad Request: message is too long');
    expect(await refused({ text: '😀'.repeat(4097) })).toBe('400 Bad Request: message is too long');
    expect((await send({ text: '😀'.repeat(4096) })).ok).toBe(true);
    expect((await send({ text: `${'x'.repeat(4095)}\r\u2028\u030Ay` })).result.text).toBe(`${'x'.repeat(4095)}y`);
    expect(await refused({ text: ' '.repeat(32_769) })).toBe('400 Bad Request: text is too long');
    for (const nothing of ['\u200B', '\uFFFC \u2800', '\u202E', '\u030A', '\u{E0041}\u00A0']) {
      expect(await refused({ text: nothing })).toBe('400 Bad Request: text must be non-empty');
    }
    expect(await refused({ text: 'cut \ud83d' })).toBe('400 Bad Request: strings must be encoded in UTF-8');
    expect((await send({ text: `${'x'.repeat(4096)}  ` })).result.text).toHaveLength(4096);
    expect(await refused({ text: '<b>x</b>', parse_mode: 'XML' })).toBe('400 Bad Request: unsupported parse_mode');
  });

  it('knows only the chats that wrote to this bot', async () => {
    bot.client({ id: 5, first_name: 'Silent' });
    expect(await refused({ chat_id: 5 })).toBe('400 Bad Request: chat not found');
    expect(await refused({ chat_id: '@nobody' })).toBe('400 Bad Request: chat not found');
    expect(await refused({ chat_id: '' })).toBe('400 Bad Request: chat_id is empty');
    tg.addBot({ token: '2:other' });
    expect(await refusal('sendMessage', { chat_id: 777, text: 'x' }, '2:other')).toBe(
      '400 Bad Request: chat not found',
    );
  });

  it('is refused by a client who blocked the bot, until the client takes it back', async () => {
    const update = ivan.blocks();
    expect(update?.my_chat_member).toMatchObject({
      chat: { id: 777 },
      old_chat_member: { status: 'member' },
      new_chat_member: { status: 'kicked', user: { id: 123456 } },
    });
    expect(await refused({})).toBe('403 Forbidden: bot was blocked by the user');
    expect(await refusal('sendChatAction', { chat_id: 777, action: 'typing' })).toContain('403 Forbidden');
    expect(() => ivan.sends('no')).toThrow('has blocked');
    ivan.unblocks();
    expect((await send({})).ok).toBe(true);
    expect(tg.ledger()).toHaveLength(1);
  });

  it('replies, and says when the original is gone', async () => {
    const { result } = await send({ reply_parameters: { message_id: 1, quote: 'ell' } });
    expect(result.reply_to_message).toMatchObject({ message_id: 1, text: 'hello' });
    expect(result.quote).toEqual({ text: 'ell', position: 1, is_manual: true });
    expect(await refused({ reply_parameters: { message_id: 99 } })).toBe(
      '400 Bad Request: message to be replied not found',
    );
    expect(await refused({ reply_parameters: { message_id: 1, quote: 'bye' } })).toContain('QUOTE_TEXT_INVALID');
    const alone = await send({ reply_parameters: { message_id: 99, allow_sending_without_reply: true } });
    expect(alone.result.reply_to_message).toBeUndefined();
  });

  it('writes into a group it was told of, until it is thrown out', async () => {
    const chat = { id: -1001, type: 'supergroup', title: 'Team' } as const;
    const date = Math.floor(Date.now() / 1000);
    bot.pushUpdate({ message: { message_id: 41, chat, from: ivan.user, date, text: 'hi all' } });
    expect((await send({ chat_id: -1001 })).result.message_id).toBe(42);
    const member = (status: 'member' | 'kicked') => ({ status, user: bot.user, until_date: 0 }) as never;
    bot.pushUpdate({
      my_chat_member: {
        chat,
        from: ivan.user,
        date,
        old_chat_member: member('member'),
        new_chat_member: member('kicked'),
      },
    });
    expect(await refused({ chat_id: -1001 })).toBe('403 Forbidden: bot was kicked from the supergroup chat');
  });

  it('checks buttons', async () => {
    const keyboard = (callback_data: string) => ({
      reply_markup: { inline_keyboard: [[{ text: 'B', callback_data }]] },
    });
    expect(await refused(keyboard('я'.repeat(33)))).toBe('400 Bad Request: BUTTON_DATA_INVALID');
    expect((await send(keyboard('я'.repeat(32)))).result.reply_markup.inline_keyboard).toHaveLength(1);
  });
});

describe('entities', () => {
  beforeEach(() => void ivan.sends('hello'));
  const entity = (type: string, offset: number, length: number, extra: object = {}) => ({
    type,
    offset,
    length,
    ...extra,
  });
  const refused = (text: string, ...entities: object[]) => refusal('sendMessage', { chat_id: 777, text, entities });
  const kept = async (text: string, ...entities: object[]): Promise<[string, MessageEntity[] | undefined]> => {
    const { result } = await call('sendMessage', { chat_id: 777, text, entities });
    return [(result as Message).text!, (result as Message).entities];
  };

  it('must lie within the text and not cut a symbol', async () => {
    expect(await refused('abc', entity('bold', 1, 3))).toBe(
      '400 Bad Request: entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 4',
    );
    expect(await refused('abc', entity('bold', 4, 1))).toBe(
      '400 Bad Request: entity begins after the end of the text at UTF-16 offset 4',
    );
    expect(await refused('🌗Last', entity('bold', 1, 2))).toBe(
      '400 Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 4',
    );
    expect(await refused('🌗Last', entity('bold', 0, 1))).toContain('ends in a middle of a UTF-16 symbol');
    expect(await refused('abc', entity('bold', -1, 1))).toContain('receive an entity with incorrect offset -1');
    expect(await refused('abc', entity('glitter', 0, 1))).toContain("can't parse MessageEntity");
    expect(await refused('abc', { type: 'bold', offset: 0 })).toContain('Can\'t find field "length"');
  });

  it.each([
    ['javascript:alert(1)', 'Wrong port number specified in the URL'],
    ['tel:+74951234567', 'Wrong port number specified in the URL'],
    ['https://a.example:0', 'Wrong port number specified in the URL'],
    ['http://portal/crm', 'Wrong HTTP URL'],
    ['localhost', 'Wrong HTTP URL'],
    ['ftp://a.example', 'Unsupported URL protocol'],
    ['https://a b.example', 'Disallowed character in URL host'],
    ['https://a|b@a.example', 'Disallowed character in URL userinfo'],
    ['https://a%4.example', 'Wrong percent-encoded symbol in URL host'],
    ['https://[1:2]/', 'Wrong IPv6 address specified in the URL'],
    ['/crm/deal/', 'URL host is empty'],
    ['tg://a.example', 'Unallowed characters in URL host'],
    ['tg://user@resolve', 'Wrong tg URL'],
    ["http://it's kicked/'", 'Disallowed character in URL host'],
  ])('of the link %s refuse the whole message, whatever carries it', async (url, why) => {
    const description = `400 Bad Request: entity URL '${url}' is invalid: ${why}`;
    const entities = [entity('bold', 0, 1), entity('text_link', 0, 1, { url })];
    expect(await refused('abc', ...entities)).toBe(description);
    const caption = { caption: 'abc', caption_entities: entities };
    expect(await refusal('sendPhoto', { chat_id: 777, photo: 'no', ...caption })).toBe(description);
    const media = ['a', 'b'].map((file, index) => ({ type: 'photo', media: file, ...(index === 0 && caption) }));
    expect(await refusal('sendMediaGroup', { chat_id: 777, media })).toBe(description);
    const { result } = await call('sendMessage', { chat_id: 777, text: 'abc' });
    const { message_id } = result as Message;
    const edited = { chat_id: 777, message_id, text: 'abc', entities };
    expect(await refusal('editMessageText', edited)).toBe(description);
    expect(await refusal('editMessageCaption', { chat_id: 777, message_id, ...caption })).toBe(description);
    expect(ivan.inbox.map(({ text }) => text)).toEqual(['abc']);
  });

  it.each([
    ['mailto:a@b.example', 'http://mailto:a@b.example/'],
    ['A.Example:080?q=a b', 'http://a.example:80/?q=a%20b'],
    ['https://u:p@пример.рф/p?a[]=1', 'https://u:p@пример.рф/p?a[]=1'],
    ['http://[::1]/', 'http://[::1]/'],
    ['https://a.example/\u2028A\u030A', 'https://a.example/A'],
    ['TG:resolve?domain=x', 'tg://resolve?domain=x'],
    ['tonsite://a.ton', 'tonsite://a.ton/'],
  ])('of the link %s lead to %s', async (url, kept) => {
    const { result } = await call('sendMessage', {
      chat_id: 777,
      text: 'abc',
      entities: [entity('text_link', 0, 1, { url })],
    });
    expect((result as Message).entities).toEqual([entity('text_link', 0, 1, { url: kept })]);
  });

  it('of a link to a user mention them', async () => {
    const [, mention] = await kept('abc', entity('text_link', 0, 1, { url: 'tg://user?id=777' }));
    expect(mention).toMatchObject([{ type: 'text_mention', offset: 0, length: 1, user: { id: 777 } }]);
  });

  it('that overlap in part are cut so that they nest', async () => {
    const [, cut] = await kept('abcdef', entity('bold', 0, 4), entity('italic', 2, 4));
    expect(cut).toEqual([entity('bold', 0, 2), entity('italic', 2, 4), entity('bold', 2, 2)]);
    const [, nested] = await kept('abcdef', entity('italic', 2, 2), entity('bold', 0, 6));
    expect(nested).toEqual([entity('bold', 0, 2), entity('bold', 2, 4), entity('italic', 2, 2)]);
  });

  it('give way inside code and to the first of two links', async () => {
    const [, code] = await kept('abcdef', entity('code', 0, 3), entity('bold', 1, 4));
    expect(code).toEqual([entity('code', 0, 3), entity('bold', 3, 2)]);
    const [, links] = await kept(
      'abcdef',
      entity('text_link', 0, 4, { url: 'https://a.example' }),
      entity('text_link', 2, 4, { url: 'https://b.example/x' }),
    );
    expect(links).toEqual([entity('text_link', 0, 4, { url: 'https://a.example/' })]);
  });

  it('move with the trimmed text', async () => {
    expect(await kept('  abc  ', entity('bold', 2, 5))).toEqual(['abc', [entity('bold', 0, 3)]]);
    expect(await kept('  abc  ', entity('bold', 1, 6))).toEqual([' abc', [entity('bold', 0, 4)]]);
    expect(await kept('a\r\nb', entity('bold', 3, 1))).toEqual(['a\nb', [entity('bold', 2, 1)]]);
    expect(await kept('abc   ', entity('bold', 3, 2))).toEqual(['abc', undefined]);
  });

  it('are found by the server, and count to 100', async () => {
    const [, found] = await kept('/start @shop_bot see https://a.example/b, #news or me@a.example');
    expect(found?.map(({ type }) => type)).toEqual(['bot_command', 'mention', 'url', 'hashtag', 'email']);
    expect(found?.[2]).toEqual(entity('url', 21, 19));
    const many = Array.from({ length: 120 }, (_, index) => entity(index % 2 ? 'code' : 'bold', index * 2, 1));
    const [, counted] = await kept('a '.repeat(120), ...many);
    expect(counted?.map(({ type }) => type).toSorted()).toEqual([...Array(40).fill('bold'), ...Array(60).fill('code')]);
    expect(ivan.sends('/start shop1').message.entities).toEqual([entity('bot_command', 0, 6)]);
  });
});
