import { describe, expect, it } from 'vitest';
import { withButtonIds, type Button, type Keyboard } from '../../storage/work/keyboard.js';
import { keyboardAsWords, shownKeyboard } from './reply-markup.js';

const PLACE = { type: 'private', businessConnection: null, language: 'en' } as const;
const show = (keyboard: Keyboard, place: Partial<Parameters<typeof shownKeyboard>[1]> = {}) =>
  shownKeyboard(withButtonIds(keyboard), { ...PLACE, ...place });
const buttons = (...rows: Button[][]): Keyboard => ({ type: 'buttons', rows });
const send = (text: string): Button => ({
  action: 'send',
  text,
  value: 'a value that is longer than 64 bytes '.repeat(9),
});

describe('a keyboard as Telegram takes it', () => {
  it('names an id in the place of what a press means', () => {
    const { markup, words } = show(buttons([{ ...send('Yes'), style: 'success' }], [send('No')]));
    const id = expect.stringMatching(/^k:[\w-]{22}$/);
    expect(markup).toEqual({
      inline_keyboard: [[{ text: 'Yes', style: 'success', callback_data: id }], [{ text: 'No', callback_data: id }]],
    });
    expect(words.text).toBe('');
  });

  it('leaves to the words what would refuse the message, or be left out', () => {
    const { markup, words } = show(
      buttons(
        [send('A'), { action: 'open', text: 'Inside', url: 'http://portal/x' }],
        Array.from({ length: 25 }, (_, index) => send(String(index))),
      ),
    );
    expect((markup as { inline_keyboard: unknown[][] }).inline_keyboard.map(({ length }) => length)).toEqual([
      1, 12, 12, 1,
    ]);
    expect(words.text).toBe('Inside: http://portal/x');
    const many = show(buttons(...Array.from({ length: 101 }, () => [send('a'), send('b'), send('c')])));
    expect((many.markup as { inline_keyboard: unknown[][] }).inline_keyboard.flat()).toHaveLength(300);
    expect(many.words.text).toBe('a\nb\nc');
  });

  it('asks for a number, and takes the question away, in private chats with the bot only', () => {
    const phone = {
      keyboard: [[{ text: '📱 Share my phone number', request_contact: true }]],
      resize_keyboard: true,
      one_time_keyboard: true,
    };
    expect(show({ type: 'phone' }).markup).toEqual(phone);
    expect(show({ type: 'phone', text: 'Here' }).markup).toMatchObject({ keyboard: [[{ text: 'Here' }]] });
    expect(show({ type: 'none' }).markup).toEqual({ remove_keyboard: true });
    for (const place of [{ type: 'supergroup' }, { businessConnection: 'b' }]) {
      expect(show({ type: 'phone' }, place).markup).toBeNull();
      expect(show({ type: 'none' }, place).markup).toBeNull();
    }
  });

  it('reads as words where no button can stand', () => {
    const keyboard = buttons(
      [
        { action: 'send', text: 'Yes', value: 'y' },
        { action: 'copy', text: 'Number', value: '+7999' },
      ],
      [{ action: 'open', text: 'Site', url: 'https://a.example' }],
    );
    expect(keyboardAsWords(keyboard)).toEqual({
      text: 'Yes\nNumber: +7999\nSite',
      marks: [{ type: 'link', offset: 18, length: 4, url: 'https://a.example' }],
    });
  });
});
