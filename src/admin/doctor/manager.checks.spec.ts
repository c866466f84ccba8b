import { expect, it } from 'vitest';
import { managerChecks } from './manager.checks.js';

const NOW = Date.parse('2026-03-01T12:00:00Z');
const heardAt = new Date(NOW - 8_000);
const well = { configured: true, ready: true, username: 'maker_bot', trouble: null, detail: null, heardAt };
const check = (state: object) => managerChecks({ ...well, ...state }, NOW)[0];

it('says nothing where no manager bot is configured', () => {
  expect(managerChecks({ ...well, configured: false }, NOW)).toEqual([]);
});

it('tells when Telegram last answered it', () => {
  expect(check({})).toMatchObject({ id: 'manager', ok: true, what: expect.stringContaining('2026-03-01 11:59 UTC') });
});

it.each([
  ['401', 'manager.token_refused', 'put it into TG_MANAGER_BOT_TOKEN'],
  ['404', 'manager.token_refused', 'put it into TG_MANAGER_BOT_TOKEN'],
  ['cannot_manage', 'manager.cannot_manage', 'Bot Management Mode'],
  ['serves_line', 'manager.serves_line', 'another bot'],
  ['webhook_elsewhere', 'manager.hook_elsewhere', 'Stop that program'],
  ['409', 'manager.conflict', 'Stop that program'],
  ['ECONNREFUSED', 'manager.unreachable', 'TG_API_ROOT'],
  ['not_read', 'manager.idle', 'takes over'],
])('%s is told with advice', (trouble, code, advice) => {
  const found = check({ trouble, detail: 'said so' });
  expect(found).toMatchObject({ ok: false, code, advice: expect.stringContaining(advice) });
});

it('notices that no replica reads its updates, though nobody has met a trouble', () => {
  expect(check({ heardAt: new Date(NOW - 61_000) })).toMatchObject({ ok: false, code: 'manager.idle' });
  expect(check({ heardAt: null })?.what).toBe('No replica reads the updates of the manager bot @maker_bot');
});
