import type { Words } from '../../common/delivery-problem.js';

/** Why Telegram does not take a message, as operators read it. */
export const TELEGRAM_REASONS: Readonly<Record<string, Words>> = {
  bot_blocked: { en: 'the client blocked the bot', ru: 'клиент заблокировал бота' },
  user_deactivated: { en: "the client's Telegram account was deleted", ru: 'аккаунт клиента в Telegram удалён' },
  bot_removed: { en: 'the bot was removed from the chat', ru: 'бот удалён из чата' },
  conversation_not_started: {
    en: 'the client has not started the bot yet, and a bot cannot write first',
    ru: 'клиент ещё не запускал бота, а бот не может написать первым',
  },
  chat_not_found: {
    en: 'Telegram does not know this chat for this bot',
    ru: 'Telegram не знает такого чата у этого бота',
  },
  no_rights: { en: 'the bot has no right to write in this chat', ru: 'у бота нет права писать в этот чат' },
  too_long: { en: 'Telegram finds the text too long', ru: 'Telegram считает текст слишком длинным' },
  entities_refused: { en: 'Telegram does not accept its formatting', ru: 'Telegram не принимает его оформление' },
  empty: { en: 'there is no text that Telegram could show', ru: 'нет текста, который Telegram мог бы показать' },
  group_migrated: {
    en: 'the group became a supergroup with a new address',
    ru: 'группа стала супергруппой с новым адресом',
  },
  topic_deleted: {
    en: 'the topic of this dialog was deleted in Telegram',
    ru: 'тема этого диалога удалена в Telegram',
  },
  topic_closed: { en: 'the topic of this dialog is closed in Telegram', ru: 'тема этого диалога закрыта в Telegram' },
  business_window: {
    en: 'the client has not written within the last 24 hours, and until he does only the owner of the account can answer, from his phone',
    ru: 'клиент не писал последние 24 часа, и пока он не напишет, ответить может только владелец аккаунта с телефона',
  },
  business_excluded: {
    en: 'the owner of the Telegram Business account has excluded this chat; answer from his phone',
    ru: 'владелец аккаунта Telegram Business исключил этот чат; ответьте с его телефона',
  },
  business_disconnected: {
    en: 'the Telegram Business account is no longer connected to the bot',
    ru: 'аккаунт Telegram Business больше не подключён к боту',
  },
  business_rights: {
    en: 'the owner of the Telegram Business account has not allowed the bot to do this',
    ru: 'владелец аккаунта Telegram Business не разрешил боту это делать',
  },
  message_gone: { en: 'Telegram does not have the message any more', ru: 'в Telegram этого сообщения больше нет' },
  edit_refused: { en: 'Telegram does not let this message be changed', ru: 'Telegram не даёт изменить это сообщение' },
  delete_refused: {
    en: 'Telegram does not let this message be deleted (48 hours after sending it is too late)',
    ru: 'Telegram не даёт удалить это сообщение (через 48 часов после отправки уже поздно)',
  },
  caption_too_long: {
    en: 'under a file there is room for 1,024 characters',
    ru: 'под файлом помещается только 1024 символа',
  },
  edit_uncertain: {
    en: 'it grew by a further message, and Telegram gave no clear answer to that one',
    ru: 'к нему добавилось ещё одно сообщение, и на него Telegram не дал ясного ответа',
  },
  file_too_large: { en: 'it is larger than a bot may send (50 MB)', ru: 'больше, чем может отправить бот (50 МБ)' },
  file_empty: { en: 'it is empty', ru: 'файл пуст' },
  media_refused: { en: 'Telegram does not accept it', ru: 'Telegram его не принимает' },
  file_id_refused: { en: 'Telegram does not accept it', ru: 'Telegram его не принимает' },
  voice_forbidden: { en: 'the client does not accept voice messages', ru: 'клиент не принимает голосовые сообщения' },
};
