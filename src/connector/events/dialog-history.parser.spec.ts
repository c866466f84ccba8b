import { describe, expect, it } from 'vitest';
import type { ActiveDialog } from '../../storage/history/chats.repository.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { unreported } from './dialog-history.parser.js';

const portal = { id: 1n, connectorId: 'tg_test' } as PortalRecord;
const dialog: ActiveDialog = {
  chatId: 5n,
  externalId: 'tg:777',
  lineId: '7',
  bitrixChatId: '1807',
  bitrixSessionId: '323',
  bitrixUserId: '585',
  lookedSessionId: null,
  createdAt: new Date('2026-11-22T10:00:00Z'),
  asOf: new Date('2026-11-22T12:00:00Z'),
};
const LIMITS = { since: new Date('2026-11-22T09:00:00Z'), changedSince: new Date('2026-11-20T09:00:00Z') };
const line = (id: number, senderid: string, params: object = {}, more: object = {}) => ({
  id: String(id),
  senderid,
  date: '2026-11-22T13:30:00+03:00',
  text: `words ${id}`,
  textlegacy: `<b>words</b> ${id}`,
  params: Object.keys(params).length > 0 ? params : [],
  ...more,
});
const SENDING = { sending: 'Y', sendingTs: 1 };

function read(...messages: object[]) {
  const message = Object.fromEntries(messages.map((one, index) => [`m${index}`, one]));
  const files = { 12: { id: 12, name: 'price.pdf', type: 'file', size: 3, urldownload: 'https://portal/login' } };
  return unreported({ message, files }, dialog, portal, LIMITS);
}

const found = (...messages: object[]) =>
  read(...messages).messages.map(({ bitrixMessageId, lineId, externalChatId, said }) => [
    bitrixMessageId,
    lineId,
    externalChatId,
    said.text,
  ]);
const changed = (...messages: object[]) =>
  read(...messages).changes.map(({ bitrixMessageId, words }) => [bitrixMessageId, words?.text ?? null]);

describe('operators’ messages that no event brought', () => {
  it('are those that the portal marks as being sent, whoever wrote them', () => {
    expect(
      found(
        line(1, '585', { connectorMid: ['tg:777:1'] }),
        line(2, '27', { connectorMid: ['tg:777:2'] }),
        line(3, '27', SENDING),
        line(4, '27'),
        line(5, '0', SENDING),
      ),
    ).toEqual([
      ['3', '7', 'tg:777', 'words 3'],
      ['5', '7', 'tg:777', 'words 5'],
    ]);
  });

  it('are known as newsletters by the same signs as in an event: nobody wrote them, and they name no session', () => {
    const { messages } = read(
      line(1, '0', SENDING),
      line(2, '0', { ...SENDING, imolSid: '323' }),
      line(3, '0', { ...SENDING, imolVote: '323', imolVoteSid: '323' }),
      line(4, '27', SENDING),
    );
    expect(messages.map(({ belongsToNoSession }) => belongsToNoSession === true)).toEqual([true, false, false, false]);
    expect(JSON.stringify(messages[0]!.said.raw)).not.toContain('IMOL_');
    expect(JSON.stringify(messages[1]!.said.raw)).toContain('"IMOL_');
  });

  it('are none where nothing is marked', () => {
    expect(found(line(1, '27'), line(2, '0'), line(3, '27', { class: 'bx-messenger-content-item-system' }))).toEqual(
      [],
    );
  });

  it.each([
    ['older than a day', { date: '2026-11-21T13:30:00+03:00' }],
    ['older than the chat', { date: '2026-11-22T12:30:00+03:00' }],
    ['without a date', { date: null }],
  ])('are not what is %s', (_what, more) => {
    expect(found(line(1, '27', SENDING, more))).toEqual([]);
  });

  it('are read as they were written, as BBCode', () => {
    const text = 'a [b]bold[/b] & <plain> one';
    expect(found(line(1, '27', SENDING, { text }))[0]![3]).toBe('a bold & <plain> one');
    // im.dialog.messages.get names the author and the parameters otherwise.
    const [message] = read({
      ...line(2, '27', { SENDING: 'Y' }, { text }),
      senderid: undefined,
      author_id: 27,
    }).messages;
    expect(message!.said).toMatchObject({ authorId: '27', text: 'a bold & <plain> one' });
  });

  it('name their files by id, because the links are for people who are signed in', () => {
    const [message] = read(line(1, '27', { ...SENDING, fileId: [12, 13] })).messages;
    expect(message!.said.attachments).toMatchObject([
      { name: 'price.pdf', kind: 'document', size: 3, url: 'disk:12' },
      { name: 'file', url: 'disk:13' },
    ]);
  });

  it('keep their cards, whose names the history writes in camel case', () => {
    const attach = [{ id: 1, blocks: [{ richLink: [{ name: 'Price', link: 'https://a.example/p' }] }] }];
    expect(found(line(1, '27', { ...SENDING, attach }, { text: '' }))[0]![3]).toBe('Price');
  });

  it('survive whatever PHP makes of empty maps', () => {
    expect(unreported({ message: [], files: [] }, dialog, portal, LIMITS)).toEqual({ messages: [], changes: [] });
  });
});

describe('changes that no event brought', () => {
  it('are what edited messages say now, and deletions', () => {
    expect(
      changed(
        line(1, '27', { connectorMid: ['tg:777:1'], isEdited: 'Y' }),
        line(2, '27', { isDeleted: 'Y' }, { text: 'This message was deleted.' }),
        line(3, '27', { connectorMid: ['tg:777:3'] }),
      ),
    ).toEqual([
      ['1', 'words 1'],
      ['2', null],
    ]);
  });

  it('of what is not reported yet are read beside it; nothing that is deleted goes out', () => {
    expect(changed(line(1, '27', { ...SENDING, isEdited: 'Y' }))).toEqual([['1', 'words 1']]);
    expect(found(line(1, '27', { ...SENDING, isEdited: 'Y' }))).toHaveLength(1);
    expect(found(line(1, '27', { ...SENDING, isDeleted: 'Y' }))).toEqual([]);
  });

  it('are not looked for where Bitrix24 and Telegram allow none any more', () => {
    expect(changed(line(1, '27', { isEdited: 'Y' }, { date: '2026-11-19T13:30:00+03:00' }))).toEqual([]);
  });
});

it('answers made with "Reply" name what they answer: by its id, and by its words where the history has them', () => {
  const { messages } = read(
    line(1, '585', { connectorMid: ['tg:777:1'] }, { text: 'How [b]much[/b]?' }),
    line(2, '27', { ...SENDING, replyId: 1 }),
    line(3, '27', { ...SENDING, replyId: '900' }),
    line(4, '27', SENDING),
  );
  expect(messages.map(({ quoted }) => quoted)).toEqual([
    { bitrixMessageId: '1', words: 'How much?', rest: { text: 'words 2', marks: [] } },
    { bitrixMessageId: '900', words: '', rest: { text: 'words 3', marks: [] } },
    undefined,
  ]);
});
