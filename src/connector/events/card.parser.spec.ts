import { describe, expect, it } from 'vitest';
import { linesOfCards, type CardFields } from './card.parser.js';

const card = (...BLOCKS: object[]) => JSON.stringify({ ID: 1, COLOR: '#29619b', BLOCKS });
/** Each line, and what is marked on it. */
const read = (fields: CardFields, text = '') =>
  linesOfCards(fields, text).map(({ text: words, marks }) => [
    words,
    ...marks.map(
      ({ type, offset, length, url = '' }) => `${type}:${words.slice(offset, offset + length)}${url && ` ${url}`}`,
    ),
  ]);

describe('a card of the messenger', () => {
  it('is read line by line, with its links', () => {
    const blocks = [
      { DELIMITER: { SIZE: 200 } },
      { USER: [{ NAME: 'Samantha', LINK: 'https://acme.example/27' }] },
      { USER: { NAME: 'Ann', USER_ID: 5 } },
      { MESSAGE: 'Order [b]5[/b]' },
      { MESSAGE: { TEXT: 'today', AS_DESCRIPTION: 'Y' } },
      { HTML: '[i]as HTML[/i]' },
      { DELIMITER: { SIZE: 200 } },
      { DELIMITER: { SIZE: 100 } },
      {
        GRID: [
          { NAME: 'Sum', VALUE: '12', DISPLAY: 'LINE' },
          { NAME: 'State:', VALUE: '[s]open[/s] paid', DISPLAY: 'BLOCK' },
          { NAME: 'Bill', VALUE: '№ 5', DISPLAY: 'ROW', LINK: 'https://acme.example/5' },
          { VALUE: 'delivered', DISPLAY: 'TABLE' },
          { NAME: 'Notes', VALUE: 'one[BR]two' },
        ],
      },
      { LINK: [{ NAME: 'Pay [now]', LINK: 'https://acme.example/?p[]=1', DESC: 'by card' }] },
      { LINK: { LINK: '/crm/deal/1/' } },
      { LINK: { NAME: 'Chat', CHAT_ID: 5 } },
      { IMAGE: { LINK: 'https://acme.example/i.png' } },
      { FILE: [{ NAME: 'bill [5].pdf', LINK: 'https://acme.example/b.pdf', SIZE: 5 }] },
      { DELIMITER: { SIZE: 200 } },
      { UNKNOWN: { NAME: 'x' } },
    ];
    expect(read({ attachments_old: [card(...blocks)] })).toEqual([
      ['Samantha', 'link:Samantha https://acme.example/27'],
      ['Ann'],
      ['Order 5', 'bold:5'],
      ['today'],
      ['as HTML', 'italic:as HTML'],
      ['———'],
      ['Sum: 12'],
      ['State: open paid', 'strikethrough:open'],
      ['Bill: № 5', 'link:№ 5 https://acme.example/5'],
      ['delivered'],
      ['Notes:\none\ntwo'],
      ['Pay [now]', 'link:Pay [now] https://acme.example/?p[]=1'],
      ['by card'],
      ['/crm/deal/1/', 'link:/crm/deal/1/ /crm/deal/1/'],
      ['Chat'],
      ['https://acme.example/i.png'],
      ['bill [5].pdf', 'link:bill [5].pdf https://acme.example/b.pdf'],
    ]);
  });

  it('that previews a link of the text adds nothing', () => {
    const richLink = { NAME: 'Boots', LINK: 'https://www.shop.example/1/', DESC: 'Warm' };
    const link = ['Boots', 'link:Boots https://www.shop.example/1/'];
    for (const fields of [
      { attachments_old: [card({ RICH_LINK: [richLink] })], attachments: { ...richLink, richData: {} } },
      { attachments: [card({ RICH_LINK: [richLink] })] },
      { attachments: { ...richLink, richData: {} } },
    ]) {
      expect(read(fields, 'see shop.example/1')).toEqual([]);
      expect(read(fields)).toEqual([link, ['Warm']]);
    }
  });

  it('that cannot be read says nothing', () => {
    for (const odd of [undefined, 'x', ['{'], [null], { a: 1 }, [[card()]], [card({ LINK: 'x' }, { GRID: [null] })]]) {
      expect(read({ attachments_old: odd })).toEqual([]);
      expect(read({ attachments: odd })).toEqual([]);
    }
  });
});
