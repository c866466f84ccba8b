import { describe, expect, it } from 'vitest';
import { passagesOf, type Passage } from './quote.parser.js';

const FRAME = '-'.repeat(54);

const words = (text: string): Passage => ({ quoted: false, text });
const quote = (text: string, more: Partial<Passage> = {}): Passage => ({ quoted: true, text, ...more });
const header = 'Anna Orlova [May 3, 14:05]';

describe('the passages of a text', () => {
  it.each<[string, string, Passage[]]>([
    ['no quotation', 'a[br]b#BR#c\r\nd\re', [words('a\nb\nc\nd\ne')]],
    ['a frame', `${FRAME}\n${header}\nHow much?\n${FRAME}\nTen.`, [quote('How much?', { header }), words('Ten.')]],
    [
      'a frame with a reference behind the date',
      `${FRAME}[br]${header} #chat12/345[br]How[br]much?[br]${FRAME}[br]Ten.`,
      [quote('How\nmuch?', { header, bitrixMessageId: '345' }), words('Ten.')],
    ],
    [
      'a frame with a reference on its own line',
      `${FRAME}\n${header}\n#1:27/345\nHow much?\n${FRAME}\nTen.`,
      [quote('How much?', { header, bitrixMessageId: '345' }), words('Ten.')],
    ],
    ['a frame without a header', `${FRAME}\nHow\nmuch?\n${FRAME}`, [quote('How\nmuch?')]],
    ['a frame of nothing but brackets', `${FRAME}\n[Photo]\n${FRAME}`, [quote('[Photo]')]],
    ['a frame of marked lines', `${FRAME}\n>>How\n>>much?\n${FRAME}`, [quote('How\nmuch?')]],
    ['marked lines', 'a\n>>How\n&gt;&gt; much?\nTen.', [words('a'), quote('How\n much?'), words('Ten.')]],
    ['code in marked lines', '>>[code]a\n>>b[/code]\nc', [quote('[code]a\n>>b[/code]'), words('c')]],
    [
      'code with a frame',
      `[code]\n${FRAME}\na[br]\n${FRAME}\n[/code]`,
      [words(`[code]\n${FRAME}\na[br]\n${FRAME}\n[/code]`)],
    ],
    ['a frame that never ends', `${FRAME}\na`, [words(`${FRAME}\na`)]],
    ['a frame with nothing in it', `${FRAME}\n${FRAME}`, [words(`${FRAME}\n${FRAME}`)]],
    ['rules of other length', `---\na\n---`, [words('---\na\n---')]],
    ['signs in a line', `a >>b ${FRAME}`, [words(`a >>b ${FRAME}`)]],
    ['nothing', '', [words('')]],
  ])('%s', (_, text, expected) => {
    expect(passagesOf(text)).toEqual(expected);
  });
});
