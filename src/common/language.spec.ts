import { expect, it } from 'vitest';
import { languageOf } from './language.js';

it.each(['ru', 'RU', 'ru_RU', 'ru-RU,ru;q=0.9,en;q=0.8', 'kz', 'by', 'uz', 'kg', 'am', 'az', 'ge', 'kk', 'be'])(
  'speaks Russian to %j',
  (code) => expect(languageOf(code)).toBe('ru'),
);

it.each(['en', 'de', 'ua', 'br', 'la', 'rum', 'en-US,ru;q=0.5', '', undefined, null, 7])(
  'speaks English to %j',
  (code) => expect(languageOf(code)).toBe('en'),
);
