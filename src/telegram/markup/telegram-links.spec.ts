import { describe, expect, it } from 'vitest';
import { telegramLink, tellsWhere } from './telegram-links.js';

describe('a link that Telegram takes', () => {
  it.each([
    ['https://a.example', 'https://a.example'],
    ['HTTP://A.Example:8080/b?c[]=d#e', 'HTTP://A.Example:8080/b?c[]=d#e'],
    [' https://a.example/b c\n', 'https://a.example/b%20c'],
    ['https://a.example/A\u030A\u202C', 'https://a.example/A%CC%8A%E2%80%AC'],
    ['https://me:p%40ss@a.example/', 'https://me:p%40ss@a.example/'],
    ['https://пример.рф/путь', 'https://пример.рф/путь'],
    ['http://192.168.0.5/crm', 'http://192.168.0.5/crm'],
    ['http://[2001:db8::1]:80/', 'http://[2001:db8::1]:80/'],
    ['a.example', 'http://a.example'],
    ['пример.рф:8080/путь', 'http://пример.рф:8080/путь'],
    ['tg://resolve?domain=x', 'tg://resolve?domain=x'],
    ['tg:join?invite=a.b', 'tg:join?invite=a.b'],
    ['ton://transfer/abc', 'ton://transfer/abc'],
    ['tonsite://a.ton/b', 'tonsite://a.ton/b'],
  ])('%j becomes %j', (url, taken) => expect(telegramLink(url)).toBe(taken));
});

describe('a link that Telegram refuses, or opens as another one', () => {
  it.each([
    '',
    ' ',
    '/crm/deal/1/',
    '//a.example/',
    'portal',
    'localhost:8080',
    'http://portal/crm',
    'http://localhost',
    'https://a.example:0',
    'https://a.example:65536',
    'https://a.example:80a',
    'https://a.example:',
    'https://a|b@a.example',
    'https://a@b@a.example',
    'https://a b.example',
    'https://a%4.example',
    'https://a\\b.example',
    'https://.',
    'https://',
    'https://[::1',
    'https://[1:2]/',
    'tel:+74951234567',
    'mailto:a@b.example',
    'a@b.example',
    'sip:a@b.example',
    'skype:a.b?chat',
    'javascript:alert(1)',
    'data:text/html,a.b',
    'ftp://a.example',
    'https:a.example',
    'tg://a.example',
    'tg://user@resolve',
    'tg://resolve:80',
    'tg:https://a.example',
    'tg:',
  ])('%j', (url) => expect(telegramLink(url)).toBeNull());
});

it('is decided in linear time', () => {
  const begun = process.cpuUsage();
  for (const part of ['a.', 'a:', '%41', 'a@', '[', ':', '1', '.']) telegramLink(`https://${part.repeat(50_000)}|`);
  expect(process.cpuUsage(begun).user / 1000).toBeLessThan(2_000);
});

describe('words that tell where a link leads', () => {
  it.each([
    ['http://portal/crm/', 'http://portal/crm/'],
    ['portal/crm', 'http://portal/crm/'],
    ['write to A@b.example', 'mailto:a@b.example'],
    ['+7 (495) 123-45-67', 'tel:+74951234567'],
  ])('%j tells %j', (words, url) => expect(tellsWhere(words, url)).toBe(true));

  it.each([
    ['Call 5', 'tel:+74951234567'],
    ['Portal', 'http://portal2/'],
    ['https://a.example', 'http://portal/'],
  ])('%j does not tell %j', (words, url) => expect(tellsWhere(words, url)).toBe(false));
});
