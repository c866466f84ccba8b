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
    uncertain:
      '⚠️ It is not known whether the client received this message: Telegram gave no clear answer. It will not be sent again by itself, so that the client does not get it twice. Ask the client, or write again.',
    refused: (detail: string) => `Telegram refused it (${detail})`,
    repeated: '(possibly repeated)',
  },
  ru: {
    failed: (reason: string) => `⚠️ Не доставлено клиенту: ${reason}.`,
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

/** The note on a message that ended as failed or uncertain; `words` is what the operator wrote. */
export function undeliveredNote(
  reason: { code: string; detail: string },
  words: string,
  language: NoteLanguage,
): string {
  const sentences = SENTENCES[language];
  const sentence =
    reason.code === 'uncertain'
      ? sentences.uncertain
      : sentences.failed(REASONS[language][reason.code] ?? sentences.refused(reason.detail));
  const flat = words.replace(/\s+/g, ' ').trim();
  const excerpt = [...flat].length > EXCERPT ? `${[...flat].slice(0, EXCERPT).join('')}…` : flat;
  return excerpt ? `${sentence}\n«${excerpt.replaceAll('[', '[\u200b')}»` : sentence;
}

/** Stands before a client's message that may already be in the dialog. */
export function repetitionMark(language: NoteLanguage): string {
  return SENTENCES[language].repeated;
}
