import { describe, expect, it } from 'vitest';
import { answerText, answerWords, byLanguage } from './chat-answers.js';

const ANN = { firstName: 'Ann', title: 'Ann Lee' };

describe('a ready answer for a client', () => {
  it('has their name, formatting, buttons and files', () => {
    const files = [{ id: 5n, name: 'price.pdf', mime: 'application/pdf', size: 7 }];
    const text = 'Hello [b]{first_name}[/b], dear {name}\n[SEND=y]Yes, {first_name}[/SEND]';
    expect(answerWords({ text, files }, ANN)).toEqual({
      text: 'Hello Ann, dear Ann Lee',
      marks: [{ type: 'bold', offset: 6, length: 3 }],
      attachments: [
        { kind: 'document', name: 'price.pdf', label: 'price.pdf', size: 7, mime: 'application/pdf', url: 'answer:5' },
      ],
      keyboard: { type: 'buttons', rows: [[{ action: 'send', text: 'Yes, Ann', value: 'y' }]] },
    });
  });

  it('names a group by its title', () => {
    expect(answerText({ text: '{first_name}!' }, { firstName: null, title: 'Builders' })).toBe('Builders!');
  });

  it('does not read a name as BBCode', () => {
    const client = { firstName: '[b]Ann[/b]', title: '[SEND=pay]Pay[/SEND]' };
    const { text, marks, keyboard } = answerWords({ text: '{first_name}\n{name}', files: [] }, client)!;
    expect([text.replaceAll('\u200b', ''), marks, keyboard]).toEqual([
      '[b]Ann[/b]\n[SEND=pay]Pay[/SEND]',
      [],
      undefined,
    ]);
  });

  it.each(['', '  \n', '[b][/b]'])('is nothing where it says nothing: %j', (text) => {
    expect(answerWords({ text, files: [] }, ANN)).toBeNull();
  });
});

it('answers for the language of the client stand first', () => {
  const answers = ['ru', null, 'en-gb', 'de', 'en'].map((language) => ({ language }));
  const order = (language: string | null) => byLanguage(answers, language).map((answer) => answer.language);
  expect(order('en-US')).toEqual([null, 'en-gb', 'en', 'ru', 'de']);
  expect(order(null)).toEqual([null, 'ru', 'en-gb', 'de', 'en']);
});
