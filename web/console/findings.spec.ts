import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { en as enWords } from '../../src/admin/doctor/words.en.js';
import { ru as ruWords } from '../../src/admin/doctor/words.ru.js';
import { type FindingCode, type Format, type Sentence, worded } from '../../src/admin/doctor/findings.js';
import type { Check } from './api.js';
import { inWords, placeOf } from './findings.js';
import { speak } from './language.js';
import { en } from './texts.en.js';
import { ru } from './texts.ru.js';

beforeAll(() => {
  vi.stubGlobal('document', { documentElement: {} });
});
afterAll(() => {
  vi.unstubAllGlobals();
});

const CODES = Object.keys(enWords) as FindingCode[];
const NUMBERS = new Set([
  'active',
  'ahead',
  'all',
  'count',
  'database',
  'failed',
  'pending',
  'pid',
  'seconds',
  'stored',
]);
const MORE_NUMBERS = new Set(['telegram', 'uncertain', 'valid', 'waiting', 'databaseBytes']);
const FORMAT: Format = {
  count: (count, forms) => forms.split('|').at(-1)!.replace('#', String(count)),
  time: (moment) => moment,
  span: String,
  size: String,
  reason: (code) => `<${code}>`,
};

/** Whatever a sentence asks for, recognisable; what it asked for is in `asked`. */
function anything(asked: Set<string>): never {
  const get = (_: object, name: string) => {
    asked.add(name);
    if (name === 'roots') return [{ name: '<roots>', failure: null, ms: 77, inUse: true }];
    if (name === 'connects') return [{ name: '<connects>', ms: 77 }];
    if (name === 'disks') return [{ path: '<disks>', freeBytes: 1, totalBytes: 2 }];
    if (name === 'feature') return 'robots';
    if (NUMBERS.has(name) || MORE_NUMBERS.has(name)) return 77;
    return `<${name}>`;
  };
  return new Proxy({}, { get }) as never;
}

function rendered(words: typeof enWords, code: FindingCode) {
  const { what, advice } = words[code] as Sentence<object>;
  const asked = new Set<string>();
  const params = anything(asked);
  return { what: worded(what, params, FORMAT), advice: worded(advice, params, FORMAT), asked };
}

describe.each(CODES)('%s', (code) => {
  const [english, russian] = [rendered(enWords, code), rendered(ruWords, code)];

  it('is said in both languages, whole', () => {
    for (const { what, advice } of [english, russian]) {
      expect(what).not.toBe('');
      expect(what + advice).not.toMatch(/undefined|NaN|\[object/);
    }
    expect(russian.advice === '').toBe(english.advice === '');
    expect(russian.what.replaceAll(/<\w+>|[\W\d]/g, '') === '' || /[а-яё]/i.test(russian.what)).toBe(true);
  });

  it('tells in Russian what it tells in English', () => {
    // Reasons are in English words of ours; the Russian sentence says the same itself.
    const wanted = [...english.asked].filter((name) => name !== 'reason');
    expect([...russian.asked]).toEqual(expect.arrayContaining(wanted));
  });

  it('advises buttons that are there, and nothing to type into a terminal', () => {
    for (const [{ advice }, texts] of [
      [english, en],
      [russian, ru],
    ] as const) {
      expect(advice).not.toMatch(/\/admin\/|\b(?:GET|POST|PATCH|DELETE)\s\//);
      const named = [...advice.matchAll(/[“«]([^”»]+)[”»]/g)].map(([, name]) => name);
      for (const name of named) expect(wordsOf(texts)).toContain(name);
    }
  });
});

function wordsOf(texts: object): unknown[] {
  return Object.values(texts).flatMap((value: unknown) =>
    typeof value === 'object' && value !== null ? wordsOf(value) : [value],
  );
}

const stuck: Check = {
  id: 'queue',
  ok: false,
  code: 'queue.stuck',
  params: { seconds: 7_260 },
  what: 'The oldest waiting message has waited for 2 hours',
  advice: 'Open it. Without the console: GET /admin/messages?state=queued.',
};

it('speaks the language of the moment, and names buttons of the console', async () => {
  await speak('ru');
  expect(inWords(stuck)).toEqual({
    what: 'Дольше всех ожидающее сообщение ждёт 2 часа',
    advice: expect.stringContaining('«Сообщения»'),
  });
  expect(inWords({ ...stuck, params: { seconds: 61 } }).what).toMatch(/61 секунду$/);
  await speak('en');
  expect(inWords(stuck).advice).toMatch(/^Open “Messages” with the state “Waiting”/);
});

it('leads to where something can be done about it', async () => {
  await speak('en');
  const at = (id: string, code: string, params = {}) => placeOf({ ...stuck, id, code, params })?.to;
  expect(placeOf(stuck)).toEqual({
    to: { name: 'messages', query: { state: 'queued' } },
    label: 'Show the waiting messages',
  });
  expect(at('portal:3:rest', 'trouble.page')).toEqual({ name: 'portal', params: { id: '3' } });
  expect(at('bot:7:state', 'bot.conflict', { bot: '@shop_bot' })).toEqual({
    name: 'connections',
    query: { tab: 'bots', q: '@shop_bot' },
  });
  expect(at('bot:7:state', 'bot.conflict', { bot: 'Bot 7' })).toEqual({ name: 'connections', query: { tab: 'bots' } });
  expect(at('attention', 'attention.unread')).toEqual({ name: 'attention' });
  expect(at('disk', 'disk.scarce')).toBeUndefined();
});

it('repeats what a newer service says of what it does not know', () => {
  expect(inWords({ ...stuck, code: 'queue.on_fire' })).toEqual({ what: stuck.what, advice: stuck.advice });
});
