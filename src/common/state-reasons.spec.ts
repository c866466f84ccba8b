import { describe, expect, it } from 'vitest';
import { readStateReason, shownStateReason, STATE_REASONS, stateReason, stateReasonInWords } from './state-reasons.js';

describe('why a bot or a portal is as it is', () => {
  it('is kept as a code and what the network said, and read by people in their language', () => {
    const kept = stateReason('another_program', 'Conflict: terminated by other getUpdates request');
    expect(kept).toBe('another_program: Conflict: terminated by other getUpdates request');
    expect(shownStateReason(kept)).toEqual({
      stateReason:
        'Conflict: terminated by other getUpdates request. Another program uses this bot: stop it, or give it a bot of its own',
      stateCode: 'another_program',
      stateSaid: 'Conflict: terminated by other getUpdates request',
    });
    expect(stateReasonInWords({ code: 'switched_off', said: null }, 'ru')).toBe('Выключен администратором');
    expect(shownStateReason(null)).toEqual({ stateReason: null, stateCode: null, stateSaid: null });
  });

  it('of Bitrix24 keeps its code and its words', () => {
    const kept = 'PORTAL_DELETED: Portal was deleted';
    expect(shownStateReason(kept)).toEqual({
      stateReason: kept,
      stateCode: 'PORTAL_DELETED',
      stateSaid: 'Portal was deleted',
    });
    expect(readStateReason('invalid_grant')).toEqual({ code: 'invalid_grant', said: null });
    expect(stateReasonInWords({ code: 'constructor', said: null }, 'en')).toBe('constructor');
  });

  it('that an older version kept is understood, or told as it stands', () => {
    expect(readStateReason('Switched off by an administrator')).toEqual({ code: 'switched_off', said: null });
    expect(readStateReason(STATE_REASONS.erasing.en)).toEqual({ code: 'erasing', said: null });
    const old = 'Unauthorized. Ask @BotFather for the token and enter it again.';
    expect(shownStateReason(old)).toEqual({ stateReason: old, stateCode: null, stateSaid: old });
  });
});
