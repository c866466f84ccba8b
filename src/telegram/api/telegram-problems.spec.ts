import { describe, expect, it } from 'vitest';
import { DeliveryProblems } from '../../relay/delivery-problems.js';
import { classifyRefusal } from './telegram-errors.js';
import { faultOf, isFileRefused, refusal, TELEGRAM_PROBLEMS, unreachableReason } from './telegram-problems.js';

const refused = (description: string) => classifyRefusal({ error_code: 400, description });

describe('the problems of Telegram', () => {
  it('are told in both languages', () => {
    const problems = new DeliveryProblems();
    problems.register(TELEGRAM_PROBLEMS);
    for (const [code, { reason }] of Object.entries(TELEGRAM_PROBLEMS)) {
      if (!reason) continue;
      expect(problems.reason(code, 'en')).toMatch(/^[^а-я]{5,}$/i);
      expect(problems.reason(code, 'ru')).toMatch(/[а-я]{4}/i);
    }
    for (const code of ['business_window', 'topic_deleted', 'message_gone', 'delete_refused', 'caption_too_long']) {
      expect(problems.reason(code, 'en')).toBeDefined();
    }
  });

  it('name what of the message is at fault', () => {
    expect(faultOf(refused('Bad Request: ENTITY_BOUNDS_INVALID'))).toBe('words');
    expect(faultOf(refused('Bad Request: VOICE_MESSAGES_FORBIDDEN'))).toBe('form');
    expect(faultOf(refused('Bad Request: wrong file_id specified'))).toBe('file');
    expect(faultOf(refused('Bad Request: chat not found'))).toBeUndefined();
    expect(faultOf(new Error('voice_forbidden'))).toBeUndefined();
    expect(isFileRefused(refused('Bad Request: PHOTO_INVALID_DIMENSIONS'))).toBe(true);
    expect(isFileRefused(refused('Bad Request: message is too long'))).toBe(false);
  });

  it('name why a client cannot be reached', () => {
    expect(unreachableReason(refusal('bot_blocked', 'x'))).toBe('The client blocked the bot');
    expect(unreachableReason(refusal('topic_closed', 'x'))).toBeUndefined();
  });
});
