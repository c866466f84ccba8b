import { describe, expect, it } from 'vitest';
import { parseSearch, searchableWords, substringPattern } from './text-search.js';

describe('substringPattern', () => {
  it('takes a letter in either case, of any alphabet', () => {
    expect(substringPattern('Да')).toBe('[Дд][аА]');
    expect(substringPattern('ok')).toBe('[oO][kK]');
  });

  it('takes everything else as it stands', () => {
    expect(substringPattern('1.5*(2)')).toBe('1\\.5\\*\\(2\\)');
    expect(substringPattern('***:\\d')).toBe('\\*\\*\\*\\:\\\\[dD]');
    expect(substringPattern('😀 5%_')).toBe('😀 5\\%_');
  });

  it('finds a letter whose capital has two letters as it was typed', () => {
    expect(substringPattern('ß')).toBe('ß');
  });
});

describe('searchableWords', () => {
  it('folds case and ё, whatever stands between the words', () => {
    expect(searchableWords('Счёт «ГОТОВ»—счёт, café!')).toBe('счет готов café');
    expect(searchableWords(' … 🎉')).toBe('');
  });

  it('knows every end of a number, and grouped ones as a whole', () => {
    expect(searchableWords('ab12')).toBe('ab12 b12');
    expect(searchableWords('123-45-67').split(' ')).toEqual([
      '123',
      '45',
      '67',
      '1234567',
      '234567',
      '34567',
      '4567',
      '567',
    ]);
  });

  it('is bounded, however long the text', () => {
    const words = searchableWords(Array.from({ length: 5_000 }, (_, n) => `${n}`.repeat(40)).join(' ')).split(' ');
    expect(words).toHaveLength(1_000);
    expect(Math.max(...words.map((word) => word.length))).toBe(64);
  });
});

describe('parseSearch', () => {
  const shown = (typed: string) =>
    parseSearch(typed).terms.map(({ word, prefix, forms }) => `${word}${prefix ? '*' : ''}${forms ? '~' : ''}`);

  it('asks for every word in any form, the last perhaps unfinished, and for parts of numbers', () => {
    expect(shown('Мой заказ 12 и 1234 счё')).toEqual(['мой~', 'заказ~', '12~', 'и~', '1234*~', 'сче*~']);
    expect(shown('8 (999) 123-45-67 Анна')).toEqual(['9991234567*', 'анна*~']);
  });

  it('takes what is quoted as it stands, and asks the index for what must be a word of it', () => {
    expect(parseSearch('"за каз" ещё').exact).toEqual(['за каз']);
    expect(shown('"за каз ы" ещё')).toEqual(['каз', 'ы*', 'еще*~']);
    expect(shown('"за"')).toEqual([]);
    expect(parseSearch(' ** ')).toEqual({ terms: [], exact: ['**'] });
    expect(parseSearch('"')).toEqual({ terms: [], exact: ['"'] });
    expect(parseSearch('')).toEqual({ terms: [], exact: [] });
  });
});
