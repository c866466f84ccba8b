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
    empty: 'there is no text that Telegram could show',
    group_migrated: 'the group became a supergroup with a new address',
  },
  ru: {
    bot_blocked: 'клиент заблокировал бота',
    user_deactivated: 'аккаунт клиента в Telegram удалён',
    bot_removed: 'бот удалён из чата',
    conversation_not_started: 'клиент ещё не запускал бота, а бот не может написать первым',
    chat_not_found: 'Telegram не знает такого чата у этого бота',
    no_rights: 'у бота нет права писать в этот чат',
    too_long: 'Telegram считает текст слишком длинным',
    empty: 'нет текста, который Telegram мог бы показать',
    group_migrated: 'группа стала супергруппой с новым адресом',
  },
};

const SENTENCES = {
  en: {
    failed: (reason: string) => `⚠️ Not delivered to the client: ${reason}.`,
    notEdited: (reason: string) => `⚠️ The client still sees the message as it was before your change: ${reason}.`,
    notDeleted: (reason: string) => `⚠️ The client still sees the message that you deleted: ${reason}.`,
    missing: '⚠️ Not every file of the client could be fetched:',
    tooLarge: 'too large for a bot, which Telegram gives files of up to 20 MB; ask the client for a link',
    uncertain:
      '⚠️ It is not known whether the client received this message: Telegram gave no clear answer. It will not be sent again by itself, so that the client does not get it twice. Ask the client, or write again.',
    refused: (detail: string) => `Telegram refused it (${detail})`,
    repeated: '(possibly repeated)',
  },
  ru: {
    failed: (reason: string) => `⚠️ Не доставлено клиенту: ${reason}.`,
    notEdited: (reason: string) => `⚠️ Клиент видит сообщение таким, каким оно было до правки: ${reason}.`,
    notDeleted: (reason: string) => `⚠️ Клиент по-прежнему видит удалённое вами сообщение: ${reason}.`,
    missing: '⚠️ Не все файлы клиента удалось получить:',
    tooLarge: 'слишком большой для бота: Telegram отдаёт ботам файлы до 20 МБ; попросите у клиента ссылку',
    uncertain:
      '⚠️ Неизвестно, получил ли клиент это сообщение: Telegram не дал ясного ответа. Само оно повторно отправлено не будет, чтобы клиент не получил его дважды. Спросите клиента или напишите ещё раз.',
    refused: (detail: string) => `Telegram отказал (${detail})`,
    repeated: '(возможно, повтор)',
  },
};

const EXCERPT = 80;

export type NoteLanguage = 'ru' | 'en';

/** Russian for Russian portals, English for all others. */
export function noteLanguage(portalLanguage: string): NoteLanguage {
  return portalLanguage.toLowerCase().startsWith('ru') ? 'ru' : 'en';
}

/** Code of the note on files of a client that the portal could not fetch. */
export const FILES_MISSING = 'files_missing';

/** What a note is about. */
export interface NoteReason {
  code: string;
  detail: string;
  /** What could not be done; `message`: to bring it to the client. */
  about?: string;
}

/** The note on a message, or on a change of one, that ended as failed or uncertain; `words` is what the operator wrote. */
export function undeliveredNote(reason: NoteReason, words: string, language: NoteLanguage): string {
  const sentences = SENTENCES[language];
  const why = REASONS[language][reason.code] ?? sentences.refused(reason.detail);
  const sentence =
    reason.code === 'uncertain'
      ? sentences.uncertain
      : reason.about === 'edit'
        ? sentences.notEdited(why)
        : reason.about === 'delete'
          ? sentences.notDeleted(why)
          : sentences.failed(why);
  const flat = words.replace(/\s+/g, ' ').trim();
  const excerpt = [...flat].length > EXCERPT ? `${[...flat].slice(0, EXCERPT).join('')}…` : flat;
  return excerpt ? `${sentence}\n«${excerpt.replaceAll('[', '[\u200b')}»` : sentence;
}

/** Stands before a client's message that may already be in the dialog. */
export function repetitionMark(language: NoteLanguage): string {
  return SENTENCES[language].repeated;
}

/** Telegram's own server gives bots files up to this size, in bytes (core.telegram.org/bots/api, getFile). */
const CLOUD_LIMIT = 20 * 1024 * 1024;

/** The note on files that the portal could not fetch; no link: nobody could follow it. */
export function missingFilesNote(
  files: { label: string; size: number | null; link: string | null }[],
  language: NoteLanguage,
): string {
  const lines = files.map(({ label, size, link }) => {
    const name = label.replaceAll('[', '[\u200b');
    const linked = link ? `[url=${link}]${name}[/url]` : name;
    return (size ?? 0) > CLOUD_LIMIT ? tooLargeLabel(linked, language) : linked;
  });
  return [SENTENCES[language].missing, ...lines].join('\n');
}

/** What stands in place of a file that is too large for a bot. */
export function tooLargeLabel(label: string, language: NoteLanguage): string {
  return `${label}: ${SENTENCES[language].tooLarge}`;
}
