import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseVCard } from './vcard.parser.js';

const card = (...lines: string[]) => parseVCard(['BEGIN:VCARD', ...lines, 'END:VCARD'].join('\r\n'));

describe('parseVCard', () => {
  it('reads version 3.0 as iOS and Android write it', () => {
    expect(
      card(
        'VERSION:3.0',
        'N:Ivanova;Olga;;;',
        'FN:Olga Ivanova',
        'ORG:Horns\\, Hooves & Co;Sales;',
        'TITLE:Head of sales',
        'TEL;type=CELL;type=VOICE;type=pref:+7 900 111-22-33',
        'item1.TEL;type=WORK:8 (495) 123-45-67',
        'item1.X-ABLabel:_$!<Work>!$_',
        'EMAIL;type=INTERNET;type=HOME:olga@shop.example',
        'item2.EMAIL;type=INTERNET:sales@shop.example',
        'PHOTO;ENCODING=b;TYPE=JPEG:AAAA',
      ),
    ).toEqual({
      phones: ['+7 900 111-22-33', '8 (495) 123-45-67'],
      emails: ['olga@shop.example', 'sales@shop.example'],
      company: 'Horns, Hooves & Co, Sales',
      title: 'Head of sales',
    });
  });

  it('reads version 2.1 with quoted-printable over several lines, in any character set', () => {
    expect(
      card(
        'VERSION:2.1',
        'TEL;CELL:+79001112233',
        'ORG;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=D0=A0=D0=BE=D0=B3=D0=B0 =D0=B8=',
        ' =D0=BA=D0=BE=D0=BF=D1=8B=D1=82=D0=B0;=D0=9E=D0=BF=D1=82',
        'TITLE;ENCODING=QUOTED-PRINTABLE;CHARSET=windows-1251:=C4=E8=F0=E5=EA=F2=EE=F0',
        'EMAIL;INTERNET:a@',
        ' b.example',
      ),
    ).toEqual({ phones: ['+79001112233'], emails: ['a@b.example'], company: 'Рога и копыта, Опт', title: 'Директор' });
    expect(card('TITLE;ENCODING=QUOTED-PRINTABLE;CHARSET=klingon:=D0=AF').title).toBe('Я');
  });

  it('reads version 4.0 with its addresses, and folded lines', () => {
    expect(
      card(
        'VERSION:4.0',
        'TEL;VALUE=uri;TYPE="voice,home":tel:+1-555-555-5555;ext=5555',
        'TEL;VALUE=uri;TYPE="cell;a:b":tel:+33-01-23-45-67',
        'EMAIL:mailto:jqpublic@xyz.example',
        'ORG;SORT-AS="ABC":ABC\\; Inc.;North Ame',
        ' rica',
      ),
    ).toEqual({
      phones: ['+1-555-555-5555 ext. 5555', '+33-01-23-45-67'],
      emails: ['jqpublic@xyz.example'],
      company: 'ABC; Inc., North America',
      title: '',
    });
  });

  it('says nothing twice, and nothing of a card within the card', () => {
    const { phones, emails } = card(
      'TEL:+7 900 111 22 33',
      'TEL;TYPE=cell:+7(900)1112233',
      'EMAIL:A@b.example',
      'EMAIL:a@b.example',
      'AGENT:',
      'BEGIN:VCARD',
      'TEL:+7 999 999 99 99',
      'END:VCARD',
      'TEL:112',
    );
    expect([phones, emails]).toEqual([['+7 900 111 22 33', '112'], ['A@b.example']]);
  });

  it('takes any text', () => {
    const piece = fc.constantFrom(
      'BEGIN:VCARD',
      'END:VCARD',
      'TEL',
      'ORG',
      ';',
      ':',
      '"',
      '\\',
      '=',
      '=D0',
      '\r\n',
      ' ',
      'QUOTED-PRINTABLE',
    );
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string({ unit: 'binary' })), { maxLength: 60 }), (pieces) => {
        const { phones, emails, company, title } = parseVCard(pieces.join(''));
        for (const line of [...phones, ...emails, company, title]) expect(line).toMatch(/^(?:\S(?:.*\S)?)?$/su);
      }),
      { numRuns: 300 },
    );
  });

  it('reads back what was written, escaped and folded anywhere', () => {
    const words = fc
      .string({ minLength: 1, maxLength: 60, unit: fc.constantFrom(...'aя,;:\\ -+()5"=') })
      .map((text) => text.replace(/\s+/g, ' ').trim())
      .filter((text) => text !== '');
    const folded = (line: string, width: number) => line.replace(new RegExp(`(.{${width}})(?=.)`, 'g'), '$1\r\n ');
    fc.assert(
      fc.property(words, fc.integer({ min: 20, max: 75 }), (text, width) => {
        const escaped = text.replace(/[\\,;]/g, '\\$&');
        const lines = ['VERSION:3.0', `TITLE:${escaped}`, `item1.ORG;type="a;b:c":${escaped}`];
        const { title, company } = card(...lines.map((line) => folded(line, width)));
        expect([title, company]).toEqual([text, text]);
      }),
    );
  });

  it('takes time in proportion to the length', () => {
    const started = process.cpuUsage();
    for (const long of ['=\n', '\\', ';"', '":', ' \n ', 'TEL:1\n', ';a=', 'a.']) {
      parseVCard(`BEGIN:VCARD\nORG;ENCODING=QUOTED-PRINTABLE:${long.repeat(20_000)}`);
      parseVCard(`TEL;${long.repeat(20_000)}`);
    }
    expect(process.cpuUsage(started).user / 1000).toBeLessThan(8_000);
  });
});
