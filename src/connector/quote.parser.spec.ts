import { describe, expect, it } from 'vitest';
import { parseQuotedAnswer } from './quote.parser.js';

const FRAME = '-'.repeat(54);

describe('an answer that begins with a quote', () => {
  it.each([
    ['framed', `${FRAME}\nAnna Orlova [today, 14:05]\nHow much?\n${FRAME}\nTen.`, { words: 'How much?', rest: 'Ten.' }],
    [
      'framed with a reference behind the date',
      `${FRAME}[br]Anna Orlova [May 3, 14:05] #chat12/345[br]How[br]much?[br]${FRAME}[br]Ten.`,
      { words: 'How\nmuch?', rest: 'Ten.', bitrixMessageId: '345' },
    ],
    [
      'framed with a reference on its own line',
      `${FRAME}\nAnna [today, 14:05]\n#chat12/345\nHow much?\n${FRAME}\nTen.`,
      { words: 'How much?', rest: 'Ten.', bitrixMessageId: '345' },
    ],
    ['framed without a header', `${FRAME}\nHow much?\n${FRAME}\nTen.`, { words: 'How much?', rest: 'Ten.' }],
    ['in marked lines', '>>How\n>> much?\nTen.\n', { words: 'How\nmuch?', rest: 'Ten.' }],
    ['in encoded marks', '&gt;&gt;How much?\nTen.', { words: 'How much?', rest: 'Ten.' }],
  ])('%s', (_, text, expected) => {
    expect(parseQuotedAnswer(text)).toEqual(expected);
  });

  it.each([
    ['no quote', 'Ten.'],
    ['a quote in the middle', 'See:\n>>How much?\nTen.'],
    ['nothing but a quote', '>>How much?\n'],
    ['a rule of other length', `${'-'.repeat(20)}\nx\n${'-'.repeat(20)}\ny`],
  ])('is not %s', (_, text) => {
    expect(parseQuotedAnswer(text)).toBeNull();
  });
});
