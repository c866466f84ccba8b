import type { Words } from '../../src/admin/doctor/findings.js';
import { formatsIn } from '../shared/format.js';
import { browserLanguage, createTexts, type Language } from '../shared/i18n.js';
import type { Texts } from './texts.en.js';

const STORED = 'console-language';

/** The doctor's words are the service's own: what it finds, and how that is called, changes in one place. */
const spoken = createTexts<Texts & { findings: Words }>({
  en: async () => {
    const [texts, findings] = await Promise.all([
      import('./texts.en.js'),
      import('../../src/admin/doctor/words.en.js'),
    ]);
    return { ...texts.en, findings: findings.en };
  },
  ru: async () => {
    const [texts, findings] = await Promise.all([
      import('./texts.ru.js'),
      import('../../src/admin/doctor/words.ru.js'),
    ]);
    return { ...texts.ru, findings: findings.ru };
  },
});

/** The texts in the language of the moment. */
export const t = spoken.texts;
export const language = spoken.language;

export function firstLanguage(): Language {
  const stored = localStorage.getItem(STORED);
  return stored === 'en' || stored === 'ru' ? stored : browserLanguage();
}

export function speak(wanted: Language): Promise<void> {
  return spoken.speak(wanted);
}

export async function choose(wanted: Language): Promise<void> {
  localStorage.setItem(STORED, wanted);
  await speak(wanted);
}

export function number(value: number): string {
  return new Intl.NumberFormat(language.value).format(value);
}

/** 12.3K, for places without room. */
export function compact(value: number): string {
  return new Intl.NumberFormat(language.value, { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

export const { bytes, clock, day, shortDay, shortTime, fullTime } = formatsIn(() => language.value);

/** 0.25 s or 180 ms. */
export function duration(ms: number): string {
  const seconds = ms >= 1_000;
  return new Intl.NumberFormat(language.value, {
    style: 'unit',
    unit: seconds ? 'second' : 'millisecond',
    unitDisplay: 'short',
    maximumFractionDigits: seconds ? 1 : 0,
  }).format(seconds ? ms / 1_000 : ms);
}

const format = (options: Intl.DateTimeFormatOptions) => (time: string | number | Date) =>
  new Intl.DateTimeFormat(language.value === 'ru' ? 'ru-RU' : 'en-GB', options).format(new Date(time));

export const clockSeconds = format({
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
});
/** As a field for dates and times has it: by the reader's clock, to the minute. */
export function localTime(time: string | number | Date): string {
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

/** The clock for today, the day for everything before. */
export function shortest(time: string): string {
  return new Date(time).toDateString() === new Date().toDateString() ? clock(time) : shortDay(time);
}

/** "3 minutes ago", "in 2 days". */
export function relative(time: string, now: number = Date.now()): string {
  const seconds = (new Date(time).getTime() - now) / 1_000;
  const steps = [
    ['day', 86_400],
    ['hour', 3_600],
    ['minute', 60],
  ] as const;
  const [unit, length] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? (['second', 1] as const);
  return new Intl.RelativeTimeFormat(language.value, { numeric: 'auto' }).format(Math.round(seconds / length), unit);
}
