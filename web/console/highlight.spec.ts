import { expect, it } from 'vitest';
import { excerpt, highlight } from './highlight.js';

const found = (text: string, search: string) =>
  highlight(text, search)
    .filter((piece) => piece.found)
    .map((piece) => piece.text);

it.each([
  ['Когда будет доставка?', 'доставку', ['доставка']],
  ['We deliver. Delivery is free.', 'delivery', ['deliver', 'Delivery']],
  ['the pen opens', 'pen', ['pen']],
  ['order 10045 and 10046', '100', ['10045', '10046']],
  ['Say "out of stock" now', '"OUT of"', ['out of']],
  ['a+b (c)', '"a+b (c)"', ['a+b (c)']],
  ['nothing', '', []],
  ['nothing', '"', []],
])('%j searched for %j shows %j', (text, search, words) => {
  expect(found(text, search)).toEqual(words);
});

it('loses no character of the text', () => {
  const text = 'Доставка, доставки… и ещё раз: доставку!';
  expect(highlight(text, 'доставка').map((piece) => piece.text)).toHaveLength(6);
  expect(
    highlight(text, 'доставка')
      .map((piece) => piece.text)
      .join(''),
  ).toBe(text);
});

it('cuts a long text around its first find', () => {
  const text = `${'before '.repeat(100)}needle${' after'.repeat(100)}`;
  const shown = excerpt(text, 'needle');
  expect(shown).toContain('needle');
  expect(shown.length).toBeLessThanOrEqual(222);
  expect(shown).toMatch(/^….*…$/);
  expect(excerpt('short needle', 'needle')).toBe('short needle');
  expect(excerpt(text, 'absent')).toMatch(/^before .*…$/);
});
