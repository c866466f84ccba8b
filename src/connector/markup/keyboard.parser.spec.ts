import { describe, expect, it } from 'vitest';
import { takeButtons } from './keyboard.parser.js';

const rowsOf = (bbcode: string) => takeButtons(bbcode).keyboard?.rows ?? null;
const send = (text: string, value = text) => ({ action: 'send', text, value });

describe('buttons at the end of a text', () => {
  it.each([
    [
      'Size?\n[SEND=s]Small[/SEND] [SEND=l]Large[/SEND]\n[send]Other[/send]',
      'Size?',
      [[send('Small', 's'), send('Large', 'l')], [send('Other')]],
    ],
    ['Size?[br][br][SEND=s]Small[/SEND][br]\n', 'Size?', [[send('Small', 's')]]],
    ['Size?#BR#[SEND=s]Small[/SEND]|[SEND="l"]Large[/SEND]', 'Size?', [[send('Small', 's'), send('Large', 'l')]]],
    ['[SEND=yes]Yes[/SEND]', '', [[send('Yes', 'yes')]]],
    ['A\n[SEND=1][b]One[/b] &amp; only[/SEND]', 'A', [[send('One & only', '1')]]],
    ['A\n[PUT=My order is ]Write[/PUT]', 'A', [[{ action: 'copy', text: 'Write', value: 'My order is' }]]],
    [
      'A\n[CALL=+7 (999) 000-00-00]Call us[/CALL]',
      'A',
      [[{ action: 'copy', text: 'Call us: +7 (999) 000-00-00', value: '+7 (999) 000-00-00' }]],
    ],
    ['A\n[CALL]+79990000000[/CALL]', 'A', [[{ action: 'copy', text: '+79990000000', value: '+79990000000' }]]],
    [
      'A\n[URL=https://a.example/?p[]=1]Site[/URL]',
      'A',
      [[{ action: 'open', text: 'Site', url: 'https://a.example/?p[]=1' }]],
    ],
    ['A\n[URL=a.example]Site[/URL]', 'A', [[{ action: 'open', text: 'Site', url: 'http://a.example' }]]],
    [
      'A\n[SEND=1]One[/SEND]\n[URL]https://a.example[/URL]',
      'A',
      [[send('One', '1')], [{ action: 'open', text: 'https://a.example', url: 'https://a.example' }]],
    ],
    ['[code]x[/code]\n[SEND=1]One[/SEND]', '[code]x[/code]', [[send('One', '1')]]],
  ])('%j', (bbcode, text, rows) => {
    expect(takeButtons(bbcode)).toEqual({ text, keyboard: { type: 'buttons', rows } });
  });

  it.each([
    ['inside a sentence', 'Press [SEND=1]One[/SEND] or two'],
    ['in front of words', '[SEND=1]One[/SEND]\nand then'],
    ['beside words', 'A\n[SEND=1]One[/SEND] please'],
    ['in code', '[code]\n[SEND=1]One[/SEND]'],
    ['in a quote', '>>[SEND=1]One[/SEND]'],
    ['without a text', 'A\n[SEND=1] [/SEND]'],
    ['not closed', 'A\n[SEND=1]One'],
    ['one in another', 'A\n[SEND=1][URL=https://a.example]One[/URL][/SEND]'],
    ['an address without a label', 'A\n[URL]https://a.example[/URL]'],
    ['an address that nobody can open', 'A\n[URL=mailto:a@b.example]Mail[/URL]'],
    ['a link and nothing else', '[URL=https://a.example]Site[/URL]'],
    ['a number in answer to a quote', `${'-'.repeat(54)}\nAnn\nNumber?\n${'-'.repeat(54)}\n[CALL=+7999]Here[/CALL]`],
    ['too long to be copied', `A\n[PUT=${'a'.repeat(257)}]Write[/PUT]`],
  ])('are none %s', (_, bbcode) => {
    expect(takeButtons(bbcode)).toEqual({ text: bbcode, keyboard: null });
  });

  it('are found in time in proportion to the text', () => {
    const begun = performance.now();
    expect(rowsOf(`A\n${'[SEND=1]One[/SEND] '.repeat(1_000)}`)?.[0]).toHaveLength(1_000);
    expect(rowsOf(`A\n${'[SEND=1]'.repeat(5_000)}`)).toBeNull();
    expect(rowsOf('\n[SEND=1]One[/SEND]'.repeat(1_000))).toHaveLength(1_000);
    expect(performance.now() - begun).toBeLessThan(2_000);
  });
});
