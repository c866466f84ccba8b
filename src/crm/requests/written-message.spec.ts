import { describe, expect, it } from 'vitest';
import { readButtons, writtenMessage } from './written-message.js';

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
      files: [file],
      keyboard: null,
    });
    expect(writtenMessage({ file: `${PORTAL}/%E0` }, PORTAL)!.files[0]!.name).toBe('%E0');
    for (const path of ['', '~aB3x9z', 'pub/im.file.php?FILE_ID=7&SIGN=x', 'docs/pub/5f3a/download/?token=x']) {
      expect(writtenMessage({ file: `${PORTAL}/${path}` }, PORTAL)!.files[0]!.name).toBe('file');
    }
  });

  it('may have several files and links, a line each or behind one another', () => {
    const several = [`${PORTAL}/1.pdf`, 'https://else.example/2.pdf', `${PORTAL}/3.pdf`, 'https://else.example/4.pdf'];
    for (const between of ['\n', '\r\n', ', ', '; ', ' ']) {
      expect(writtenMessage({ file: several.join(between) }, PORTAL)).toMatchObject({
        words: { text: 'https://else.example/2.pdf\nhttps://else.example/4.pdf' },
        files: [
          { name: '1.pdf', url: several[0] },
          { name: '3.pdf', url: several[2] },
        ],
      });
    }
  });

  it('shows where the links of a field of HTML lead', () => {
    const text = '<p>See <a target="_blank" href="https://a.example/?x=1&amp;y=2">our <b>site</b></a></p>';
    expect(writtenMessage({ text }, PORTAL)!.words).toEqual({
      text: 'See our site',
      marks: [{ type: 'link', offset: 4, length: 8, url: 'https://a.example/?x=1&y=2' }],
    });
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
  // As they are written in texts, and with what a field of the CRM has put there.
  expect(readButtons('[SEND=y]Yes[/SEND] [URL=https://a.example]Site[/URL]\n[b]No[/b]\n[b][/b]')).toEqual([
    { action: 'send', text: 'Yes', value: 'y' },
    { action: 'open', text: 'Site', url: 'https://a.example' },
    { action: 'send', text: 'No', value: 'No' },
  ]);
  expect(readButtons('<p>Yes</p><p>No</p>').map(({ text }) => text)).toEqual(['Yes', 'No']);
  // All of them: more than fit under a message are read with its words.
  expect(readButtons(Array.from({ length: 40 }, (_, n) => `Button ${n}`).join('\n'))).toHaveLength(40);
  expect(writtenMessage({ text: 'Well?', buttons: 'Yes\n\n No ' }, PORTAL)!.keyboard).toEqual({
    type: 'buttons',
    rows: [[{ action: 'send', text: 'Yes', value: 'Yes' }], [{ action: 'send', text: 'No', value: 'No' }]],
  });
});

it.each([' ', '\t', ' ,', ';', '\u00a0', '|'])('fields are read in a moment, however many %j they hold', (piece) => {
  const begun = performance.now();
  const long = `a${piece.repeat(50_000)}b`;
  writtenMessage({ text: long, buttons: long, file: long }, PORTAL);
  expect(performance.now() - begun).toBeLessThan(3_000);
});
