import { expect, it } from 'vitest';
import { plain, withMark, concat } from '../../relay/rich-text.js';
import { filledWords } from './filled-words.js';

const ANN = { firstName: 'Ann', title: 'Ann [b]Lee[/b]' };

it('names the client, and keeps formatting where it was', () => {
  const words = concat(
    withMark('Hello {first_name}', 'bold'),
    ', dear {name}: ',
    withMark('here', 'link', { url: 'https://a.example/?n={name}&m=%7Bfirst_name%7D' }),
  );
  expect(filledWords({ words }, ANN).words).toEqual({
    text: 'Hello Ann, dear Ann [b]Lee[/b]: here',
    marks: [
      { type: 'bold', offset: 0, length: 9 },
      { type: 'link', offset: 32, length: 4, url: 'https://a.example/?n=Ann%20%5Bb%5DLee%5B%2Fb%5D&m=Ann' },
    ],
  });
});

it('names a group, and whoever gave no first name, by the title', () => {
  expect(
    filledWords({ words: plain('{first_name}! {last_name}') }, { firstName: null, title: 'Builders' }).words.text,
  ).toBe('Builders! {last_name}');
});

it('fills buttons; a name makes no other button of them', () => {
  const keyboard = {
    type: 'buttons' as const,
    rows: [
      [{ action: 'send' as const, text: 'I am {first_name}', value: 'I am {first_name}' }],
      [{ action: 'open' as const, text: 'Shop', url: 'https://a.example/?n={first_name}' }],
    ],
  };
  const client = { firstName: 'Ann | https://evil.example', title: 'x' };
  expect(filledWords({ words: plain(''), keyboard }, client).keyboard.rows).toEqual([
    [{ action: 'send', text: 'I am Ann | https://evil.example', value: 'I am Ann | https://evil.example' }],
    [{ action: 'open', text: 'Shop', url: 'https://a.example/?n=Ann%20%7C%20https%3A%2F%2Fevil.example' }],
  ]);
});
