import type {
  InlineKeyboardButton,
  InlineKeyboardMarkup,
  ReplyKeyboardMarkup,
  ReplyKeyboardRemove,
} from '@grammyjs/types';
import type { Language } from '../../common/language.js';
import { concat, join, plain, withMark, type RichText } from '../../relay/rich-text.js';
import { UNSUBSCRIBE_DATA, type Button, type ButtonKeyboard, type Keyboard } from '../../storage/work/keyboard.js';
import { CLIENT_WORDS } from '../client-words.js';
import { telegramLink } from './telegram-links.js';

export type ReplyMarkup = InlineKeyboardMarkup | ReplyKeyboardMarkup | ReplyKeyboardRemove;

/** A keyboard as one chat shows it. */
export interface ShownKeyboard {
  /** null: nothing of it can stand under a message there. */
  markup: ReplyMarkup | null;
  /** Buttons that Telegram does not take, a line each, to be read with the words. */
  words: RichText;
}

/** Where a keyboard is to be shown. */
export interface KeyboardPlace {
  /** See `chat_links.type`. */
  type: string;
  businessConnection: string | null;
  language: Language;
}

/** More in a row, and more rows, are left out without a word (tdlib/td, td/telegram/ReplyMarkup.cpp, get_reply_markup). */
const BUTTONS_IN_A_ROW = 12;
const BUTTONS = 300;

/** Nothing in it is refused, as far as the published rules go; a number is asked for in private chats with the bot only. */
export function shownKeyboard(
  keyboard: Keyboard,
  { type, businessConnection, language }: KeyboardPlace,
): ShownKeyboard {
  const isOwnChat = type === 'private' && businessConnection === null;
  switch (keyboard.type) {
    case 'buttons':
      return inlineKeyboard(keyboard);
    case 'phone':
      return {
        markup: isOwnChat ? phoneKeyboard(keyboard.text ?? CLIENT_WORDS[language].sharePhone) : null,
        words: plain(''),
      };
    case 'none':
      return { markup: isOwnChat ? { remove_keyboard: true } : null, words: plain('') };
  }
}

/** All of it as words, for a Telegram that takes no buttons here. */
export function keyboardAsWords(keyboard: Keyboard): RichText {
  return keyboard.type === 'buttons' ? join(keyboard.rows.flat().map(asWords), '\n') : plain('');
}

function phoneKeyboard(text: string): ReplyKeyboardMarkup {
  return { keyboard: [[{ text, request_contact: true }]], resize_keyboard: true, one_time_keyboard: true };
}

function inlineKeyboard({ rows }: ButtonKeyboard): ShownKeyboard {
  const shown = rows.map((row) => row.filter((button) => toButton(button) !== null));
  const fitting = shown.flatMap(inRows).reduce<Button[][]>((kept, row) => {
    const room = BUTTONS - kept.reduce((sum, { length }) => sum + length, 0);
    return room > 0 && row.length > 0 ? [...kept, row.slice(0, room)] : kept;
  }, []);
  const taken = new Set(fitting.flat());
  const left = rows.flat().filter((button) => !taken.has(button));
  return {
    markup:
      fitting.length === 0 ? null : { inline_keyboard: fitting.map((row) => row.map((button) => toButton(button)!)) },
    words: join(left.map(asWords), '\n'),
  };
}

function inRows(row: Button[]): Button[][] {
  const rows: Button[][] = [];
  for (let at = 0; at < row.length; at += BUTTONS_IN_A_ROW) rows.push(row.slice(at, at + BUTTONS_IN_A_ROW));
  return rows;
}

/** null: Telegram would refuse the whole message for it. */
function toButton(button: Button): InlineKeyboardButton | null {
  const { text, style } = button;
  const look = { text, ...(style ? { style } : {}) };
  switch (button.action) {
    case 'send':
      return button.id === undefined ? null : { ...look, callback_data: button.id };
    case 'unsubscribe':
      return { ...look, callback_data: UNSUBSCRIBE_DATA };
    case 'copy':
      return { ...look, copy_text: { text: button.value } };
    case 'open': {
      const url = telegramLink(button.url);
      return url === null ? null : { ...look, url };
    }
  }
}

function asWords(button: Button): RichText {
  const { text } = button;
  switch (button.action) {
    case 'send':
      return plain(text);
    case 'unsubscribe':
      return plain(`${text}: /stop`);
    case 'copy':
      return plain(text.includes(button.value) ? text : `${text}: ${button.value}`);
    case 'open':
      return telegramLink(button.url) === null
        ? concat(`${text}: ${button.url}`)
        : withMark(text, 'link', { url: button.url });
  }
}
