import type { CallbackQuery, Message, Update, User } from '@grammyjs/types';
import type { SimulatedBot } from './simulated.bot.js';

/**
 * Somebody presses the inline button with this `callback_data`. `shown` is the message as the person sees it: an app that
 * was away shows an older form of it, and the server takes a press of any button that it has shown
 * (core.telegram.org/bots/api#callbackquery). `accessible: false`: the server has the message no longer, and names its chat
 * and id alone: no topic, no connection (core.telegram.org/bots/api#inaccessiblemessage).
 */
export function pressButton(
  bot: SimulatedBot,
  from: User,
  shown: Message | undefined,
  data: string,
  { accessible = true }: { accessible?: boolean } = {},
): Update | undefined {
  const buttons = shown?.reply_markup?.inline_keyboard.flat() ?? [];
  if (!shown || !buttons.some((button) => 'callback_data' in button && button.callback_data === data)) {
    throw new Error(`message ${shown?.message_id} has no button with the data ${data}`);
  }
  const callback_query: CallbackQuery = {
    id: bot.callbackQueries.open(),
    from,
    message: accessible ? shown : { chat: shown.chat, message_id: shown.message_id, date: 0 },
    chat_instance: String(shown.chat.id),
    data,
  };
  return bot.deliver({ callback_query });
}

/** `callback_data` of the button with this text; throws where there is none. */
export function dataOf({ message_id, reply_markup }: Message, text: string): string {
  const button = reply_markup?.inline_keyboard.flat().find((one) => one.text === text);
  if (!button || !('callback_data' in button)) throw new Error(`message ${message_id} has no button ${text} to press`);
  return button.callback_data;
}
