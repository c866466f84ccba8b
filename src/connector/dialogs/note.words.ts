import type { Words } from '../../common/delivery-problem.js';
import type { Language } from '../../common/language.js';
import type { OwnWords } from '../../storage/work/own-words.js';

/** A sentence with something to fill in, in every language that operators read. */
type Sentence = Readonly<Record<Language, (value: string) => string>>;

/** What notes say whole. */
export const PHRASES = {
  missing: {
    en: '⚠️ Some files from the client could not be fetched:',
    ru: '⚠️ Не все файлы клиента удалось получить:',
  },
  tooLarge: {
    en: 'too large for a bot: Telegram lets bots download files of up to 20 MB; ask the client for a link',
    ru: 'слишком большой для бота: Telegram отдаёт ботам файлы до 20 МБ; попросите у клиента ссылку',
  },
  leftOut: {
    en: '⚠️ Some files did not reach the client:',
    ru: '⚠️ До клиента дошли не все файлы:',
  },
  uncertain: {
    en: '⚠️ It is not known whether the client received this message: Telegram gave no clear answer. It will not be sent again automatically, so that the client does not get it twice. Ask the client, or write again.',
    ru: '⚠️ Неизвестно, получил ли клиент это сообщение: Telegram не дал ясного ответа. Автоматически оно повторно отправлено не будет, чтобы клиент не получил его дважды. Спросите клиента или напишите ещё раз.',
  },
  noToken: {
    en: "⚠️ Not delivered yet: Telegram no longer accepts the bot's token. The message will be sent as soon as an administrator enters the new one.",
    ru: '⚠️ Пока не доставлено: Telegram больше не принимает токен бота. Сообщение уйдёт, как только администратор введёт новый.',
  },
  soon: { en: 'soon', ru: 'скоро' },
  repeated: { en: '(possibly repeated)', ru: '(возможно, повтор)' },
} satisfies Record<string, Words>;

/** What stands before words that nobody wrote in the dialog; a name in brackets and a colon follow. */
export const OWN: Readonly<Record<OwnWords, Words>> = {
  welcome: { en: '👋 The bot answered /start', ru: '👋 Бот ответил на /start' },
  unsubscribed: {
    en: '🔕 The client unsubscribed from broadcasts; the bot answered',
    ru: '🔕 Клиент отписался от рассылок; бот ответил',
  },
  robot: { en: '🤖 Robot wrote', ru: '🤖 Робот написал' },
  sms: { en: '📨 Sent from the CRM by the message service', ru: '📨 Отправлено из CRM через сервис сообщений' },
  broadcast: { en: '📣 Broadcast', ru: '📣 Рассылка' },
  card: { en: '✍️ Written in the CRM card', ru: '✍️ Написано из карточки CRM' },
  answer: { en: '⚡ Ready answer', ru: '⚡ Готовый ответ' },
  api: { en: '✉️ Written by an administrator', ru: '✉️ Написал администратор' },
};

/** What notes say with something filled in. */
export const SENTENCES = {
  failed: {
    en: (reason) => `⚠️ Not delivered to the client: ${reason}.`,
    ru: (reason) => `⚠️ Не доставлено клиенту: ${reason}.`,
  },
  notEdited: {
    en: (reason) => `⚠️ The client still sees the message as it was before your change: ${reason}.`,
    ru: (reason) => `⚠️ Клиент видит сообщение таким, каким оно было до правки: ${reason}.`,
  },
  notDeleted: {
    en: (reason) => `⚠️ The client still sees the message that you deleted: ${reason}.`,
    ru: (reason) => `⚠️ Клиент по-прежнему видит удалённое вами сообщение: ${reason}.`,
  },
  refusedByTelegram: {
    en: (detail) => `Telegram refused it (${detail})`,
    ru: (detail) => `Telegram отказал (${detail})`,
  },
  withheldByPortal: {
    en: (detail) => `the portal does not provide it (${detail})`,
    ru: (detail) => `портал его не отдаёт (${detail})`,
  },
  waits: {
    en: (when) =>
      `⏳ Not sent yet: Telegram asks the bot to pause. The message will be sent automatically ${when}; there is no need to send it again.`,
    ru: (when) =>
      `⏳ Пока не отправлено: Telegram попросил бота сделать паузу. Сообщение уйдёт автоматически ${when}, отправлять его ещё раз не нужно.`,
  },
  notShown: {
    en: (what) => `⚠️ A message from the client could not be shown here: ${what}. Bitrix24 refused it`,
    ru: (what) => `⚠️ Здесь не удалось показать сообщение клиента: ${what}. Битрикс24 его отклонил`,
  },
  inConsole: {
    en: (id) => `An administrator can find it in the console of the application, message ${id}.`,
    ru: (id) => `Администратор найдёт его в консоли приложения под номером ${id}.`,
  },
} satisfies Record<string, Sentence>;

/** What a client sent, where there are no words to quote. */
export const KINDS: Readonly<Record<string, Words>> = {
  photo: { en: 'a photo', ru: 'фото' },
  video: { en: 'a video', ru: 'видео' },
  voice: { en: 'a voice message', ru: 'голосовое сообщение' },
  audio: { en: 'an audio file', ru: 'аудиофайл' },
  sticker: { en: 'a sticker', ru: 'стикер' },
};
export const OTHER_KIND: Words = {
  en: 'a file or another kind of message',
  ru: 'файл или сообщение другого вида',
};
