import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bot, call, ivan, refusal, start, tg } from './simulator.stage.js';

beforeEach(async () => {
  await start();
  ivan.sends('hello');
});
afterEach(() => tg.stop());

const inline = (...buttons: object[]) => ({
  chat_id: 777,
  text: 'Choose',
  reply_markup: { inline_keyboard: [buttons] },
});
const shown = async (...buttons: object[]) => (await call('sendMessage', inline(...buttons))).result.reply_markup;
const asksPhone = { keyboard: [[{ text: 'My number', request_contact: true }]] };

describe('inline keyboards', () => {
  it('take the first field that makes a button', async () => {
    const both = { text: 'B', callback_data: 'x', url: 'https://a.example' };
    expect(await shown(both, { text: 'C', url: '', callback_data: 'y', style: 'Success' })).toEqual({
      inline_keyboard: [
        [
          { text: 'B', url: 'https://a.example/' },
          { text: 'C', callback_data: 'y', style: 'success' },
        ],
      ],
    });
    expect(await refusal('sendMessage', inline({ text: 'B' }))).toBe(
      "400 Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard",
    );
  });

  it.each([
    [
      { text: 'B', callback_data: 'x', style: 'warning' },
      "can't parse inline keyboard button: invalid button style specified",
    ],
    [{ callback_data: 'x' }, 'can\'t parse inline keyboard button: Can\'t find field "text"'],
    [{ text: '\u2028 ', callback_data: 'x' }, 'inline keyboard button text must be non-empty'],
    [
      { text: 'B', url: 'tel:+7999' },
      "inline keyboard button URL 'tel:+7999' is invalid: Wrong port number specified in the URL",
    ],
    [{ text: 'B', callback_data: 'я'.repeat(33) }, 'BUTTON_DATA_INVALID'],
  ])('refuse %j', async (button, reason) => {
    expect(await refusal('sendMessage', inline(button))).toBe(`400 Bad Request: ${reason}`);
    expect(tg.ledger()).toHaveLength(0);
  });

  it('leave out what is too much, and buttons without a text', async () => {
    const many = Array.from({ length: 13 }, (_, index) => ({ text: String(index), callback_data: 'x' }));
    expect((await shown({ text: '', callback_data: 'x' }, ...many)).inline_keyboard[0]).toHaveLength(12);
    expect(await shown({ text: '', callback_data: 'x' })).toBeUndefined();
  });

  it('go with an edit that does not name them, and stand still for no other change', async () => {
    const { result } = await call('sendMessage', inline({ text: 'B', callback_data: 'x' }));
    const edit = { chat_id: 777, message_id: result.message_id };
    expect((await call('editMessageText', { ...edit, text: 'Chosen' })).result.reply_markup).toBeUndefined();
    expect(await refusal('editMessageReplyMarkup', edit)).toContain('message is not modified');
    expect(await refusal('editMessageReplyMarkup', { ...edit, reply_markup: asksPhone })).toBe(
      '400 Bad Request: inline keyboard expected',
    );
  });
});

describe('a press', () => {
  it('is taken of buttons that stood there before, and answered once, in time', async () => {
    let now = Date.now();
    await start({ now: () => now });
    ivan.sends('hello');
    const { result } = await call('sendMessage', inline({ text: 'B', callback_data: 'x' }));
    await call('editMessageText', { chat_id: 777, message_id: result.message_id, text: 'Chosen' });
    expect(() => ivan.presses(result.message_id, 'x')).toThrow('no button');
    expect(ivan.pressesText(result, 'B')?.callback_query).toMatchObject({ data: 'x', message: { text: 'Choose' } });
    const late = ivan.pressesText(result, 'B')?.callback_query?.id;
    now += 151_000;
    expect(await refusal('answerCallbackQuery', { callback_query_id: late })).toBe(
      '400 Bad Request: query is too old and response timeout expired or query ID is invalid',
    );
  });
});

describe('the button that asks for a number', () => {
  it('stands in private chats until it is taken away', async () => {
    expect(() => ivan.sharesPhone()).toThrow('sees no button');
    await call('sendMessage', { chat_id: 777, text: 'Your number?', reply_markup: asksPhone });
    expect(ivan.sharesPhone('79990000000').message.contact).toMatchObject({
      phone_number: '79990000000',
      user_id: 777,
    });
    await call('sendMessage', { chat_id: 777, text: 'Thanks', reply_markup: { remove_keyboard: true } });
    expect(() => ivan.sharesPhone()).toThrow('sees no button');
    const group = bot.group({ id: -500, type: 'group', title: 'Club' });
    group.sets('administrator', ivan.profile);
    expect(await refusal('sendMessage', { chat_id: -500, text: 'Your number?', reply_markup: asksPhone })).toBe(
      '400 Bad Request: phone number can be requested in private chats only',
    );
  });
});
