import { describe, expect, it } from 'vitest';
import { contactsIn } from './contacts.js';
import { DialogKilled, seenByOperator } from './operator-view.js';
import { connect, call, element, portal, send, useSimulator, CONNECTOR } from './spec.rig.js';

const FRAME = '-'.repeat(54);
const Z = '\u200B';

describe("an operator's eye", () => {
  it.each([
    ['/menu', 'u'],
    ['/loud hello', 'hello'],
    ['/men', ''],
    [`/${Z}menu`, `/${Z}menu`],
    ['say /menu', 'say /menu'],
    ['[br]a#BR#b[BR]c', 'a\nb\nc'],
    ['&#91;b&#93;x[/b]', 'x'],
    ['a (C) (R) (TM)', 'a (c) (r) (tm)'],
    ['[url=https://x.y]word [/url]next', 'wordnext'],
    [':f09f9880: :f09f98: :f09f9880f09f9880:', '😀 :f09f98: :f09f9880f09f9880:'],
    ['[code]echo $$; a $& b[/code]', 'echo $; a ####REPLACEMENT_CODE_0####amp; b'],
    ['a <nomodify>b', 'a b'],
    [`${FRAME}\nAnn [today, 14:05] #chat1/2\nhi\n${FRAME}\nwords`, 'hi\nwords'],
    ['>>said\n>>so\nwords', 'said\nso\n\nwords'],
  ])('reads %j as %j', (text, read) => {
    expect(seenByOperator(text).text).toBe(read);
  });

  it.each([
    ['[b]https://a.b/c[/b]', [{ text: 'https://a.b/c', url: 'https://a.b/c%5B/b%5D' }]],
    ['[b][url]https://a.b/c[/url][/b]', [{ text: 'https://a.b/c', url: 'https://a.b/c' }]],
    ['see https://a.b/c?d=[1].', [{ text: 'https://a.b/c?d=[1].', url: 'https://a.b/c?d=%5B1%5D.' }]],
    ['see https://a.b/c.', [{ text: 'https://a.b/c', url: 'https://a.b/c' }]],
    ['www.a.b', [{ text: 'www.a.b', url: 'http://www.a.b' }]],
    ['>>https://a.b/c', []],
    ['>>[url]https://a.b/c[/url]', [{ text: 'https://a.b/c', url: 'https://a.b/c' }]],
    ['HTTPS://a.b/c', []],
    ['[url=tg://resolve?domain=a]x[/url]', [{ text: 'x', url: 'http://tg://resolve?domain=a' }]],
    ['[url=mailto:a@b.c]x[/url]', [{ text: 'x', url: 'mailto:a@b.c' }]],
    ['(https://a.b/c and (more) d', [{ text: 'https://a.b/c and (more', url: 'https://a.b/c and (more' }]],
  ])('follows the links of %j', (text, links) => {
    expect(seenByOperator(text).links).toEqual(links);
  });

  it('knows who is quoted, and where a click leads', () => {
    const { quotes, text } = seenByOperator(`${FRAME}\nAnn [today, 14:05] #chat1/2\n[b]hi[/b]\n${FRAME}\nwords`);
    expect(quotes).toEqual([{ text: 'hi', name: 'Ann', time: 'today, 14:05', context: 'chat1/2' }]);
    expect(text).toBe('hi\nwords');
  });

  it('shows the HTML of a cut', () => {
    expect(seenByOperator('[cut]x[/cut]').text).toContain('<table');
  });

  it.each([
    ['####REPLACEMENT_MARK_7#### [code]x[/code]', 'portal'],
    ['[code]x[/code]BR#', 'portal'],
    ['[code][put]x[/put][/code] ####REPLACEMENT_PUT_7####', 'messenger'],
  ])('never opens again after %j', (text, by) => {
    expect(() => seenByOperator(text)).toThrow(DialogKilled);
    try {
      seenByOperator(text);
    } catch (error) {
      expect(error).toMatchObject({ by });
    }
  });

  it('sees nothing of a call without a number', () => {
    expect(() => seenByOperator('[call]x[/call]')).toThrow(TypeError);
  });
});

describe('the CRM tracker', () => {
  it.each([
    ['call +7 (999) 123-45-67 or A.B@Shop.example', ['+79991234567'], ['a.b@shop.example']],
    ['>>+79991234567\nyes', ['+79991234567'], []],
    [`${FRAME}\nShop [today, 14:05]\n+79991234567\n${FRAME}\nmine is 89990000000`, ['+89990000000'], []],
    ['[url=https://a.b/79991234567]x[/url] https://a.b/79991234567', [], []],
    ['[b]89990000000[/b]', ['+89990000000'], []],
    ['12 pieces, 2026', [], []],
  ])('finds in %j', (text, phones, emails) => {
    expect(contactsIn(text)).toEqual({ phones, emails });
  });
});

describe('a portal that takes texts in', () => {
  useSimulator();
  const client = () => [...portal.lines.clients.values()][0]!;

  it('writes contacts to the client, whoever is the author, unless told not to', async () => {
    await connect();
    await send(element('1', 'mine: 89990000001'), element('2', 'note: 89990000002', { user_id: 0 }));
    await send(element('3', 'theirs: 89990000003', { disable_crm: 'Y' }));
    expect(client().crm.phones).toEqual(['+89990000001', '+89990000002']);
  });

  it('dies of a text that PHP cannot put together, and of a correction', async () => {
    await connect();
    expect((await send(element('1', '[code]x[/code]BR#'))).status).toBe(500);
    await send(element('2', 'fine'));
    const change = { ...element('2', '####REPLACEMENT_MARK_7#### [code]x[/code]') };
    const { status } = await call('imconnector.update.messages', { CONNECTOR, LINE: '1', MESSAGES: [change] });
    expect(status).toBe(500);
    expect(portal.ledger().dialogsKilled.map(({ by }) => by)).toEqual(['portal', 'portal']);
  });

  it('counts as a rating what begins with 1 or 0, and nothing behind a quote', async () => {
    await connect();
    await send(element('1', 'hi'));
    const { session } = portal.dialog('tg:777') as { session: { vote: unknown; waitVote: boolean } };
    session.waitVote = true;
    await send(element('2', '>>Rate us\n1'), element('3', '10'));
    expect(session.vote).toBeNull();
    // Other words ended the wait for it.
    session.waitVote = true;
    await send(element('4', '1 thanks'));
    expect(session.vote).toBe('like');
  });
});
