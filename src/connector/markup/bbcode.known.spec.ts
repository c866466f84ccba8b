import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { runs } from '../../../test/support/random-runs.js';
import { BARE, VALUED, VOID } from './bbcode.grammar.js';
import { readOperatorWords } from '../events/operator-words.parser.js';

/** Texts as people and programs of a portal write them: every tag there is, in every other, some never closed. */

const INLINE = ['b', 'i', 'u', 's'];
const CLOSED = ['p', 'left', 'center', 'right', 'justify', 'img', 'video', 'put', 'send', 'spoiler', 'cut'];
const WITH_VALUE: Record<string, string> = {
  user: '27 REPLACE',
  chat: 'imol|5',
  size: '20',
  color: '#f00',
  font: 'Arial',
  context: 'chat1/2',
  dialog: 'chat5',
  pch: '5',
  project: '3',
  department: '5',
  put: '/help [x]',
  send: '/yes',
  quote: 'Ann',
};
const ALONE = [
  '[like]',
  '[dislike]',
  '[icon=/i.png size=20 title=smile]',
  '[disk=5]',
  '[disk file id=n12]',
  '[file=5]',
  '[attach=5]',
  '[document id=7]',
  '[timestamp=1773267180 format=SHORT]',
  '[rating=5]',
];
const ADDRESSES = ['https://a.example/?p[]=1', 'tel:+7900', 'shop.example', '/crm/deal/[5]/', 'mailto:a@b.example'];

const upper = fc.boolean().map((is) => (name: string) => (is ? name.toUpperCase() : name));
const wrapped = (begin: string, inner: string, end: string) => `[${begin}]${inner}[/${end}]`;

/** `§` stands for a word. */
const text = fc.letrec<{ words: string; inline: string; block: string; all: string }>((tie) => ({
  words: fc.constantFrom(
    '§',
    '§ §',
    '§\n§',
    ' ',
    '§ :idea: ',
    '§[br]§',
    '[§] §',
    '12:30:45 §',
    '&lt;§ ',
    ':f09f9880: ',
  ),
  inline: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('words'),
    fc
      .tuple(upper, fc.constantFrom(...INLINE, ...CLOSED), tie('inline'))
      .map(([cased, name, inner]) => wrapped(cased(name), inner, cased(name))),
    fc
      .tuple(upper, fc.constantFrom(...Object.entries(WITH_VALUE)), tie('inline'))
      .map(([cased, [name, value], inner]) => wrapped(`${cased(name)}=${value}`, inner, cased(name))),
    fc
      .tuple(fc.constantFrom(...ADDRESSES), tie('inline'))
      .map(([address, inner]) => wrapped(`url=${address}`, inner, 'url')),
    fc.constantFrom('[call=+7900]§[/call]', '[call]§[/call]', '[cut=§]§[/cut]', '[url]https://a.example/§?p[]=§[/url]'),
    fc.constantFrom(...ALONE),
    // One in another, and neither closed in its turn.
    fc
      .tuple(fc.constantFrom(...INLINE), fc.constantFrom(...INLINE), tie('inline'), tie('inline'))
      .filter(([one, other]) => one !== other)
      .map(([one, other, inner, more]) => `[${one}]${inner}[${other}]${more}[/${one}]§[/${other}]`),
    fc.tuple(fc.constantFrom(...INLINE, 'url=x.example'), tie('inline')).map(([name, inner]) => `[${name}]${inner}`),
  ),
  block: fc.oneof(
    { depthSize: 'small' },
    tie('inline'),
    fc
      .array(tie('inline'), { maxLength: 3 })
      .map((items) => `[list]${items.map((item) => `[*]${item}`).join('\n')}[/list]`),
    fc
      .array(fc.array(tie('inline'), { minLength: 1, maxLength: 3 }), { maxLength: 3 })
      .map((rows) => rows.map((row) => wrapped('tr', row.map((cell) => wrapped('td', cell, 'td')).join('\n'), 'tr')))
      .map((rows) => wrapped('table', rows.join('\n'), 'table')),
    tie('inline').map((inner) => wrapped('quote', inner, 'quote')),
    tie('words').map((inner) => `\n>>${inner.replaceAll(/\[br\]|\n/g, ' ')}\n`),
    tie('words').map((inner) => `\n${'-'.repeat(54)}\nAnn [today] #chat1/2\n${inner}\n${'-'.repeat(54)}\n`),
    fc.constant('[code]§[/code]'),
  ),
  all: fc.array(tie('block'), { maxLength: 5 }).map((parts) => parts.join('')),
})).all;

it('no word of random texts is lost, and no tag is read', () => {
  const known = new RegExp(String.raw`\[\/?(?:${BARE}|${VALUED}|${VOID}|code|br)(?:[\]=]| \w+=)`, 'i');
  fc.assert(
    fc.property(text, (shape) => {
      let count = 0;
      const bbcode = shape.replaceAll('§', () => `{${++count}}`);
      const { words, keyboard } = readOperatorWords(bbcode);
      const read = [words.text, ...(keyboard?.rows.flat().map((button) => button.text) ?? [])].join('\n');
      expect(read).not.toMatch(known);
      expect(read.match(/\{\d+\}/g) ?? []).toEqual(Array.from({ length: count }, (_, at) => `{${at + 1}}`));
    }),
    { numRuns: runs(700) },
  );
}, 120_000);
