import { describe, expect, it } from 'vitest';
import { linesOfCards } from './card.parser.js';

const card = (...BLOCKS: object[]) => JSON.stringify({ ID: 1, COLOR: '#29619b', BLOCKS });

describe('a card of the messenger', () => {
  it('is read line by line', () => {
    const blocks = [
      { USER: { NAME: 'Samantha', LINK: 'https://acme.example/27' } },
      { MESSAGE: 'Order [b]5[/b]' },
      { DELIMITER: { SIZE: 200 } },
      { GRID: [{ NAME: 'Sum', VALUE: '12', DISPLAY: 'LINE' }, { VALUE: 'paid' }] },
      { LINK: [{ NAME: 'Pay', LINK: 'https://acme.example/p', DESC: 'by card' }] },
      { IMAGE: { LINK: 'https://acme.example/i.png' } },
      { FILE: { NAME: 'bill.pdf', LINK: 'https://acme.example/b.pdf' } },
    ];
    expect(linesOfCards([card(...blocks)], '')).toEqual([
      'Samantha',
      'Order [b]5[/b]',
      'Sum: 12',
      'paid',
      '[url=https://acme.example/p]Pay[/url]',
      'by card',
      'https://acme.example/i.png',
      '[url=https://acme.example/b.pdf]bill.pdf[/url]',
    ]);
  });

  it('that previews a link of the text adds nothing', () => {
    const richLink = { NAME: 'Boots', LINK: 'https://shop.example/1', DESC: 'Warm' };
    for (const attachments of [[card({ RICH_LINK: [richLink] })], { ...richLink, richData: {} }]) {
      expect(linesOfCards(attachments, 'see https://shop.example/1')).toEqual([]);
      expect(linesOfCards(attachments, '')).toEqual(['[url=https://shop.example/1]Boots[/url]', 'Warm']);
    }
  });

  it('that cannot be read says nothing', () => {
    for (const odd of [undefined, 'x', ['{'], [null], { a: 1 }, [[card()]]]) expect(linesOfCards(odd, '')).toEqual([]);
  });
});
