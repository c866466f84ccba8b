import type { InlineKeyboardMarkup } from '@grammyjs/types';
import { badRequest } from './bot-api.error.js';
import type { CallParams } from './call.params.js';

/** `callback_data` is 1–64 bytes. */
const CALLBACK_DATA_BYTES = 64;

/** Only inline keyboards stay with a message; the other kinds are taken and not kept. */
export function readInlineKeyboard(params: CallParams): InlineKeyboardMarkup | undefined {
  const markup = params.json('reply_markup', 'reply keyboard markup');
  if (markup === undefined) return undefined;
  if (typeof markup !== 'object' || markup === null || Array.isArray(markup)) {
    throw badRequest('object expected as reply markup');
  }
  if (!('inline_keyboard' in markup)) return undefined;
  const rows = markup.inline_keyboard;
  if (!Array.isArray(rows) || !rows.every((row) => Array.isArray(row))) {
    throw badRequest('field "inline_keyboard" must be of type Array');
  }
  const keyboard = { inline_keyboard: rows } as InlineKeyboardMarkup;
  const buttons = keyboard.inline_keyboard.flat();
  for (const button of buttons) {
    if (!button.text) throw badRequest('inline keyboard button text is empty');
    const bytes = 'callback_data' in button ? Buffer.byteLength(button.callback_data) : 1;
    if (bytes < 1 || bytes > CALLBACK_DATA_BYTES) throw badRequest('BUTTON_DATA_INVALID');
  }
  return buttons.length > 0 ? keyboard : undefined;
}
