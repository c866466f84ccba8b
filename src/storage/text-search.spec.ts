import { describe, expect, it } from 'vitest';
import { substringPattern } from './text-search.js';

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
