import { expect, it } from 'vitest';
import { logLine, robotResults } from './robot-results.js';

const words: Record<string, string> = { bot_blocked: 'the client blocked the bot' };
const results = (outcome: Parameters<typeof robotResults>[0], language: 'en' | 'ru' = 'en') =>
  robotResults(outcome, language, (code) => words[code]);

it.each([
  [{ status: 'delivered', telegramMessageId: '7', at: '2026-11-29T10:00:00Z' }, 'delivered', ''],
  [{ status: 'failed', code: 'bot_blocked', detail: 'Forbidden' }, 'blocked', 'the client blocked the bot'],
  [{ status: 'failed', code: 'new_code', detail: 'Bad Request: new' }, 'failed', 'Bad Request: new'],
  [{ status: 'ignored', code: 'discarded' }, 'failed', 'discarded'],
  [{ status: 'gone' }, 'failed', 'The message was erased before its result was known.'],
  [
    { status: 'uncertain', code: 'TIMEOUT' },
    'uncertain',
    'Telegram gave no clear answer; the message is not sent again.',
  ],
  [{ status: 'timeout' }, 'timeout', ''],
  [{ status: 'no_chat' }, 'no_chat', 'The document has no client who has written to the bot in Telegram.'],
  [{ status: 'failed', code: 'ACCESS_DENIED', detail: 'You dont have access' }, 'failed', 'You dont have access'],
])('%j is told as %s', (outcome, status, error) => {
  expect(results(outcome)).toMatchObject({ status, error });
});

it('is said in the log of the process in the language of the portal', () => {
  expect(logLine(results({ status: 'no_chat' }, 'ru'), 'ru')).toBe(
    'Писать некому: У документа нет клиента, который писал боту в Telegram.',
  );
  expect(logLine(results({ status: 'answered', text: 'yes' }), 'en')).toBe('The client has answered in Telegram');
});
