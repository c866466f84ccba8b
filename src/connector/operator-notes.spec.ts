import { describe, expect, it } from 'vitest';
import { noteLanguage, repetitionMark, undeliveredNote } from './operator-notes.js';

describe('a note to the operator', () => {
  it('is Russian for Russian portals and English for all others', () => {
    expect(['ru', 'RU', 'ru_RU', 'en', 'de', 'ua', ''].map(noteLanguage)).toEqual([
      'ru',
      'ru',
      'ru',
      'en',
      'en',
      'en',
      'en',
    ]);
    expect([repetitionMark('en'), repetitionMark('ru')]).toEqual(['(possibly repeated)', '(возможно, повтор)']);
  });

  it('says why, in the language, and quotes the words', () => {
    expect(undeliveredNote({ code: 'bot_blocked', detail: 'Forbidden' }, 'Hello', 'en')).toBe(
      '⚠️ Not delivered to the client: the client blocked the bot.\n«Hello»',
    );
    expect(undeliveredNote({ code: 'bot_blocked', detail: 'Forbidden' }, 'Hello', 'ru')).toContain(
      'клиент заблокировал бота',
    );
  });

  it('quotes Telegram for a reason that has no words of ours', () => {
    const note = undeliveredNote({ code: 'refused', detail: 'Bad Request: something new' }, 'x', 'en');
    expect(note).toContain('Telegram refused it (Bad Request: something new)');
  });

  it('says that nothing is known, and that nothing will be repeated', () => {
    const note = undeliveredNote({ code: 'uncertain', detail: 'TIMEOUT' }, 'x', 'en');
    expect(note).toContain('not known whether');
    expect(note).toContain('will not be sent again');
  });

  it('quotes at most 80 characters on one line, and no BBCode takes effect in it', () => {
    const note = undeliveredNote({ code: 'empty', detail: '' }, `[b]a\n\nb[/b]${'😀'.repeat(100)}`, 'en');
    const [, quote = ''] = note.split('\n');
    expect([...quote].length).toBeLessThanOrEqual(85);
    expect(quote).toMatch(/^«\[\u200bb\]a b\[\u200b\/b\]😀+…»$/u);
  });

  it('quotes nothing when there are no words', () => {
    expect(undeliveredNote({ code: 'empty', detail: '' }, ' \n ', 'en')).not.toContain('«');
  });
});
