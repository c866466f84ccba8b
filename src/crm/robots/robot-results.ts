import type { Words } from '../../common/delivery-problem.js';
import type { Language } from '../../common/language.js';
import type { RequestOutcome } from '../../storage/crm/send-requests.repository.js';

/** Codes of Telegram's table by which the client, or their account, is gone for the bot. */
const BLOCKED: ReadonlySet<string> = new Set(['bot_blocked', 'user_deactivated']);

/** What is said of results that are not in the table of Telegram. */
const REASONS: Readonly<Record<string, Words>> = {
  no_chat: {
    en: 'The document has no client who has written to the bot in Telegram.',
    ru: 'У документа нет клиента, который писал боту в Telegram.',
  },
  no_entity: { en: 'The document no longer exists in the CRM.', ru: 'Документа больше нет в CRM.' },
  no_document: {
    en: 'The robot works with documents of the CRM only.',
    ru: 'Робот работает только с документами CRM.',
  },
  no_text: { en: 'The robot has no text and no file to send.', ru: 'У робота нет ни текста, ни файла для отправки.' },
  phone_and_buttons: {
    en: 'A message cannot both ask for the phone number and have other buttons: use two robots.',
    ru: 'В одном сообщении нельзя и запросить номер телефона, и показать другие кнопки: используйте двух роботов.',
  },
  bad_minutes: {
    en: 'The time to wait must be a whole number of minutes from 1 to 525600.',
    ru: 'Время ожидания должно быть целым числом минут от 1 до 525600.',
  },
  line_needed: {
    en: 'Several open lines have bots: set the number of the line in the robot.',
    ru: 'Боты есть у нескольких открытых линий: укажите в роботе номер линии.',
  },
  no_bot: {
    en: 'No bot serves this open line: connect one on its settings page.',
    ru: 'К открытой линии не подключён бот: подключите его на странице настроек линии.',
  },
  bot_unnamed: {
    en: 'The name of the bot is not known yet: Telegram has not been reached so far.',
    ru: 'Имя бота пока неизвестно: с Telegram ещё не было связи.',
  },
  no_crm_scope: {
    en: 'The application lacks the permission “crm”: add it in the card of the application, then install it again.',
    ru: 'У приложения нет права «crm»: добавьте его в карточке приложения и установите приложение заново.',
  },
  unknown_robot: {
    en: 'This robot is not known any more: delete it from the process.',
    ru: 'Этот робот больше не поддерживается: удалите его из процесса.',
  },
  off: { en: 'Robots are switched off for this portal.', ru: 'Роботы на этом портале выключены.' },
  too_late: {
    en: 'The portal was disconnected for more than three days; what the robot was to say is not sent any more.',
    ru: 'Портал был отключён больше трёх дней; сообщение робота уже не отправляется.',
  },
  banned: { en: 'The client is on the ban list.', ru: 'Клиент в чёрном списке.' },
  unsubscribed: {
    en: 'The client has unsubscribed from advertising.',
    ru: 'Клиент отписался от рекламных сообщений.',
  },
  uncertain: {
    en: 'Telegram gave no clear answer; the message is not sent again.',
    ru: 'Telegram не дал ясного ответа; повторно сообщение не отправляется.',
  },
  gone: {
    en: 'The message was erased before its result was known.',
    ru: 'Сообщение удалено раньше, чем стал известен результат.',
  },
};

/** Statuses that the process may branch by; all others are `failed`. */
const STATUSES: ReadonlySet<string> = new Set(['delivered', 'no_chat', 'uncertain', 'answered', 'timeout', 'made']);

/** RETURN_VALUES of bizproc.event.send; `reasonOf`: words for a code of Telegram. */
export function robotResults(
  { status, code, detail, telegramMessageId, text, link, at }: RequestOutcome,
  language: Language,
  reasonOf: (code: string) => string | undefined,
): Record<string, string> {
  const shown = STATUSES.has(status) ? status : BLOCKED.has(code ?? '') ? 'blocked' : 'failed';
  const why = code ?? status;
  const error = REASONS[why]?.[language] ?? REASONS[status]?.[language] ?? reasonOf(why) ?? detail ?? why;
  const isFine = shown === 'delivered' || shown === 'answered' || shown === 'timeout' || shown === 'made';
  return {
    status: shown,
    message_id: telegramMessageId ?? '',
    text: typeof text === 'string' ? text : '',
    link: typeof link === 'string' ? link : '',
    time: at ?? '',
    error: isFine ? '' : error,
  };
}

/** LOG_MESSAGE: what stands in the log of the process. */
export function logLine({ status, error }: Record<string, string>, language: Language): string {
  const words = LOG[status ?? '']?.[language] ?? LOG.failed![language];
  return error ? `${words}: ${error}` : words;
}

const LOG: Readonly<Record<string, Words>> = {
  delivered: { en: 'The client has got the message in Telegram', ru: 'Клиент получил сообщение в Telegram' },
  answered: { en: 'The client has answered in Telegram', ru: 'Клиент ответил в Telegram' },
  made: { en: 'The invitation is made', ru: 'Приглашение создано' },
  timeout: { en: 'The client has not answered in time', ru: 'Клиент не ответил вовремя' },
  no_chat: { en: 'There is nobody to write to', ru: 'Писать некому' },
  blocked: { en: 'The client cannot be reached', ru: 'Клиент недоступен' },
  uncertain: { en: 'It is not known whether the client has got it', ru: 'Неизвестно, получил ли клиент сообщение' },
  failed: { en: 'The robot failed', ru: 'Робот не справился' },
};
