import { afterEach, expect, it, vi } from 'vitest';
import { browserLanguage, plural } from './i18n.js';

afterEach(() => vi.unstubAllGlobals());

it.each([
  [1, '1 message'],
  [0, '0 messages'],
  [2, '2 messages'],
  [1_024, '1,024 messages'],
])('%i in English', (count, words) => {
  expect(plural('en', count, '# message|# messages')).toBe(words);
});

it.each([
  [1, '1 сообщение'],
  [21, '21 сообщение'],
  [3, '3 сообщения'],
  [5, '5 сообщений'],
  [11, '11 сообщений'],
  [0, '0 сообщений'],
])('%i in Russian', (count, words) => {
  expect(plural('ru', count, '# сообщение|# сообщения|# сообщений')).toBe(words);
});

it.each([
  [['de-DE', 'ru-RU', 'en'], 'ru'],
  [['en-GB', 'ru'], 'en'],
  [['de'], 'en'],
  [[], 'en'],
])('a browser with %j reads %s', (languages, language) => {
  vi.stubGlobal('navigator', { languages });
  expect(browserLanguage()).toBe(language);
});
