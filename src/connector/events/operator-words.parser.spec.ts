import { describe, expect, it } from 'vitest';
import { plain, withMark } from '../../relay/rich-text.js';
import { readOperatorWords } from './operator-words.parser.js';

const FRAME = '-'.repeat(54);
const FRAMED = `${FRAME}\nAnna Orlova [today, 14:05] #chat12/345\nHow much?\n${FRAME}\n`;

const read = (text: string, ...cards: Parameters<typeof readOperatorWords>[1] & object) => {
  const { words, quoted } = readOperatorWords(text, cards);
  return { text: words.text, ...(quoted && { quoted: { ...quoted, rest: quoted.rest.text } }) };
};

describe('what an operator said', () => {
  it('is what stands in the text and on the cards, with emoji for codes', () => {
    const card = withMark('Pay :idea:', 'link', { url: 'https://a.example' });
    expect(readOperatorWords('[b]Order[/b] :like:', [card])).toEqual({
      words: {
        text: 'Order 👍\nPay 💡',
        marks: [
          { type: 'bold', offset: 0, length: 5 },
          { type: 'link', offset: 9, length: 6, url: 'https://a.example' },
        ],
      },
    });
  });

  it.each([
    ['framed', `${FRAMED}Ten.`, { words: 'How much?', rest: 'Ten.', bitrixMessageId: '345' }],
    [
      'framed, behind blank lines',
      `[br]\n${FRAMED}\nTen.\n`,
      { words: 'How much?', rest: 'Ten.', bitrixMessageId: '345' },
    ],
    ['framed without a header', `${FRAME}\nHow much?\n${FRAME}\nTen.`, { words: 'How much?', rest: 'Ten.' }],
    ['in marked lines', '>>How\n>> [b]much[/b]?\nTen.\n', { words: 'How\nmuch?', rest: 'Ten.' }],
    ['in encoded marks', '&gt;&gt;How much?\nTen.', { words: 'How much?', rest: 'Ten.' }],
    ['and quotes again', '>>How much?\nTen.\n>>Really?\nYes.', { words: 'How much?', rest: 'Ten.\nReally?\nYes.' }],
    [
      'behind a line that may be a name',
      `[b]Sam:[/b] [br]${FRAMED}Ten.`,
      { words: 'How much?', rest: 'Sam: \nTen.', bitrixMessageId: '345' },
    ],
  ])('begins with a quotation: %s', (_, text, expected) => {
    expect(read(text).quoted).toEqual(expected);
  });

  it.each([
    ['no quotation', 'Ten.'],
    ['a quotation in the middle', 'See:\n>>How much?\nTen.'],
    ['nothing but a quotation', '>>How much?\n'],
    ['a rule of other length', `${'-'.repeat(20)}\nx\n${'-'.repeat(20)}\ny`],
    ['nothing', ''],
  ])('does not begin with one: %s', (_, text) => {
    expect(read(text)).not.toHaveProperty('quoted');
  });

  it('is an answer, too, when all of it stands on a card', () => {
    expect(read('>>How much?', plain('Ten'))).toEqual({
      text: 'How much?\nTen',
      quoted: { words: 'How much?', rest: 'Ten' },
    });
  });
});
