import { expect, it } from 'vitest';
import { receptionOf, type WebhookInfo } from './bot-health.js';

const NOW = 1_800_000_000_000;
const OURS = 'https://bridge.example.com/tg/webhook/key';
const polled = { mode: 'polling', state: 'active', webhookUrl: OURS } as const;
const pushed = { ...polled, mode: 'webhook' } as const;
const hook = (info: Partial<WebhookInfo>) =>
  ({ url: '', has_custom_certificate: false, pending_update_count: 0, ...info }) as WebhookInfo;
const failed = (secondsAgo: number) => ({
  last_error_date: NOW / 1000 - secondsAgo,
  last_error_message: 'Connection refused',
});

it.each([
  [polled, hook({}), true, 'ok'],
  [pushed, hook({ url: OURS }), true, 'ok'],
  [{ ...polled, state: 'disabled' as const }, hook({ url: 'https://other.example' }), false, 'disabled'],
  [{ ...polled, state: 'conflict' as const }, hook({}), true, 'conflict'],
  [polled, hook({}), false, 'not_driven'],
  [polled, hook({ url: OURS }), true, 'webhook_elsewhere'],
  [pushed, hook({}), true, 'webhook_elsewhere'],
  [{ ...pushed, webhookUrl: null }, hook({}), true, 'webhook_elsewhere'],
  [pushed, hook({ url: OURS, pending_update_count: 3, ...failed(60) }), true, 'webhook_failing'],
  [pushed, hook({ url: OURS, pending_update_count: 0, ...failed(60) }), true, 'ok'],
  [pushed, hook({ url: OURS, pending_update_count: 3, ...failed(600) }), true, 'ok'],
])('case %#: a bot whose updates are received, or why not', (bot, info, driven, code) => {
  expect(receptionOf(bot, info, driven, NOW)).toMatchObject({ ok: code === 'ok', code });
});
