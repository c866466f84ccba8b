import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Update } from '@grammyjs/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bot, call, eventually, ivan, refusal, start, tg } from './simulator.stage.js';

beforeEach(() => start());
afterEach(() => tg.stop());

describe('setWebhook', () => {
  it('says what it did', async () => {
    const url = 'https://example.com/hook';
    const descriptions = [
      await call('setWebhook', { url, secret_token: 's' }),
      await call('setWebhook', { url, secret_token: 's' }),
      await call('setWebhook', { url, secret_token: 'other' }),
      await call('deleteWebhook'),
      await call('setWebhook', { url: '' }),
    ].map(({ description }) => description);
    expect(descriptions).toEqual([
      'Webhook was set',
      'Webhook is already set',
      'Webhook was set',
      'Webhook was deleted',
      'Webhook is already deleted',
    ]);
  });

  it('checks the secret token', async () => {
    const url = 'https://example.com/hook';
    const setting = (secret_token: string) => refusal('setWebhook', { url, secret_token });
    expect(await setting('no spaces')).toBe('400 Bad Request: secret token contains unallowed characters');
    expect(await setting('a'.repeat(257))).toBe('400 Bad Request: secret token is too long');
    expect((await call('setWebhook', { url, secret_token: 'A-z_9'.repeat(51) })).ok).toBe(true);
  });

  it('checks the address as strictly as the cloud when told to', async () => {
    const setting = (url: string) => refusal('setWebhook', { url });
    expect(await setting('http://example.com/')).toBe(
      '400 Bad Request: bad webhook: An HTTPS URL must be provided for webhook',
    );
    expect(await setting('https://example.com:3000/')).toContain('only on ports 80, 88, 443 or 8443');
    expect(await setting('https://')).toBe('400 Bad Request: invalid webhook URL specified');
    expect((await call('setWebhook', { url: 'http://127.0.0.1:9/' })).ok).toBe(true);

    await start({ httpWebhooks: 'never' });
    expect(await setting('http://127.0.0.1:9/')).toContain('An HTTPS URL must be provided');
    expect(await setting('https://127.0.0.1/')).toContain('IP address 127.0.0.1 is reserved');
  });

  it('shows itself in getWebhookInfo', async () => {
    expect((await call('getWebhookInfo')).result).toEqual({
      url: '',
      has_custom_certificate: false,
      pending_update_count: 0,
    });
    ivan.sends('waiting');
    await call('setWebhook', { url: 'http://127.0.0.1:9/', max_connections: 500, allowed_updates: ['message'] });
    await eventually(() => bot.webhookInfo.last_error_message).toBe('Connection refused');
    expect((await call('getWebhookInfo')).result).toMatchObject({
      url: 'http://127.0.0.1:9/',
      pending_update_count: 1,
      max_connections: 100,
      allowed_updates: ['message'],
      last_error_message: 'Connection refused',
    });
    await call('setWebhook', { url: 'http://127.0.0.1:9/', drop_pending_updates: true });
    expect(bot.webhookInfo.pending_update_count).toBe(0);
  });
});

interface Received {
  at: number;
  headers: IncomingHttpHeaders;
  update: Update;
}

/** A webhook on this machine that notes what it gets and answers as the test says. */
class Hook {
  readonly received: Received[] = [];
  open = 0;
  mostOpen = 0;
  answer: (received: Received, count: number) => { status: number; headers?: object; body?: string; afterMs?: number } =
    () => ({ status: 200 });
  private readonly server: Server;

  constructor() {
    this.server = createServer((request, response) => {
      void (async () => {
        let body = '';
        for await (const chunk of request) body += String(chunk);
        this.open += 1;
        this.mostOpen = Math.max(this.mostOpen, this.open);
        const received = { at: Date.now(), headers: request.headers, update: JSON.parse(body) as Update };
        this.received.push(received);
        const { status, headers, body: text, afterMs = 0 } = this.answer(received, this.received.length);
        await sleep(afterMs);
        this.open -= 1;
        response.writeHead(status, { ...headers }).end(text);
      })();
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/hook`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  get texts(): (string | undefined)[] {
    return this.received.map(({ update }) => update.message?.text);
  }
}

describe('webhook delivery', () => {
  let hook: Hook;
  let url: string;

  beforeEach(async () => {
    await start({ webhookRetryScale: 0.05 });
    hook = new Hook();
    url = await hook.listen();
  });
  afterEach(() => hook.close());

  it('sends what waited and what comes, in order, with the secret, and forgets what was taken', async () => {
    ivan.sends('before');
    await call('setWebhook', { url, secret_token: 'se-cret' });
    ivan.sends('after');
    await eventually(() => hook.texts).toEqual(['before', 'after']);
    expect(hook.received[0]?.headers['x-telegram-bot-api-secret-token']).toBe('se-cret');
    expect(hook.received[0]?.headers['content-type']).toBe('application/json');
    await eventually(() => bot.webhookInfo.pending_update_count).toBe(0);
  });

  it('keeps the order of a chat through failures: at once, then after 2, 4 … seconds', async () => {
    await call('setWebhook', { url });
    hook.answer = (_received, count) => ({ status: count <= 3 ? 500 : 200 });
    ivan.sends('first');
    ivan.sends('second');
    await eventually(() => hook.texts).toEqual(['first', 'first', 'first', 'first', 'second']);
    const at = hook.received.map((received) => received.at);
    const gaps = at.slice(1).map((time, index) => time - at[index]!);
    expect(gaps[1]).toBeGreaterThanOrEqual(95);
    expect(gaps[2]).toBeGreaterThanOrEqual(195);
    expect(bot.webhookInfo.last_error_message).toBe('Wrong response from the webhook: 500 Internal Server Error');
  });

  it('does not let one chat hold up another', async () => {
    await call('setWebhook', { url });
    hook.answer = ({ update }) => ({ status: update.message?.text === 'poison' ? 500 : 200 });
    ivan.sends('poison');
    ivan.sends('stuck behind');
    bot.client({ id: 888, first_name: 'Olga' }).sends('free');
    await eventually(() => hook.texts).toContain('free');
    await sleep(50);
    expect(hook.texts).not.toContain('stuck behind');
    expect(bot.webhookInfo.pending_update_count).toBe(2);
  });

  it('is stalled by twice as many failing chats as it has connections', async () => {
    await call('setWebhook', { url, max_connections: 1 });
    hook.answer = ({ update }) => ({ status: update.message?.text === 'poison' ? 500 : 200 });
    for (const id of [1, 2]) bot.client({ id, first_name: 'P' }).sends('poison');
    ivan.sends('never comes');
    await eventually(() => hook.received.length).toBeGreaterThanOrEqual(4);
    expect(hook.texts).not.toContain('never comes');
  });

  it('opens no more connections than max_connections', async () => {
    await call('setWebhook', { url, max_connections: 3 });
    hook.answer = () => ({ status: 200, afterMs: 20 });
    for (let id = 1; id <= 12; id += 1) bot.client({ id, first_name: 'P' }).sends('hi');
    await eventually(() => hook.received.length).toBe(12);
    expect(hook.mostOpen).toBe(3);
  });

  it('honours Retry-After', async () => {
    await call('setWebhook', { url });
    hook.answer = (_received, count) =>
      count === 1 ? { status: 503, headers: { 'retry-after': '6' } } : { status: 200 };
    ivan.sends('later');
    await eventually(() => hook.received.length).toBe(2);
    expect(hook.received[1]!.at - hook.received[0]!.at).toBeGreaterThanOrEqual(295);
  });

  it('does not follow redirects', async () => {
    await call('setWebhook', { url });
    hook.answer = (_received, count) => (count === 1 ? { status: 302, headers: { location: url } } : { status: 200 });
    ivan.sends('here');
    await eventually(() => bot.webhookInfo.last_error_message).toBe('Wrong response from the webhook: 302 Found');
  });

  it('performs a method in the answer, but no get methods', async () => {
    await call('setWebhook', { url });
    hook.answer = (_received, count) => ({
      status: 200,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(
        count === 1 ? { method: 'sendMessage', chat_id: 777, text: 'from the answer' } : { method: 'getMe' },
      ),
    });
    ivan.sends('hello');
    expect((await ivan.receives(1)).map(({ text }) => text)).toEqual(['from the answer']);
    ivan.sends('again');
    await eventually(() => bot.webhookInfo.pending_update_count).toBe(0);
    expect(tg.calls.map(({ method }) => method)).not.toContain('getMe');
  });

  it('removes a webhook that has been gone for 23 hours', async () => {
    let now = Date.now();
    await start({ webhookRetryScale: 0.01, now: () => now });
    await call('setWebhook', { url });
    hook.answer = () => ({ status: 410 });
    ivan.sends('anyone there?');
    await eventually(() => hook.received.length).toBeGreaterThan(1);
    now += 23.5 * 3_600_000;
    await eventually(() => bot.webhookInfo.url).toBe('');
    expect(bot.pendingUpdates).toHaveLength(1);
  });

  it('drops an update that fails for longer than it is kept', async () => {
    let now = Date.now();
    await start({ webhookRetryScale: 0.01, now: () => now });
    await call('setWebhook', { url });
    hook.answer = ({ update }) => ({ status: update.message?.text === 'poison' ? 500 : 200 });
    ivan.sends('poison');
    await eventually(() => hook.received.length).toBeGreaterThan(1);
    now += 86_401_000;
    ivan.sends('next');
    await eventually(() => hook.texts).toContain('next');
  });
});
