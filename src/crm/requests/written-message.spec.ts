import { describe, expect, it } from 'vitest';
import { readButtons, writtenMessage, withoutHtml } from './written-message.js';

const PORTAL = 'https://acme.bitrix24.com';
const textOf = (properties: Record<string, string>) => writtenMessage(properties, PORTAL)?.words.text;

describe('what a robot says', () => {
  it('is its text and a link that is no file of the portal', () => {
    expect(textOf({ text: '[b]Hi[/b]', file: 'https://else.example/a.pdf' })).toBe('Hi\n\nhttps://else.example/a.pdf');
    expect(writtenMessage({ text: '[b]Hi[/b]' }, PORTAL)!.words.marks).toEqual([
      { type: 'bold', offset: 0, length: 2 },
    ]);
    expect(textOf({ text: 'x', file: 'not a link' })).toBe('x\n\nnot a link');
  });

  it('may be a file of the portal alone', () => {
    const file = { name: 'Счёт 1.pdf', url: `${PORTAL}/docs/%D0%A1%D1%87%D1%91%D1%82%201.pdf?x=1` };
    expect(writtenMessage({ file: file.url }, PORTAL)).toEqual({
      words: { text: '', marks: [] },
      file,
      keyboard: null,
    });
    expect(writtenMessage({ file: `${PORTAL}/%E0` }, PORTAL)!.file!.name).toBe('%E0');
    for (const path of ['', '~aB3x9z', 'pub/im.file.php?FILE_ID=7&SIGN=x', 'docs/pub/5f3a/download/?token=x']) {
      expect(writtenMessage({ file: `${PORTAL}/${path}` }, PORTAL)!.file!.name).toBe('file');
    }
  });

  it('is nothing where nothing is set', () => {
    for (const properties of [{}, { text: '' }, { text: ' \n', buttons: '\n', file: ' ' }]) {
      expect(writtenMessage(properties as Record<string, string>, PORTAL)).toBeNull();
    }
  });
});

it('reads a button a line, with an address behind a bar', () => {
  expect(readButtons('Yes\r\nSite | https://a.example/?a=1|2\nA | b')).toEqual([
    { action: 'send', text: 'Yes', value: 'Yes' },
    { action: 'open', text: 'Site', url: 'https://a.example/?a=1|2' },
    { action: 'send', text: 'A | b', value: 'A | b' },
  ]);
  expect(writtenMessage({ text: 'Well?', buttons: 'Yes\n\n No ' }, PORTAL)!.keyboard).toEqual({
    type: 'buttons',
    rows: [[{ action: 'send', text: 'Yes', value: 'Yes' }], [{ action: 'send', text: 'No', value: 'No' }]],
  });
});

it.each([
  ['<p>One &amp; two</p><p>three</p>', 'One & two\nthree'],
  ['a<br/>b<BR>c', 'a\nb\nc'],
  ['<ul><li>1</li><li>2</li></ul>', '1\n2'],
  ['1 < 2 &amp; 3 > 2', '1 < 2 &amp; 3 > 2'],
  ['<b title="x">bold</b>', 'bold'],
  ['<unknown>', '<unknown>'],
])('%j is read as %j', (html, text) => expect(withoutHtml(html)).toBe(text));
