import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { speak } from './language.js';
import { explained, explainedStep, reasonOf, refusalOf } from './reasons.js';
import { stateReasonOf } from './state-reasons.js';
import { en } from './texts.en.js';
import { ru } from './texts.ru.js';

beforeAll(() => {
  vi.stubGlobal('document', { documentElement: {} });
});
afterAll(() => {
  vi.unstubAllGlobals();
});

const at = '2026-05-10T12:00:00Z';

it('a refusal is said in the language of the reader, by its code', async () => {
  await speak('ru');
  expect(reasonOf('bot_blocked')).toBe('Клиент заблокировал бота.');
  expect(reasonOf('filtered')).toBe('Фильтр перед порталом не пропускает этот текст.');
  expect(reasonOf('INTERRUPTED')).toBe('Сервис остановился во время отправки.');
  expect(reasonOf('never met')).toBe('');
  expect(reasonOf('constructor')).toBe('');
  await speak('en');
  expect(reasonOf('bot_blocked')).toBe('The client blocked the bot.');
});

it('a timeline says in the language of the reader where a message came from and what it waits for', async () => {
  await speak('ru');
  const received = { at, what: 'received', code: 'by_clock', params: { network: 'Bitrix24' }, detail: 'x' } as const;
  expect(explained(received)).toEqual({ words: 'по часам Битрикс24' });
  const waiting = { at, what: 'waiting', code: 'behind', params: { ahead: 2 }, detail: 'x' } as const;
  expect(explained(waiting)).toEqual({ words: 'перед ним в этом чате 2 отправки' });
  const attempt = { at, what: 'attempt', code: 'bot_blocked', detail: 'Forbidden' } as const;
  expect(explained(attempt)).toEqual({ code: 'bot_blocked', words: 'Клиент заблокировал бота. Forbidden' });
  expect(explained({ at, what: 'waiting', code: 'of tomorrow', detail: 'for rain' }).words).toBe('for rain');
});

it('a refusal of the service, the state of a bot and a failed step are said in the language of the reader', async () => {
  await speak('ru');
  expect(refusalOf('bot_exists', { username: 'shop_bot' })).toBe('@shop_bot уже подключён: найдите его в списке.');
  expect(refusalOf('of tomorrow')).toBe('');
  expect(stateReasonOf({ stateCode: 'token_refused', stateSaid: 'Unauthorized' })).toMatch(
    /^Unauthorized\. Telegram не/,
  );
  expect(stateReasonOf({ stateCode: 'PORTAL_DELETED', stateSaid: 'Portal was deleted' })).toMatch(
    /^Портал удалён\. PORTAL_/,
  );
  expect(stateReasonOf({ stateCode: null, stateSaid: null })).toBe('');
  const step = { step: 'imconnector.status', ok: false, detail: 'x', lineId: '3', code: 'line_missing' };
  expect(explainedStep(step)).toBe('линия 3: Такой линии нет в Битрикс24: назначьте боту другую.');
  expect(explainedStep({ ...step, ok: true })).toBe('линия 3');
  expect(explainedStep({ ...step, code: 'NEVER_MET', detail: 'NEVER_MET: why' })).toBe('линия 3: NEVER_MET: why');
});

it('every cause, step, action and reason has words in both languages', () => {
  for (const [english, russian] of [
    [en.story.causes, ru.story.causes],
    [en.portals.steps, ru.portals.steps],
    [en.audit.actions, ru.audit.actions],
    [en.reasons, ru.reasons],
  ] as const) {
    expect(Object.keys(russian)).toEqual(Object.keys(english));
  }
});
