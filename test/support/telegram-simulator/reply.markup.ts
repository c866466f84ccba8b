import type { InlineKeyboardButton, InlineKeyboardMarkup, KeyboardButton, ReplyKeyboardMarkup } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';
import { checkLink, LinkFault, mentionedUser } from './link.check.js';
import { cleanText } from './text.cleaning.js';

/** `callback_data` is 1–64 bytes. */
const CALLBACK_DATA_BYTES = 64;
/** Buttons beyond these are left out without a word. */
const IN_A_ROW = 12;
const IN_ALL = 300;
const STYLES: ReadonlySet<string> = new Set(['', 'default', 'primary', 'danger', 'success']);
/** What makes a button of an inline keyboard, in the order in which the server looks for it: the first one counts. */
const ACTIONS = [
  'url',
  'callback_data',
  'callback_game',
  'pay',
  'switch_inline_query',
  'switch_inline_query_chosen_chat',
  'switch_inline_query_current_chat',
  'login_url',
  'web_app',
  'copy_text',
] as const;

/** What a call shows under its message, or in the place of the keyboard of the people in the chat. */
export type ReadMarkup =
  | { kind: 'inline'; markup: InlineKeyboardMarkup }
  | { kind: 'reply'; markup: ReplyKeyboardMarkup }
  | { kind: 'remove' }
  | { kind: 'none' };

type Fields = Record<string, unknown>;

/**
 * `reply_markup` of a call: `Client::get_reply_markup` (tdlib/telegram-bot-api, telegram-bot-api/Client.cpp), then
 * `get_reply_markup` (tdlib/td, td/telegram/ReplyMarkup.cpp).
 */
export function readMarkup(params: CallParams, chat: { type: string }): ReadMarkup {
  const markup = params.json('reply_markup', 'reply keyboard markup');
  if (markup === undefined) return { kind: 'none' };
  if (!isObject(markup)) throw badRequest('object expected as reply markup');
  const rows = rowsOf(markup['keyboard'], 'field "keyboard" must be an Array of Arrays');
  const inlineRows = rowsOf(
    markup['inline_keyboard'],
    'field "inline_keyboard" of the InlineKeyboardMarkup must be an Array of Arrays',
  );
  if (rows.length > 0) {
    const keyboard = limited(rows.map((row) => row.map(readKeyboardButton)));
    if (
      chat.type !== 'private' &&
      keyboard.flat().some((button) => typeof button !== 'string' && 'request_contact' in button)
    ) {
      throw badRequest('phone number can be requested in private chats only');
    }
    return keyboard.length === 0 ? { kind: 'none' } : { kind: 'reply', markup: { ...markup, keyboard } };
  }
  if (inlineRows.length > 0) {
    const inline_keyboard = limited(inlineRows.map((row) => row.map(readInlineButton)));
    return inline_keyboard.length === 0 ? { kind: 'none' } : { kind: 'inline', markup: { inline_keyboard } };
  }
  return markup['remove_keyboard'] === true ? { kind: 'remove' } : { kind: 'none' };
}

/** The same of a call that changes a message: no other keyboard can be changed. */
export function readInlineMarkup(params: CallParams, chat: { type: string }): InlineKeyboardMarkup | undefined {
  const read = readMarkup(params, chat);
  if (read.kind === 'reply' || read.kind === 'remove') throw badRequest('inline keyboard expected');
  return read.kind === 'inline' ? read.markup : undefined;
}

function rowsOf(value: unknown, fault: string): unknown[][] {
  if (!Array.isArray(value)) return [];
  if (!value.every(Array.isArray)) throw badRequest(fault);
  return value as unknown[][];
}

/** A button without a text is passed over. */
function limited<Button extends InlineKeyboardButton | KeyboardButton>(rows: Button[][]): Button[][] {
  let room = IN_ALL;
  return rows
    .map((row) => {
      const shown = row
        .filter((button) => typeof button === 'string' || button.text !== '')
        .slice(0, Math.min(IN_A_ROW, room));
      room -= shown.length;
      return shown;
    })
    .filter((row) => row.length > 0);
}

function readKeyboardButton(button: unknown): KeyboardButton {
  if (typeof button === 'string') return { text: button };
  if (!isObject(button)) throw fault('keyboard button', 'KeyboardButton must be a String or an Object');
  return { ...button, ...lookOf(button, 'keyboard button') };
}

function readInlineButton(button: unknown): InlineKeyboardButton {
  const what = 'inline keyboard button';
  if (!isObject(button)) throw fault(what, 'InlineKeyboardButton must be an Object');
  const look = lookOf(button, what);
  const action = ACTIONS.find((field) => button[field] !== undefined && button[field] !== '');
  if (!action) throw fault(what, 'Text buttons are unallowed in the inline keyboard');
  const value = button[action];
  if (look.text !== '' && action === 'url') return { ...look, url: checkUrl(String(value)) };
  if (action === 'callback_data' && Buffer.byteLength(String(value)) > CALLBACK_DATA_BYTES) {
    throw badRequest('BUTTON_DATA_INVALID');
  }
  return { ...look, [action]: value } as InlineKeyboardButton;
}

function lookOf(button: Fields, what: string): { text: string; style?: 'primary' | 'danger' | 'success' } {
  if (typeof button['text'] !== 'string') throw fault(what, `Can't find field "text"`);
  const style = typeof button['style'] === 'string' ? button['style'].toLowerCase() : '';
  if (!STYLES.has(style)) throw fault(what, 'invalid button style specified');
  const text = cleanText(button['text']).text.trim();
  if (button['text'] !== '' && text === '') throw badRequest(`${what} text must be non-empty`);
  return { text, ...(style !== '' && style !== 'default' && { style: style as 'primary' }) };
}

function checkUrl(url: string): string {
  if (mentionedUser(url) !== undefined) return url;
  try {
    return checkLink(url);
  } catch (error) {
    if (error instanceof LinkFault)
      throw badRequest(`inline keyboard button URL '${url}' is invalid: ${error.message}`);
    throw error;
  }
}

function fault(what: string, why: string) {
  return badRequest(`can't parse ${what}: ${why}`);
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
