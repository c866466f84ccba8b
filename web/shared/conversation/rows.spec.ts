import { expect, it } from 'vitest';
import { conversationRows, oldestFirst } from './rows.js';
import type { SaidMessage } from './words.js';

const message = (id: string, more: Partial<SaidMessage> = {}) =>
  ({
    id,
    direction: 'inbound',
    authorId: '777',
    systemLine: false,
    replyToId: null,
    createdAt: '2026-05-01T12:00:00Z',
    ...more,
  }) as SaidMessage;
const ids = (messages: readonly SaidMessage[]) => messages.map(({ id }) => id);

it('keeps messages oldest first, whatever the order in which pages are read', () => {
  expect(ids(oldestFirst([message('10'), message('11'), message('9'), message('8')]))).toEqual(['8', '9', '10', '11']);
  expect(ids(oldestFirst([message('100'), message('99')]))).toEqual(['99', '100']);
});

it('shows a message of two pages once, as it was read last', () => {
  const [only, ...others] = oldestFirst([message('1', { state: 'queued' }), message('1', { state: 'delivered' })]);
  expect(only!.state).toBe('delivered');
  expect(others).toEqual([]);
});

it('compares ids beyond what a JavaScript number holds', () => {
  expect(ids(oldestFirst([message('900719925474099301'), message('900719925474099300')]))).toEqual([
    '900719925474099300',
    '900719925474099301',
  ]);
});

it('names the author once for several messages in a row, and anew after somebody else, a system line or a night', () => {
  const rows = conversationRows([
    message('1'),
    message('2'),
    message('3', { authorId: '5' }),
    message('4', { authorId: '5', direction: 'outbound' }),
    message('5', { authorId: '5', direction: 'outbound', systemLine: true }),
    message('6', { authorId: '5', direction: 'outbound' }),
    message('7', { authorId: '5', direction: 'outbound', createdAt: '2026-05-03T12:00:00Z' }),
  ]);
  expect(rows.map(({ first }) => first)).toEqual([true, false, true, true, false, true, true]);
  expect(rows.map(({ startsDay }) => startsDay)).toEqual([true, false, false, false, false, false, true]);
});

it('finds the message to which one replies, if that was read', () => {
  const rows = conversationRows([message('1'), message('2', { replyToId: '1' }), message('3', { replyToId: '0' })]);
  expect(rows.map(({ original }) => original?.id)).toEqual([undefined, '1', undefined]);
});
