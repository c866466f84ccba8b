import { describe, expect, it } from 'vitest';
import { parseSessionEvent } from './dialog-events.parser.js';
import { parseEvent } from './event.parser.js';

const event = (name: string, more: object = {}, session: object = { id: '322', closed: 'N' }) =>
  parseEvent({
    event: name,
    data: {
      CONNECTOR: 'tg_x',
      LINE: '7',
      DATA: {
        0: {
          connector: { connector_id: 'tg_x', line_id: '7', chat_id: 'tg:5', user_id: '586', ...more },
          session: { parent_id: '321', close_term: '1440', ...session },
          chat: { id: 'tg:5' },
          user: { id: '586' },
        },
      },
    },
    ts: '1780000000',
  });
const told = { externalChatId: 'tg:5', lineId: '7', sessionId: '322' };

describe('what an event tells of sessions', () => {
  it('is that one began, or ended', () => {
    expect(parseSessionEvent(event('ONIMCONNECTORDIALOGSTART'), 'TG_X')).toEqual([{ ...told, open: true }]);
    expect(parseSessionEvent(event('ONIMCONNECTORDIALOGFINISH'), 'tg_x')).toEqual([{ ...told, open: false }]);
  });

  it('is nothing when it belongs to another connector or names no session', () => {
    expect(parseSessionEvent(event('ONIMCONNECTORDIALOGSTART', { connector_id: 'other' }), 'tg_x')).toEqual([]);
    for (const id of ['0', '', 'x', '-1', '1'.repeat(30)]) {
      expect(parseSessionEvent(event('ONIMCONNECTORDIALOGSTART', {}, { id }), 'tg_x')).toEqual([]);
    }
    expect(parseSessionEvent(parseEvent({ event: 'ONIMCONNECTORDIALOGSTART' }), 'tg_x')).toEqual([]);
  });
});
