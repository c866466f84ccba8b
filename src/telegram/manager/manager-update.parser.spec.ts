import { describe, expect, it } from 'vitest';
import { choiceData, readManagerUpdate } from './manager-update.parser.js';

const from = { id: 7, is_bot: false, first_name: 'Anna', language_code: 'ru' };
const person = { id: 7n, language: 'ru' };
const chat = { id: 7, type: 'private', first_name: 'Anna' };
const read = (update: object) => readManagerUpdate({ update_id: 1, ...update });
const message = (fields: object) => read({ message: { message_id: 1, date: 1, chat, from, ...fields } });

describe('what a manager bot hears', () => {
  it('is a press of Start, with the code of a link or without', () => {
    expect(message({ text: '/start Ab_-9' })).toEqual({ kind: 'start', person, code: 'Ab_-9' });
    expect(message({ text: '/start' })).toEqual({ kind: 'start', person, code: null });
    expect(message({ text: '/start two words' })).toEqual({ kind: 'words', person });
    expect(message({ text: 'x', chat: { id: -1, type: 'group' } })).toBeNull();
  });

  it('is a bot that was made, however Telegram tells it', () => {
    const bot = { id: 9, is_bot: true, first_name: 'Shop', username: 'shop_bot' };
    const made = { kind: 'made', person, bot: { telegramId: 9n, username: 'shop_bot', name: 'Shop' } };
    expect(read({ managed_bot: { user: from, bot } })).toEqual(made);
    expect(message({ managed_bot_created: { bot } })).toEqual(made);
    expect(read({ managed_bot: { user: from, bot: { id: 9, first_name: 'A\0' } } })).toMatchObject({
      bot: { username: null, name: 'A' },
    });
  });

  it('is a press of a button', () => {
    const press = (data?: string) => read({ callback_query: { id: '5', from, data } });
    expect(press(choiceData(3n, 9n))).toMatchObject({ queryId: '5', choice: { requestId: 3n, botTelegramId: 9n } });
    expect(press('connect:3:')).toMatchObject({ choice: null });
    expect(press()).toMatchObject({ choice: null });
  });

  it.each([
    {},
    { managed_bot: 5 },
    { managed_bot: { user: from, bot: {} } },
    { callback_query: null },
    { message: [] },
  ])('is nothing in %j', (update) => expect(read(update)).toBeNull());
});
