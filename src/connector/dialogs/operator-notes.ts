import type { Language } from '../../common/language.js';
import { BOT_UNAUTHORISED, FILES_LEFT_OUT } from '../../relay/endpoint-driver.js';
import type { DeliveryProblems } from '../../relay/delivery-problems.js';
import { WAITS } from '../../storage/work/told-waits.js';

const SENTENCES = {
  en: {
    failed: (reason: string) => `⚠️ Not delivered to the client: ${reason}.`,
    notEdited: (reason: string) => `⚠️ The client still sees the message as it was before your change: ${reason}.`,
    notDeleted: (reason: string) => `⚠️ The client still sees the message that you deleted: ${reason}.`,
    missing: '⚠️ Not every file of the client could be fetched:',
    tooLarge: 'too large for a bot, which Telegram gives files of up to 20 MB; ask the client for a link',
    leftOut: '⚠️ Not every file reached the client:',
    withheld: (detail: string) => `the portal does not give it (${detail})`,
    uncertain:
      '⚠️ It is not known whether the client received this message: Telegram gave no clear answer. It will not be sent again by itself, so that the client does not get it twice. Ask the client, or write again.',
    refused: (detail: string) => `Telegram refused it (${detail})`,
    waits: (when: string) =>
      `⏳ Not sent yet: Telegram asks the bot to pause. The message goes out by itself ${when}; there is no need to send it again.`,
    soon: 'soon',
    repeated: '(possibly repeated)',
    welcomed: '👋 The bot answered /start:',
    noToken:
      '⚠️ Not delivered yet: Telegram no longer accepts the token of the bot. The message goes out as soon as an administrator has entered the new one.',
    notShown: (what: string) => `⚠️ A message of the client could not be shown here: ${what}. Bitrix24 refused it`,
    seeConsole: (id: string) => `An administrator finds it in the console of the application, message ${id}.`,
  },
  ru: {
    failed: (reason: string) => `⚠️ Не доставлено клиенту: ${reason}.`,
    notEdited: (reason: string) => `⚠️ Клиент видит сообщение таким, каким оно было до правки: ${reason}.`,
    notDeleted: (reason: string) => `⚠️ Клиент по-прежнему видит удалённое вами сообщение: ${reason}.`,
    missing: '⚠️ Не все файлы клиента удалось получить:',
    tooLarge: 'слишком большой для бота: Telegram отдаёт ботам файлы до 20 МБ; попросите у клиента ссылку',
    leftOut: '⚠️ До клиента дошли не все файлы:',
    withheld: (detail: string) => `портал его не отдаёт (${detail})`,
    uncertain:
      '⚠️ Неизвестно, получил ли клиент это сообщение: Telegram не дал ясного ответа. Само оно повторно отправлено не будет, чтобы клиент не получил его дважды. Спросите клиента или напишите ещё раз.',
    refused: (detail: string) => `Telegram отказал (${detail})`,
    waits: (when: string) =>
      `⏳ Пока не отправлено: Telegram попросил бота сделать паузу. Сообщение уйдёт само ${when}, отправлять его ещё раз не нужно.`,
    soon: 'скоро',
    repeated: '(возможно, повтор)',
    welcomed: '👋 Бот ответил на /start:',
    noToken:
      '⚠️ Пока не доставлено: Telegram больше не принимает токен бота. Сообщение уйдёт, как только администратор введёт новый.',
    notShown: (what: string) => `⚠️ Здесь не удалось показать сообщение клиента: ${what}. Битрикс24 его отклонил`,
    seeConsole: (id: string) => `Администратор найдёт его в консоли приложения под номером ${id}.`,
  },
};

/** What a client sent, where there are no words to quote. */
const KINDS: Record<'ru' | 'en', Record<string, string>> = {
  en: { photo: 'a photo', video: 'a video', voice: 'a voice message', audio: 'a sound file', sticker: 'a sticker' },
  ru: { photo: 'фото', video: 'видео', voice: 'голосовое сообщение', audio: 'аудиофайл', sticker: 'стикер' },
};
const OTHER_KIND = { en: 'a file or another kind of message', ru: 'файл или сообщение другого вида' };

const EXCERPT = 80;

/** Code of the note on files of a client that the portal could not fetch. */
export const FILES_MISSING = 'files_missing';

/** What a note is about. */
export interface NoteReason {
  code: string;
  detail: string;
  /** What could not be done; `message`: to bring it to the client. */
  about?: string;
  /** With `waits`: when the wait ends, as ISO 8601. */
  until?: string;
  /** Files of the message that did not reach the client, whatever became of the rest. */
  files?: { name: string; code: string; detail: string }[];
}

/** The line about the welcome that the client has read, whole: operators go on from there. */
export function welcomeNote(words: string, language: Language): string {
  return `${SENTENCES[language].welcomed}\n${unread(words)}`;
}

/** The note on a client's message that the dialog does not have; `detail`: in the words of the portal. */
export function notShownNote(
  { id, kind, text }: { id: bigint; kind: string; text: string },
  detail: string,
  language: Language,
): string {
  const { notShown, seeConsole } = SENTENCES[language];
  const excerpt = excerptOf(text);
  const what = excerpt ? `«${unread(excerpt)}»` : (KINDS[language][kind] ?? OTHER_KIND[language]);
  return `${notShown(what)} (${unread(detail)}).\n${seeConsole(id.toString())}`;
}

/** Where reasons have their words. */
export type Reasons = Pick<DeliveryProblems, 'reason'>;

/** The note on a message, or on a change of one, that ended as failed or uncertain; `words` is what the operator wrote. */
export function undeliveredNote(reason: NoteReason, words: string, language: Language, reasons: Reasons): string {
  const excerpt = excerptOf(words);
  const lines = [
    ...(reason.code === FILES_LEFT_OUT ? [] : [sentenceOf(reason, language, reasons)]),
    ...leftOutLines(reason.files ?? [], language, reasons),
    ...(excerpt ? [`«${unread(excerpt)}»`] : []),
  ];
  return lines.join('\n');
}

function excerptOf(words: string): string {
  const flat = words.replace(/\s+/g, ' ').trim();
  return [...flat].length > EXCERPT ? `${[...flat].slice(0, EXCERPT).join('')}…` : flat;
}

function sentenceOf({ code, detail, about, until }: NoteReason, language: Language, reasons: Reasons): string {
  const sentences = SENTENCES[language];
  if (code === WAITS) return sentences.waits(fromNow(Date.parse(until ?? '') - Date.now(), language));
  if (code === 'uncertain') return sentences.uncertain;
  if (code === BOT_UNAUTHORISED) return sentences.noToken;
  const why = reasons.reason(code, language) ?? sentences.refused(detail);
  if (about === 'edit') return sentences.notEdited(why);
  return about === 'delete' ? sentences.notDeleted(why) : sentences.failed(why);
}

/** `in 12 minutes`, `in 3 hours`: the clock of the operator is not known. */
function fromNow(ms: number, language: Language): string {
  const minutes = Math.ceil(ms / 60_000);
  if (!(minutes > 0)) return SENTENCES[language].soon;
  const format = new Intl.RelativeTimeFormat(language);
  return minutes < 120 ? format.format(minutes, 'minute') : format.format(Math.ceil(minutes / 60), 'hour');
}

function leftOutLines(files: NonNullable<NoteReason['files']>, language: Language, reasons: Reasons): string[] {
  if (files.length === 0) return [];
  const { leftOut, withheld } = SENTENCES[language];
  return [
    leftOut,
    ...files.map(({ name, code, detail }) => `${unread(name)}: ${reasons.reason(code, language) ?? withheld(detail)}`),
  ];
}

/** Nothing in it is read as BBCode. */
function unread(text: string): string {
  return text.replaceAll('[', '[\u200b');
}

/** Stands before a client's message that may already be in the dialog. */
export function repetitionMark(language: Language): string {
  return SENTENCES[language].repeated;
}

/** Telegram's own server gives bots files up to this size, in bytes (core.telegram.org/bots/api, getFile). */
const CLOUD_LIMIT = 20 * 1024 * 1024;

/** The note on files that the portal could not fetch; no link: nobody could follow it. */
export function missingFilesNote(
  files: { label: string; size: number | null; link: string | null }[],
  language: Language,
): string {
  const lines = files.map(({ label, size, link }) => {
    const name = unread(label);
    const linked = link ? `[url=${link}]${name}[/url]` : name;
    return (size ?? 0) > CLOUD_LIMIT ? tooLargeLabel(linked, language) : linked;
  });
  return [SENTENCES[language].missing, ...lines].join('\n');
}

/** What stands in place of a file that is too large for a bot. */
export function tooLargeLabel(label: string, language: Language): string {
  return `${label}: ${SENTENCES[language].tooLarge}`;
}
