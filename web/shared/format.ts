import { fileSize } from './file-size.js';
import type { Language } from './i18n.js';

type Time = string | number | Date;

/** Times and sizes as people read them in the language of the moment. */
export function formatsIn(language: () => Language) {
  const time = (options: Intl.DateTimeFormatOptions) => (at: Time) =>
    new Intl.DateTimeFormat(language() === 'ru' ? 'ru-RU' : 'en-GB', options).format(new Date(at));
  /** With its year where that is another one than this. */
  const withYear =
    (options: Intl.DateTimeFormatOptions) =>
    (at: Time, now: number = Date.now()) =>
      new Date(at).getFullYear() === new Date(now).getFullYear()
        ? time(options)(at)
        : time({ ...options, year: 'numeric' })(at);
  return {
    clock: time({ hour: '2-digit', minute: '2-digit' }),
    day: time({ day: 'numeric', month: 'long', year: 'numeric' }),
    shortDay: withYear({ day: 'numeric', month: 'short' }),
    shortTime: withYear({ day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit' }),
    fullTime: time({ dateStyle: 'medium', timeStyle: 'medium' }),
    bytes: (size: number) => fileSize(size, language()),
  };
}
