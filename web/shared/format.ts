import type { Language } from './i18n.js';

type Time = string | number | Date;

/** Times and sizes as people read them in the language of the moment. */
export function formatsIn(language: () => Language) {
  const time = (options: Intl.DateTimeFormatOptions) => (at: Time) =>
    new Intl.DateTimeFormat(language() === 'ru' ? 'ru-RU' : 'en-GB', options).format(new Date(at));
  return {
    clock: time({ hour: '2-digit', minute: '2-digit' }),
    day: time({ day: 'numeric', month: 'long', year: 'numeric' }),
    shortDay: time({ day: 'numeric', month: 'short' }),
    fullTime: time({ dateStyle: 'medium', timeStyle: 'medium' }),
    bytes(size: number): string {
      const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const;
      const step = Math.min(units.length - 1, size < 1 ? 0 : Math.floor(Math.log(size) / Math.log(1_000)));
      return new Intl.NumberFormat(language(), {
        style: 'unit',
        unit: units[step] ?? 'byte',
        unitDisplay: 'short',
        maximumFractionDigits: step > 1 ? 1 : 0,
      }).format(size / 1_000 ** step);
    },
  };
}
