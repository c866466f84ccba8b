import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { bytes, clock, compact, duration, number, relative, shortest, shortTime, speak } from './language.js';
import { en } from './texts.en.js';
import { ru } from './texts.ru.js';

beforeAll(() => {
  vi.stubGlobal('document', { documentElement: {} });
});
afterAll(() => {
  vi.unstubAllGlobals();
});

const SPACES = /[\u00A0\u202F]/g;
const plain = (text: string) => text.replaceAll(SPACES, ' ');
const NOW = Date.parse('2026-05-10T12:00:00Z');
const ago = (seconds: number) => plain(relative(new Date(NOW - seconds * 1_000).toISOString(), NOW));

describe('in English', () => {
  beforeAll(() => speak('en'));

  it('writes numbers, sizes and durations', () => {
    expect(number(1_234_567)).toBe('1,234,567');
    expect(compact(12_345)).toBe('12.3K');
    expect([0, 999, 1_500, 2_500_000, 3e12].map(bytes).map(plain)).toEqual([
      '0 byte',
      '999 byte',
      '2 kB',
      '2.5 MB',
      '3,000 GB',
    ]);
    expect([0, 180, 1_250].map(duration).map(plain)).toEqual(['0 ms', '180 ms', '1.3 sec']);
  });

  it('tells how long ago something was, and how far ahead it is', () => {
    expect([0, 59, 60, 7_200, 86_400, 200_000].map(ago)).toEqual([
      'now',
      '59 seconds ago',
      '1 minute ago',
      '2 hours ago',
      'yesterday',
      '2 days ago',
    ]);
    expect(ago(-172_800)).toBe('in 2 days');
  });

  it('shows the clock for today and the day before that', () => {
    const now = new Date();
    expect(shortest(now.toISOString())).toBe(clock(now));
    expect(shortest('2020-05-01T12:00:00Z')).toBe('1 May 2020');
    expect(shortTime('2026-05-01T12:00:00Z', NOW)).not.toContain('2026');
    expect(shortTime('2030-01-01T12:00:00Z', NOW)).toContain('1 Jan 2030');
  });
});

describe('in Russian', () => {
  beforeAll(() => speak('ru'));

  it('writes numbers, sizes and times', () => {
    expect(plain(number(1_234_567))).toBe('1 234 567');
    expect(plain(bytes(2_500_000))).toBe('2,5 МБ');
    expect([0, 60, 300, 7_200, 86_400].map(ago)).toEqual([
      'сейчас',
      '1 минуту назад',
      '5 минут назад',
      '2 часа назад',
      'вчера',
    ]);
  });
});

it('both languages have the same texts, none of them empty', () => {
  expect(namesOf(ru)).toEqual(namesOf(en));
});

/** `pages.doctor`, … of every text; a text that is made by a function counts like one that stands there. */
function namesOf(texts: object, path = ''): string[] {
  return Object.entries(texts).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value === 'object' && value !== null) return namesOf(value, `${path}${name}.`);
    expect(value, path + name).not.toBe('');
    return `${path}${name}: ${typeof value}`;
  });
}
