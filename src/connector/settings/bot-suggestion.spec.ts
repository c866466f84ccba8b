import { describe, expect, it } from 'vitest';
import { suggestBot } from './bot-suggestion.js';

describe('what is suggested for a new bot', () => {
  it.each([
    ['acme.bitrix24.com', 'Sales', 'Sales', 'acme_317_bot'],
    ['acme-shop.bitrix24.ru', null, 'acme-shop', 'acme_shop_317_bot'],
    ['127.0.0.1:9001', null, '127', 'b24_127_317_bot'],
    ['support.bitrix24.de', ' ', 'b24_support', 'b24_support_317_bot'],
    ['xn--80ak6aa92e.xn--p1ai', 'Продажи', 'Продажи', 'xn_80ak6aa92e_317_bot'],
    [
      'a-very-long-name-of-a-portal-indeed.bitrix24.com',
      null,
      'a-very-long-name-of-a-portal-indeed',
      'a_very_long_name_of_a_po_317_bot',
    ],
    ['---', null, '---', 'b24_317_bot'],
  ])('%s, line %j', (portal, line, name, username) => {
    expect(suggestBot(portal, line, 317)).toEqual({ name, username });
    expect(username.length).toBeLessThanOrEqual(32);
    expect(username).toMatch(/^[a-z](?!.*__)[a-z0-9_]+_bot$/);
  });

  it('fits into what Telegram takes', () => {
    expect([...suggestBot('acme', 'я'.repeat(100), 7).name]).toHaveLength(64);
    expect(suggestBot('acme', null, 7).username).toBe('acme_007_bot');
  });
});
