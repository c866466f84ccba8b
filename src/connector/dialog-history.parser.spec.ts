import { describe, expect, it } from 'vitest';
import type { ActiveDialog } from '../storage/chats.repository.js';
import type { PortalRecord } from '../storage/portals.repository.js';
import { undeliveredMessages, type DialogHistory } from './dialog-history.parser.js';

const portal = { id: 1n, connectorId: 'tg_test' } as PortalRecord;
const dialog: ActiveDialog = {
  chatId: 5n,
  externalId: 'tg:777',
  lineId: '7',
  bitrixChatId: '1807',
  bitrixSessionId: '323',
  bitrixUserId: '585',
  createdAt: new Date('2026-11-22T10:00:00Z'),
};
const SINCE = new Date('2026-11-22T09:00:00Z');
const line = (id: number, senderid: string, params: object = {}, more: object = {}) => ({
  id: String(id),
  senderid,
  date: '2026-11-22T13:30:00+03:00',
  text: `words ${id}`,
  params: Object.keys(params).length > 0 ? (params as Record<string, unknown>) : [],
  ...more,
});
const found = (...messages: object[]) =>
  undeliveredMessages(
    { message: Object.fromEntries(messages.map((message, index) => [`m${index}`, message])) } as DialogHistory,
    dialog,
    portal,
    SINCE,
  ).map(({ bitrixMessageId, lineId, externalChatId, said }) => [bitrixMessageId, lineId, externalChatId, said.text]);

describe('operators’ messages that no event brought', () => {
  it('are those that the portal still marks as being sent', () => {
    expect(
      found(
        line(1, '585', { connectorMid: ['tg:777:1'] }),
        line(2, '27', { connectorMid: ['tg:777:2'] }),
        line(3, '27', { sending: 'Y', sendingTs: 1 }),
        line(4, '27'),
      ),
    ).toEqual([['3', '7', 'tg:777', 'words 3']]);
  });

  it('are all without a delivery report where the portal shows no such mark', () => {
    expect(
      found(
        line(1, '585', { CONNECTOR_MID: ['tg:777:1'] }),
        line(2, '27', { CONNECTOR_MID: 'tg:777:2' }),
        line(3, '27'),
      ),
    ).toEqual([['3', '7', 'tg:777', 'words 3']]);
  });

  it.each([
    ['the client’s', line(1, '585')],
    ['the portal’s own', line(1, '0')],
    ['a whisper', line(1, '27', { class: 'bx-messenger-content-item-system' })],
    ['hidden', line(1, '27', { SKIP_CONNECTOR: 'Y' })],
    ['a service line', line(1, '27', {}, { system: 'Y' })],
    ['older than a day', line(1, '27', {}, { date: '2026-11-21T13:30:00+03:00' })],
    ['older than the chat', line(1, '27', {}, { date: '2026-11-22T12:30:00+03:00' })],
    ['without a date', line(1, '27', {}, { date: null })],
  ])('are not what is %s', (_what, message) => {
    expect(found(message)).toEqual([]);
  });

  it('survive whatever PHP makes of empty maps', () => {
    expect(undeliveredMessages({ message: [], users: [], files: [] }, dialog, portal, SINCE)).toEqual([]);
  });
});
