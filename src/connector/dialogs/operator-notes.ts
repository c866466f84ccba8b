import type { Language } from '../../common/language.js';
import { BOT_UNAUTHORISED, FILES_LEFT_OUT } from '../../relay/endpoint-driver.js';
import { WAITS } from '../../storage/work/told-waits.js';

/** What an operator reads in the dialog when his message did not reach the client. */
const REASONS: Record<'ru' | 'en', Record<string, string>> = {
  en: {
    bot_blocked: 'the client blocked the bot',
    user_deactivated: "the client's Telegram account was deleted",
    bot_removed: 'the bot was removed from the chat',
    conversation_not_started: 'the client has not started the bot yet, and a bot cannot write first',
    chat_not_found: 'Telegram does not know this chat for this bot',
    no_rights: 'the bot has no right to write in this chat',
    too_long: 'Telegram finds the text too long',
    entities_refused: 'Telegram does not accept its formatting',
    empty: 'there is no text that Telegram could show',
    filtered: 'a filter in front of the portal refuses these words',
    too_large: 'the web server of the portal finds it too large',
    group_migrated: 'the group became a supergroup with a new address',
    topic_deleted: 'the topic of this dialog was deleted in Telegram',
    topic_closed: 'the topic of this dialog is closed in Telegram',
    business_window:
      'the client has not written within the last 24 hours, and until he does only the owner of the account can answer, from his phone',
    business_excluded: 'the owner of the Telegram Business account has excluded this chat; answer from his phone',
    business_disconnected: 'the Telegram Business account is no longer connected to the bot',
    business_rights: 'the owner of the Telegram Business account has not allowed the bot to do this',
    message_gone: 'Telegram does not have the message any more',
    edit_refused: 'Telegram does not let this message be changed',
    delete_refused: 'Telegram does not let this message be deleted (48 hours after sending it is too late)',
    caption_too_long: 'under a file there is room for 1,024 characters',
    edit_uncertain: 'it grew by a further message, and Telegram gave no clear answer to that one',
    file_too_large: 'it is larger than a bot may send (50 MB)',
    file_empty: 'it is empty',
    file_gone: 'the portal does not have it any more',
    file_html: 'the portal gives a page in its place',
    file_forbidden: 'the portal does not let the service fetch it',
    file_refused_host: "its link is none of the portal's",
    file_needs_disk:
      'the portal did not tell of it in time, and the application has no permission (disk) to fetch it now; send it again',
    media_refused: 'Telegram does not accept it',
    file_id_refused: 'Telegram does not accept it',
    voice_forbidden: 'the client does not accept voice messages',
    unknown_chat: 'no bot of this application knows this client (any more); ask the client to write again',
    ambiguous_chat:
      'several bots know this client, and none of them serves this open line any more; answer in the client’s newest dialog',
    no_chat: 'Bitrix24 did not say which client it is for; write it again',
    no_message_id: 'Bitrix24 did not number the message; write it again',
    bot_removed_here: 'the bot was removed, with what still waited for it',
  },
  ru: {
    bot_blocked: 'клиент заблокировал бота',
    user_deactivated: 'аккаунт клиента в Telegram удалён',
    bot_removed: 'бот удалён из чата',
    conversation_not_started: 'клиент ещё не запускал бота, а бот не может написать первым',
    chat_not_found: 'Telegram не знает такого чата у этого бота',
    no_rights: 'у бота нет права писать в этот чат',
    too_long: 'Telegram считает текст слишком длинным',
    entities_refused: 'Telegram не принимает его оформление',
    empty: 'нет текста, который Telegram мог бы показать',
    filtered: 'фильтр перед порталом не пропускает эти слова',
    too_large: 'веб-сервер портала считает его слишком большим',
    group_migrated: 'группа стала супергруппой с новым адресом',
    topic_deleted: 'тема этого диалога удалена в Telegram',
    topic_closed: 'тема этого диалога закрыта в Telegram',
    business_window:
      'клиент не писал последние 24 часа, и пока он не напишет, ответить может только владелец аккаунта с телефона',
    business_excluded: 'владелец аккаунта Telegram Business исключил этот чат; ответьте с его телефона',
    business_disconnected: 'аккаунт Telegram Business больше не подключён к боту',
    business_rights: 'владелец аккаунта Telegram Business не разрешил боту это делать',
    message_gone: 'в Telegram этого сообщения больше нет',
    edit_refused: 'Telegram не даёт изменить это сообщение',
    delete_refused: 'Telegram не даёт удалить это сообщение (через 48 часов после отправки уже поздно)',
    caption_too_long: 'под файлом помещается только 1024 символа',
    edit_uncertain: 'к нему добавилось ещё одно сообщение, и на него Telegram не дал ясного ответа',
    file_too_large: 'больше, чем может отправить бот (50 МБ)',
    file_empty: 'файл пуст',
    file_gone: 'на портале его больше нет',
    file_html: 'вместо него портал отдаёт страницу',
    file_forbidden: 'портал не отдаёт его сервису',
    file_refused_host: 'это не ссылка портала',
    file_needs_disk:
      'портал не сообщил о нём вовремя, а забрать его теперь приложению не позволяют права (нет disk); отправьте файл ещё раз',
    media_refused: 'Telegram его не принимает',
    file_id_refused: 'Telegram его не принимает',
    voice_forbidden: 'клиент не принимает голосовые сообщения',
    unknown_chat: 'ни один бот приложения не знает этого клиента (или уже не знает); попросите клиента написать снова',
    ambiguous_chat:
      'этого клиента знают несколько ботов, и ни один из них больше не обслуживает эту линию; ответьте в последнем диалоге с клиентом',
    no_chat: 'Битрикс24 не указал, какому клиенту оно адресовано; напишите его ещё раз',
    no_message_id: 'Битрикс24 не присвоил сообщению номер; напишите его ещё раз',
    bot_removed_here: 'бот удалён вместе со всем, что ещё ждало отправки',
  },
};

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

/** The note on a message, or on a change of one, that ended as failed or uncertain; `words` is what the operator wrote. */
export function undeliveredNote(reason: NoteReason, words: string, language: Language): string {
  const excerpt = excerptOf(words);
  const lines = [
    ...(reason.code === FILES_LEFT_OUT ? [] : [sentenceOf(reason, language)]),
    ...leftOutLines(reason.files ?? [], language),
    ...(excerpt ? [`«${unread(excerpt)}»`] : []),
  ];
  return lines.join('\n');
}

function excerptOf(words: string): string {
  const flat = words.replace(/\s+/g, ' ').trim();
  return [...flat].length > EXCERPT ? `${[...flat].slice(0, EXCERPT).join('')}…` : flat;
}

function sentenceOf({ code, detail, about, until }: NoteReason, language: Language): string {
  const sentences = SENTENCES[language];
  if (code === WAITS) return sentences.waits(fromNow(Date.parse(until ?? '') - Date.now(), language));
  if (code === 'uncertain') return sentences.uncertain;
  if (code === BOT_UNAUTHORISED) return sentences.noToken;
  const why = REASONS[language][code] ?? sentences.refused(detail);
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

function leftOutLines(files: NonNullable<NoteReason['files']>, language: Language): string[] {
  if (files.length === 0) return [];
  const { leftOut, withheld } = SENTENCES[language];
  return [
    leftOut,
    ...files.map(({ name, code, detail }) => `${unread(name)}: ${REASONS[language][code] ?? withheld(detail)}`),
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
