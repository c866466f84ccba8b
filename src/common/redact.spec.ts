import { expect, it } from 'vitest';
import { redact } from './redact.js';

it.each([
  [
    'request to http://127.0.0.1:1/bot123456:AAbb/getMe failed',
    'request to http://127.0.0.1:1/bot[bot token]/getMe failed',
  ],
  ['https://api.telegram.org/file/bot1:x/photo.jpg', 'https://api.telegram.org/file/bot[bot token]/photo.jpg'],
  ['the token 123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc is wrong', 'the token [bot token] is wrong'],
  ['/oauth/token/?client_secret=s3cret&code=abc', '/oauth/token/?client_secret=[secret]&code=[secret]'],
  ['connect ECONNREFUSED 127.0.0.1:5432 at 10:30', 'connect ECONNREFUSED 127.0.0.1:5432 at 10:30'],
  [
    'socks5://user:p@10.0.0.1:1080 and postgresql://u:pw@db/x',
    'socks5://[secret]@10.0.0.1:1080 and postgresql://[secret]@db/x',
  ],
])('%s', (text, safe) => {
  expect(redact(text)).toBe(safe);
});
