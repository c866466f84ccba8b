import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { speak } from './language.js';
import { explained, reasonOf } from './reasons.js';
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
