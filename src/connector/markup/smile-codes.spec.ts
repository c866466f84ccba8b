import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectLinear } from '../../../test/fixtures/growth.js';
import { runs } from '../../../test/support/random-runs.js';
import { concat, plain, withMark } from '../../relay/rich-text.js';
import { withEmoji } from './smile-codes.js';

const shown = (text: string) => withEmoji(plain(text)).text;

describe('codes of smileys', () => {
  it.each([
    [':idea: :trophy::thumbsup:, (:wink:) «:+1:» :100:!', '💡 🏆👍, (😉) «👍» 💯!'],
    [':oops: :like: :facepalm: :shock: :evil: :cry: :?: :!:', '😳 👍 🤦 😲 😠 😢 ❓ ❗'],
    ['Да!:idea:', 'Да!💡'],
    ['::idea:: :nobody:idea:', '::idea:: :nobody:idea:'],
    [':nobody::idea: :nobody: :idea:', ':nobody::idea: :nobody: 💡'],
  ])('%j are read as %j', (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  it.each([
    ':) :-) ;) :D 8-) :( :| :{} >:-< :o :/ :~(',
    'at 12:30:45 and 1:100:2',
    'key:id:value a:on:b C:on:\\x',
    'https://a.example/:idea: www.a.example?:idea: /users/:id:/x #:on: @:on:',
    ':constructor: :toString: :Idea: : idea :',
    '::::::::',
  ])('%j stays as typed', (text) => {
    expect(shown(text)).toBe(text);
  });

  it('are not read in code, and marks stay where they are', () => {
    const rich = concat(
      withMark(':idea:', 'code'),
      ' :idea: ',
      withMark('see :trophy:', 'bold'),
      ' ',
      withMark(':wink: x', 'link', { url: 'https://a.example' }),
    );
    const { text, marks } = withEmoji(rich);
    expect(text).toBe(':idea: 💡 see 🏆 😉 x');
    expect(marks.map(({ type, offset, length }) => `${type}:${text.slice(offset, offset + length)}`)).toEqual([
      'code::idea:',
      'bold:see 🏆',
      'link:😉 x',
    ]);
  });

  it('change nothing a second time, and nothing but themselves', () => {
    const text = fc.string({
      unit: fc.constantFrom(':', ':idea:', 'on', ' ', 'a', '/', '1', '😀', 'https://a.b/'),
      maxLength: 12,
    });
    fc.assert(
      fc.property(text, fc.nat(12), fc.nat(12), (words, offset, length) => {
        const once = withEmoji({ text: words, marks: [{ type: 'bold', offset, length }] });
        expect(withEmoji(once)).toEqual(once);
        const others = (some: string) => some.replace(/:(?:idea|on|a):|💡|🔛|🅰️/gu, '');
        expect(others(once.text)).toBe(others(words));
      }),
      { numRuns: runs(700) },
    );
  });

  it.each([':', ':a', ':idea:', ':idea: ', 'www.', 'a:', 'a://', '-'])(
    'are looked for in linear time in %j',
    (unit) => {
      expectLinear(unit, shown);
    },
  );
});
