import { expect, it } from 'vitest';
import { redact, withoutSecrets } from './redact.js';

it.each([
  [
    'request to http://127.0.0.1:1/bot123456:AAbb/getMe failed',
    'request to http://127.0.0.1:1/bot[bot token]/getMe failed',
  ],
  ['https://api.telegram.org/file/bot1:x/photo.jpg', 'https://api.telegram.org/file/bot[bot token]/photo.jpg'],
  ['the token 123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc is wrong', 'the token [bot token] is wrong'],
  [
    'getManagedBotToken: {"ok":true,"result":"5550001:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc"}',
    'getManagedBotToken: {"ok":true,"result":"[bot token]"}',
  ],
  [
    'https://relay.example/bot5550001%3AAAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/getMe',
    'https://relay.example/bot[bot token]/getMe',
  ],
  [`Bearer tol_${'aB_-5'.repeat(8)}xyz was sent`, 'Bearer [access key] was sent'],
  ['/oauth/token/?client_secret=s3cret&code=abc', '/oauth/token/?client_secret=[secret]&code=[secret]'],
  ['connect ECONNREFUSED 127.0.0.1:5432 at 10:30', 'connect ECONNREFUSED 127.0.0.1:5432 at 10:30'],
  [
    'socks5://user:p@10.0.0.1:1080 and postgresql://u:pw@db/x',
    'socks5://[secret]@10.0.0.1:1080 and postgresql://[secret]@db/x',
  ],
])('%s', (text, safe) => {
  expect(redact(text)).toBe(safe);
});

it('leaves out fields that open a door, however deep, and keeps what only speaks of them', () => {
  const at = new Date(0);
  expect(
    withoutSecrets({
      token: 'x',
      botToken: 'x',
      clientSecret: 'x',
      client_secret: 'x',
      key: 'x',
      API_KEY: 'x',
      nested: [{ password: 'x', tokenName: 'first', at }],
      clientId: 'local.1',
      portalId: null,
      limit: 5,
      note: 'was 123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc',
    }),
  ).toEqual({
    nested: [{ tokenName: 'first', at }],
    clientId: 'local.1',
    portalId: null,
    limit: 5,
    note: 'was [bot token]',
  });
});
