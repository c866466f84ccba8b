import { describe, expect, it } from 'vitest';
import { parseMessengerEvents } from './messenger-events.parser.js';

const chat = { id: 12, dialogId: 'chat12', type: 'lines', entityType: 'LINES', entityId: 'tg|1|tg:5|7' };
const operator = { id: 27, connector: false };
const client = { id: 590, connector: true };

function happeningOf(type: string, data: unknown): unknown {
  const answer = { events: [{ eventId: 2001, type, date: '', data }], nextOffset: 2002, hasMore: false };
  return parseMessengerEvents(answer)?.events[0]?.happening;
}

describe('what an operator did in an open-line chat', () => {
  it.each([
    ['ONIMV2MESSAGEADD', { message: { id: 5012 }, chat, user: operator }, '5012'],
    ['ONIMV2MESSAGEADD', { message: { id: 5012 }, chat, user: [] }, '5012'],
    ['ONIMV2MESSAGEUPDATE', { message: { id: 5012 }, chat, user: operator }, null],
    ['ONIMV2MESSAGEDELETE', { messageId: 5012, chat, user: operator }, null],
  ])('%s', (type, data, newMessageId) => {
    expect(happeningOf(type, data)).toEqual({ bitrixChatId: '12', newMessageId });
  });
});

it.each([
  ['a client’s words', 'ONIMV2MESSAGEADD', { message: { id: 5012 }, chat, user: client }],
  ['another chat', 'ONIMV2MESSAGEADD', { message: { id: 1 }, chat: { ...chat, entityType: '' }, user: operator }],
  [
    'a reaction',
    'ONIMV2REACTIONCHANGE',
    { reaction: 'like', action: 'add', message: { id: 5012 }, chat, user: operator },
  ],
  ['somebody who joined', 'ONIMV2JOINCHAT', { dialogId: 'chat12', chat, user: operator }],
  ['an event without its data', 'ONIMV2MESSAGEADD', []],
])('nothing is looked for after %s', (_what, type, data) => {
  expect(happeningOf(type, data)).toBeNull();
});

describe('a reaction of an operator', () => {
  const reactionTo = (message: object, more: object = {}, user: unknown = operator) => {
    const data = { reaction: 'like', action: 'add', message: { id: 5012, ...message }, chat, user, ...more };
    const events = [{ eventId: 2001, type: 'ONIMV2REACTIONCHANGE', data }];
    return parseMessengerEvents({ events, nextOffset: 2002 })?.events[0]?.reaction;
  };
  const known = { bitrixChatId: '12', bitrixMessageId: '5012', externalIds: ['tg:5:1'], name: 'like', action: 'add' };

  it('is told with the message that it is to', () => {
    expect(reactionTo({ params: { CONNECTOR_MID: ['tg:5:1'] } })).toEqual(known);
    expect(reactionTo({ params: { connectorMid: 'tg:5:1' } })).toEqual(known);
    expect(reactionTo({ params: { CONNECTOR_MID: { 0: 'tg:5:1' } } }, { action: 'delete' })).toMatchObject({
      ...known,
      action: 'delete',
    });
    expect(reactionTo({ params: [] }, { action: '', reaction: null })).toMatchObject({
      externalIds: [],
      name: '',
      action: null,
    });
  });

  it('is none of clients, of nobody, or in another chat', () => {
    expect(reactionTo({}, {}, client)).toBeNull();
    expect(reactionTo({}, {}, [])).toBeNull();
    expect(reactionTo({}, { chat: { ...chat, entityType: 'CRM' } })).toBeNull();
    expect(reactionTo({ id: undefined })).toBeNull();
  });
});

it('an empty queue is answered with the offset that was asked for', () => {
  expect(parseMessengerEvents({ events: [], nextOffset: 0, hasMore: false })).toEqual({ events: [], nextOffset: 0 });
});

it.each([[null], [true], [{ events: [] }], [{ events: [{ type: 'ONIMV2MESSAGEADD' }], nextOffset: 3 }]])(
  '%j is no such answer',
  (answer) => {
    expect(parseMessengerEvents(answer)).toBeUndefined();
  },
);
