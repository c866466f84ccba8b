/** The languages in which the program speaks to people. */
export type Language = 'en' | 'ru';

/**
 * Codes under which people read Russian: Bitrix24's languages and regions of its Russian-speaking service (module
 * `call`, lib/Library.php, REGION_CIS), and the names that browsers and Telegram have for the same languages.
 */
const READ_IN_RUSSIAN = new Set('ru by kz am az ge kg uz be kk hy ka ky'.split(' '));

/**
 * Russian where people read it, English for everybody else. Takes a code of Bitrix24 (`kz`), of Telegram (`ru-RU`) or
 * an Accept-Language header; of several languages the first counts.
 */
export function languageOf(code: unknown): Language {
  const [first = ''] =
    typeof code === 'string'
      ? code
          .trim()
          .toLowerCase()
          .split(/[,;_-]/)
      : [];
  return READ_IN_RUSSIAN.has(first) ? 'ru' : 'en';
}
