import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Message, MessageEntity, Update } from '@grammyjs/types';
import { Api, Bot, GrammyError, HttpError } from 'grammy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TelegramSimulator, type TelegramSimulatorOptions } from './telegram-simulator.js';
import type { SimulatedBot } from './telegram-simulator/simulated.bot.js';
import type { SimulatedClient } from './telegram-simulator/simulated.client.js';

const TOKEN = '123456:TEST-token_1';

interface ApiAnswer {
  status: number;
  headers: Headers;
  ok: boolean;
  result?: any;
  error_code?: number;
  description?: string;
  parameters?: { retry_after?: number };
}

let tg: TelegramSimulator;
let bot: SimulatedBot;
let ivan: SimulatedClient;

async function start(options: TelegramSimulatorOptions = {}): Promise<void> {
  await tg?.stop();
  tg = await TelegramSimulator.start({ brakes: false, ...options });
  bot = tg.addBot({ token: TOKEN, username: 'shop_bot', firstName: 'Shop' });
  ivan = bot.client({ id: 777, first_name: 'Ivan', username: 'ivan', language_code: 'ru' });
}

async function request(path: string, init?: RequestInit): Promise<ApiAnswer> {
  const response = await fetch(`${tg.url}${path}`, init);
  const body = (await response.json()) as object;
  return { status: response.status, headers: response.headers, ...body } as ApiAnswer;
}

function call(method: string, params: object = {}, token = TOKEN): Promise<ApiAnswer> {
  return request(`/bot${token}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  });
}

/** `<error_code> <description>` of a call that must be refused. */
async function refusal(method: string, params: object = {}, token = TOKEN): Promise<string> {
  const answer = await call(method, params, token);
  expect(answer.ok).toBe(false);
  expect(answer.error_code).toBe(answer.status);
  return `${answer.error_code} ${answer.description}`;
}

const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000, interval: 10 });

const ids = (updates: readonly Update[]) => updates.map((update) => update.update_id);

beforeEach(() => start());
afterEach(() => tg.stop());

describe('the HTTP side', () => {
  it('answers every way of passing parameters alike', async () => {
    ivan.sends('hi');
    const form = new FormData();
    form.set('chat_id', '777');
    form.set('text', 'multipart');
    form.set('entities', JSON.stringify([{ type: 'bold', offset: 0, length: 4 }]));

    const answers = [
      await call('sendMessage', { chat_id: 777, text: 'json' }),
      await request(`/bot${TOKEN}/sendMessage`, {
        method: 'POST',
        body: new URLSearchParams({ chat_id: '777', text: 'form' }),
      }),
      await request(`/bot${TOKEN}/sendMessage`, { method: 'POST', body: form }),
      await request(`/bot${TOKEN}/SENDMESSAGE?chat_id=777&text=query`),
    ];

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(ivan.inbox.map(({ text }) => text)).toEqual(['json', 'form', 'multipart', 'query']);
    expect(ivan.inbox[2]?.entities).toEqual([{ type: 'bold', offset: 0, length: 4 }]);
  });

  it('tells unknown tokens, paths and methods apart', async () => {
    expect(await refusal('getMe', {}, '999:nobody')).toBe('401 Unauthorized');
    expect(await refusal('getMe', {}, 'nonsense')).toBe('404 Not Found');
    expect(await refusal('sendFlowers')).toBe('404 Not Found: method not found');
    expect((await request('/')).description).toBe('Not Found');
    tg.revoke(bot);
    expect(await refusal('getMe')).toBe('401 Unauthorized');
  });

  it('knows the bot by getMe', async () => {
    const { result } = await call('getMe');
    expect(result).toMatchObject({ id: 123456, is_bot: true, first_name: 'Shop', username: 'shop_bot' });
    expect(result.can_read_all_group_messages).toBe(false);
  });

  it('remembers the calls, and no more of them than it should', async () => {
    await start({ rememberedCalls: 2 });
    for (const text of ['a', 'b', 'c', 'd', 'e']) await call('sendMessage', { chat_id: 1, text });
    expect(tg.calls.map(({ params }) => params['text'])).toEqual(['d', 'e']);
    expect(tg.calls[0]).toMatchObject({ bot: 123456, method: 'sendMessage', status: 400 });
    expect(tg.calls[0]?.answer).toMatchObject({ ok: false, description: 'Bad Request: chat not found' });

    await start({ rememberedCalls: 0 });
    await call('getMe');
    expect(tg.calls).toEqual([]);
  });
});

describe('getUpdates', () => {
  it('keeps updates until a call with a higher offset confirms them', async () => {
    const [first, second, third] = ['1', '2', '3'].map((text) => ivan.sends(text).update_id) as [
      number,
      number,
      number,
    ];
    expect(second).toBe(first + 1);

    expect(ids((await call('getUpdates')).result)).toEqual([first, second, third]);
    expect(ids((await call('getUpdates', { limit: 2 })).result)).toEqual([first, second]);
    expect(bot.pendingUpdates).toHaveLength(3);
    expect(ids((await call('getUpdates', { offset: third })).result)).toEqual([third]);
    expect(bot.confirmedOffset).toBe(third);
    expect(ids((await call('getUpdates', { offset: first })).result)).toEqual([third]);
    expect((await call('getUpdates', { offset: third + 1 })).result).toEqual([]);
    expect(bot.pendingUpdates).toEqual([]);
  });

  it('does not believe an offset more than 10 past the end', async () => {
    const first = ivan.sends('1').update_id;
    const tail = ivan.sends('2').update_id + 1;
    expect(ids((await call('getUpdates', { offset: tail + 11 })).result)).toEqual([first, first + 1]);
    expect(bot.confirmedOffset).toBe(0);
    expect((await call('getUpdates', { offset: tail + 10 })).result).toEqual([]);
    expect(bot.pendingUpdates).toEqual([]);
  });

  it('forgets all but the last ones for a negative offset', async () => {
    const last = ['1', '2', '3', '4'].map((text) => ivan.sends(text).update_id).slice(-2);
    expect(ids((await call('getUpdates', { offset: -2 })).result)).toEqual(last);
    expect(ids(bot.pendingUpdates)).toEqual(last);
  });

  it('moves a limit into 1..100', async () => {
    for (let n = 0; n < 120; n += 1) ivan.sends(`message ${n}`);
    expect((await call('getUpdates', { limit: 1000 })).result).toHaveLength(100);
    expect((await call('getUpdates', { limit: 0 })).result).toHaveLength(1);
    expect((await call('getUpdates')).result).toHaveLength(100);
  });

  it('cuts an answer at 4 MiB', async () => {
    for (let n = 0; n < 6; n += 1) ivan.sendsMessage({ caption: 'x'.repeat(1_000_000) });
    expect((await call('getUpdates')).result).toHaveLength(4);
  });

  it('holds a poll until something comes, and answers together what comes together', async () => {
    const poll = call('getUpdates', { timeout: 30 });
    await sleep(50);
    ivan.sends('one');
    ivan.sends('two');
    expect((await poll).result.map(({ message }: Update) => message?.text)).toEqual(['one', 'two']);
  });

  it('answers a poll with nothing when its time is over', async () => {
    const started = Date.now();
    expect((await call('getUpdates', { timeout: 1 })).result).toEqual([]);
    expect(Date.now() - started).toBeGreaterThanOrEqual(990);
  });

  it('lets the newer poll win and tells the older one', async () => {
    const older = call('getUpdates', { timeout: 30 });
    await sleep(50);
    const newer = call('getUpdates', { timeout: 30 });
    expect(await older).toMatchObject({
      status: 409,
      description: 'Conflict: terminated by other getUpdates request; make sure that only one bot instance is running',
    });
    ivan.sends('for the newer');
    expect((await newer).result).toHaveLength(1);
  });

  it('conflicts with a webhook both ways', async () => {
    const poll = call('getUpdates', { timeout: 30 });
    await sleep(50);
    await call('setWebhook', { url: 'https://example.com/hook' });
    expect((await poll).description).toBe('Conflict: terminated by setWebhook request');
    expect(await refusal('getUpdates')).toBe(
      "409 Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first",
    );
    await call('deleteWebhook');
    expect((await call('getUpdates')).ok).toBe(true);
  });

  it('keeps allowed_updates from call to call; reactions come only when asked for', async () => {
    const message = ivan.sends('react to this').message;
    expect(ivan.reacts(message.message_id, '👍')).toBeUndefined();

    await call('getUpdates', { allowed_updates: ['message', 'message_reaction', 'no_such_kind'] });
    await call('getUpdates');
    expect(bot.allowedUpdates).toEqual(['message', 'message_reaction']);
    expect(ivan.edits(message.message_id, 'changed')).toBeUndefined();
    expect(ivan.reacts(message.message_id, '🔥')?.message_reaction).toMatchObject({
      old_reaction: [{ type: 'emoji', emoji: '👍' }],
      new_reaction: [{ type: 'emoji', emoji: '🔥' }],
    });

    await call('getUpdates', { allowed_updates: [] });
    expect(bot.allowedUpdates).toContain('edited_message');
    for (const kind of ['chat_member', 'message_reaction', 'message_reaction_count']) {
      expect(bot.allowedUpdates).not.toContain(kind);
    }
  });

  it('forgets a message after a day and a pressed button after 150 seconds', async () => {
    let now = Date.now();
    await start({ now: () => now });
    ivan.sends('hello');
    const reply_markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 'yes' }]] };
    const { result } = await call('sendMessage', { chat_id: 777, text: 'sure?', reply_markup });
    ivan.presses(result.message_id, 'yes');
    expect(bot.pendingUpdates).toHaveLength(2);
    now += 151_000;
    expect(bot.pendingUpdates.map(({ message }) => message?.text)).toEqual(['hello']);
    now += 86_400_000;
    expect((await call('getUpdates')).result).toEqual([]);
  });

  it('numbers anew below the old ids only while nothing waits', async () => {
    const id = ivan.sends('before the silence').update_id;
    const message = ivan.sends('x').message;
    expect(() => bot.pushUpdate({ update_id: 5, message: message as never })).toThrow(RangeError);
    await call('getUpdates', { offset: id + 2 });
    bot.pushUpdate({ update_id: 5, message: message as never });
    expect(ids([ivan.sends('after')])).toEqual([6]);
    expect(ids((await call('getUpdates', { offset: id + 2 })).result)).toEqual([5, 6]);
  });
});

describe('the brakes of getUpdates and setWebhook', () => {
  beforeEach(() => start({ brakes: true }));

  it('gives one update at a time to who asks again within half a second', async () => {
    ivan.sends('1');
    ivan.sends('2');
    expect((await call('getUpdates')).result).toHaveLength(2);
    expect((await call('getUpdates')).result).toHaveLength(1);
  });

  it('lets a repeated empty poll wait 3 seconds', async () => {
    await call('getUpdates', { offset: 1 });
    const started = Date.now();
    await call('getUpdates', { offset: 1, timeout: 1 });
    expect(Date.now() - started).toBeGreaterThanOrEqual(2900);
  });

  it('delays a second conflict by 3 seconds', async () => {
    await call('setWebhook', { url: 'https://example.com/hook' });
    await call('getUpdates');
    const started = Date.now();
    expect((await call('getUpdates')).status).toBe(409);
    expect(Date.now() - started).toBeGreaterThanOrEqual(2900);
  });

  it('takes setWebhook once a second', async () => {
    await call('setWebhook', { url: 'https://example.com/hook' });
    const again = await call('setWebhook', { url: 'https://example.com/hook' });
    expect(again).toMatchObject({ status: 429, parameters: { retry_after: 1 } });
  });
});

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
    expect(gaps[0]).toBeLessThan(gaps[1]!);
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

describe('sendMessage', () => {
  beforeEach(() => void ivan.sends('hello'));
  const send = (params: object) => call('sendMessage', { chat_id: 777, text: 'x', ...params });
  const refused = (params: object) => refusal('sendMessage', { chat_id: 777, text: 'x', ...params });

  it('puts the message into the chat, with ids that both sides share', async () => {
    const { result } = await send({ text: '  Good day \n' });
    expect(result).toMatchObject({
      message_id: 2,
      text: 'Good day',
      from: { id: 123456, is_bot: true },
      chat: { id: 777, type: 'private', first_name: 'Ivan' },
    });
    expect(Math.abs(result.date - Date.now() / 1000)).toBeLessThan(2);
    expect(ivan.sends('and you?').message.message_id).toBe(3);
    expect(ivan.chat.messages.map(({ text }) => text)).toEqual(['hello', 'Good day', 'and you?']);
    expect(tg.ledger()).toMatchObject([{ bot: 123456, chatId: 777, messageId: 2, text: 'Good day' }]);
  });

  it('refuses texts that are empty, too long or broken', async () => {
    expect(await refused({ text: '' })).toBe('400 Bad Request: message text is empty');
    expect(await refused({ text: ' \n ' })).toBe('400 Bad Request: text must be non-empty');
    expect(await refused({ text: 'x'.repeat(4097) })).toBe('400 Bad Request: message is too long');
    expect(await refused({ text: '😀'.repeat(2049) })).toBe('400 Bad Request: message is too long');
    expect(await refused({ text: 'cut \ud83d' })).toBe('400 Bad Request: strings must be encoded in UTF-8');
    expect((await send({ text: `${'x'.repeat(4096)}  ` })).result.text).toHaveLength(4096);
    expect(await refused({ text: '<b>x</b>', parse_mode: 'XML' })).toBe('400 Bad Request: unsupported parse_mode');
  });

  it('knows only the chats that wrote to this bot', async () => {
    bot.client({ id: 5, first_name: 'Silent' });
    expect(await refused({ chat_id: 5 })).toBe('400 Bad Request: chat not found');
    expect(await refused({ chat_id: '@nobody' })).toBe('400 Bad Request: chat not found');
    expect(await refused({ chat_id: '' })).toBe('400 Bad Request: chat_id is empty');
    tg.addBot({ token: '2:other' });
    expect(await refusal('sendMessage', { chat_id: 777, text: 'x' }, '2:other')).toBe(
      '400 Bad Request: chat not found',
    );
  });

  it('is refused by a client who blocked the bot, until the client takes it back', async () => {
    const update = ivan.blocks();
    expect(update?.my_chat_member).toMatchObject({
      chat: { id: 777 },
      old_chat_member: { status: 'member' },
      new_chat_member: { status: 'kicked', user: { id: 123456 } },
    });
    expect(await refused({})).toBe('403 Forbidden: bot was blocked by the user');
    expect(await refusal('sendChatAction', { chat_id: 777, action: 'typing' })).toContain('403 Forbidden');
    expect(() => ivan.sends('no')).toThrow('has blocked');
    ivan.unblocks();
    expect((await send({})).ok).toBe(true);
    expect(tg.ledger()).toHaveLength(1);
  });

  it('replies, and says when the original is gone', async () => {
    const { result } = await send({ reply_parameters: { message_id: 1, quote: 'ell' } });
    expect(result.reply_to_message).toMatchObject({ message_id: 1, text: 'hello' });
    expect(result.quote).toEqual({ text: 'ell', position: 1, is_manual: true });
    expect(await refused({ reply_parameters: { message_id: 99 } })).toBe(
      '400 Bad Request: message to be replied not found',
    );
    expect(await refused({ reply_parameters: { message_id: 1, quote: 'bye' } })).toContain('QUOTE_TEXT_INVALID');
    const alone = await send({ reply_parameters: { message_id: 99, allow_sending_without_reply: true } });
    expect(alone.result.reply_to_message).toBeUndefined();
  });

  it('writes into a group it was told of, until it is thrown out', async () => {
    const chat = { id: -1001, type: 'supergroup', title: 'Team' } as const;
    const date = Math.floor(Date.now() / 1000);
    bot.pushUpdate({ message: { message_id: 41, chat, from: ivan.user, date, text: 'hi all' } as never });
    expect((await send({ chat_id: -1001 })).result.message_id).toBe(42);
    const member = (status: 'member' | 'kicked') => ({ status, user: bot.user, until_date: 0 }) as never;
    bot.pushUpdate({
      my_chat_member: {
        chat,
        from: ivan.user,
        date,
        old_chat_member: member('member'),
        new_chat_member: member('kicked'),
      },
    });
    expect(await refused({ chat_id: -1001 })).toBe('403 Forbidden: bot was kicked from the supergroup chat');
  });

  it('checks buttons', async () => {
    const keyboard = (callback_data: string) => ({
      reply_markup: { inline_keyboard: [[{ text: 'B', callback_data }]] },
    });
    expect(await refused(keyboard('я'.repeat(33)))).toBe('400 Bad Request: BUTTON_DATA_INVALID');
    expect((await send(keyboard('я'.repeat(32)))).result.reply_markup.inline_keyboard).toHaveLength(1);
  });
});

describe('entities', () => {
  beforeEach(() => void ivan.sends('hello'));
  const entity = (type: string, offset: number, length: number, extra: object = {}) => ({
    type,
    offset,
    length,
    ...extra,
  });
  const refused = (text: string, ...entities: object[]) => refusal('sendMessage', { chat_id: 777, text, entities });
  const kept = async (text: string, ...entities: object[]): Promise<[string, MessageEntity[] | undefined]> => {
    const { result } = await call('sendMessage', { chat_id: 777, text, entities });
    return [(result as Message).text!, (result as Message).entities];
  };

  it('must lie within the text and not cut a symbol', async () => {
    expect(await refused('abc', entity('bold', 1, 3))).toBe(
      '400 Bad Request: entity beginning at UTF-16 offset 1 ends after the end of the text at UTF-16 offset 4',
    );
    expect(await refused('abc', entity('bold', 3, 1))).toBe(
      '400 Bad Request: entity begins after the end of the text at UTF-16 offset 3',
    );
    expect(await refused('🌗Last', entity('bold', 1, 2))).toBe(
      '400 Bad Request: entity begins in a middle of a UTF-16 symbol at byte offset 4',
    );
    expect(await refused('🌗Last', entity('bold', 0, 1))).toContain('ends in a middle of a UTF-16 symbol');
    expect(await refused('abc', entity('bold', -1, 1))).toContain('receive an entity with incorrect offset -1');
    expect(await refused('abc', entity('glitter', 0, 1))).toContain("can't parse MessageEntity");
    expect(await refused('abc', { type: 'bold', offset: 0 })).toContain('Can\'t find field "length"');
    expect(await refused('abc', entity('text_link', 0, 1, { url: 'javascript:alert(1)' }))).toContain('is invalid');
  });

  it('that overlap in part are cut so that they nest', async () => {
    const [, cut] = await kept('abcdef', entity('bold', 0, 4), entity('italic', 2, 4));
    expect(cut).toEqual([entity('bold', 0, 2), entity('italic', 2, 4), entity('bold', 2, 2)]);
    const [, nested] = await kept('abcdef', entity('italic', 2, 2), entity('bold', 0, 6));
    expect(nested).toEqual([entity('bold', 0, 6), entity('italic', 2, 2)]);
  });

  it('give way inside code and to the first of two links', async () => {
    const [, code] = await kept('abcdef', entity('code', 0, 3), entity('bold', 1, 4));
    expect(code).toEqual([entity('code', 0, 3), entity('bold', 3, 2)]);
    const [, links] = await kept(
      'abcdef',
      entity('text_link', 0, 4, { url: 'https://a.example' }),
      entity('text_link', 2, 4, { url: 'https://b.example/x' }),
    );
    expect(links).toEqual([entity('text_link', 0, 4, { url: 'https://a.example/' })]);
  });

  it('move with the trimmed text', async () => {
    expect(await kept('  abc  ', entity('bold', 0, 7))).toEqual(['abc', [entity('bold', 0, 3)]]);
    expect(await kept('a\r\nb', entity('bold', 3, 1))).toEqual(['a\nb', [entity('bold', 2, 1)]]);
    expect(await kept('abc   ', entity('bold', 3, 2))).toEqual(['abc', undefined]);
  });

  it('are found by the server, and count to 100', async () => {
    const [, found] = await kept('/start @shop_bot see https://a.example/b, #news or me@a.example');
    expect(found?.map(({ type }) => type)).toEqual(['bot_command', 'mention', 'url', 'hashtag', 'email']);
    expect(found?.[2]).toEqual(entity('url', 21, 19));
    const many = Array.from({ length: 120 }, (_, index) => entity('bold', index * 2, 1));
    expect((await kept('a '.repeat(120), ...many))[1]).toHaveLength(100);
    expect(ivan.sends('/start shop1').message.entities).toEqual([entity('bot_command', 0, 6)]);
  });
});

describe('edits, deletions, reactions', () => {
  let sent: number;
  beforeEach(async () => {
    ivan.sends('hello');
    sent = (await call('sendMessage', { chat_id: 777, text: 'typo' })).result.message_id;
  });

  it('edits own texts only, and only to something new', async () => {
    const edit = (params: object) => ({ chat_id: 777, message_id: sent, text: 'fixed', ...params });
    expect((await call('editMessageText', edit({}))).result).toMatchObject({ message_id: sent, text: 'fixed' });
    expect(ivan.inbox[0]?.edit_date).toBeGreaterThan(0);
    expect(ivan.inbox).toHaveLength(1);
    expect(await refusal('editMessageText', edit({}))).toBe(
      '400 Bad Request: message is not modified: specified new message content and reply markup are exactly the same ' +
        'as a current content and reply markup of the message',
    );
    expect(await refusal('editMessageText', edit({ message_id: 99 }))).toBe(
      '400 Bad Request: message to edit not found',
    );
    expect(await refusal('editMessageText', edit({ message_id: 1 }))).toBe("400 Bad Request: message can't be edited");
    expect(await refusal('editMessageText', edit({ text: '' }))).toBe('400 Bad Request: message text is empty');
  });

  it('deletes what is there and less than 48 hours old', async () => {
    let now = Date.now();
    await start({ now: () => now });
    ivan.sends('hello');
    const [, second, third] = await Promise.all(
      ['a', 'b', 'c'].map(
        async (text) => (await call('sendMessage', { chat_id: 777, text })).result.message_id as number,
      ),
    );
    expect((await call('deleteMessage', { chat_id: 777, message_id: second })).result).toBe(true);
    expect(await refusal('deleteMessage', { chat_id: 777, message_id: second })).toBe(
      '400 Bad Request: message to delete not found',
    );
    expect((await call('deleteMessages', { chat_id: 777, message_ids: [1, second, third] })).result).toBe(true);
    expect(ivan.inbox).toHaveLength(1);
    expect(tg.ledger()).toHaveLength(3);
    expect(await refusal('deleteMessages', { chat_id: 777 })).toContain('message identifiers are not specified');
    now += 49 * 3_600_000;
    expect(await refusal('deleteMessage', { chat_id: 777, message_id: ivan.inbox[0]!.message_id })).toBe(
      "400 Bad Request: message can't be deleted for everyone",
    );
  });

  it('reacts with one emoji of the list', async () => {
    const react = (...emoji: string[]) => ({
      chat_id: 777,
      message_id: 1,
      reaction: emoji.map((one) => ({ type: 'emoji', emoji: one })),
    });
    expect((await call('setMessageReaction', react('👍'))).result).toBe(true);
    expect(ivan.chat.reactions.get(1)).toEqual([{ type: 'emoji', emoji: '👍' }]);
    expect(await refusal('setMessageReaction', react('🦖'))).toBe('400 Bad Request: REACTION_INVALID');
    expect(await refusal('setMessageReaction', react('👍', '🔥'))).toBe('400 Bad Request: REACTIONS_TOO_MANY');
    expect(await refusal('setMessageReaction', { ...react('👍'), message_id: 99 })).toBe(
      '400 Bad Request: message to react not found',
    );
  });

  it('tells the bot of edits by the client', () => {
    expect(ivan.edits(1, 'hello!')?.edited_message).toMatchObject({ message_id: 1, text: 'hello!' });
    expect(() => ivan.edits(sent, 'not mine')).toThrow('no message');
  });

  it('answers a pressed button once', async () => {
    const reply_markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 'yes' }]] };
    const { result } = await call('sendMessage', { chat_id: 777, text: 'sure?', reply_markup });
    expect(() => ivan.presses(result.message_id, 'no')).toThrow('no button');
    const query = ivan.presses(result.message_id, 'yes')?.callback_query;
    expect(query).toMatchObject({ data: 'yes', from: { id: 777 } });
    expect((await call('answerCallbackQuery', { callback_query_id: query?.id })).result).toBe(true);
    expect(await refusal('answerCallbackQuery', { callback_query_id: query?.id })).toBe(
      '400 Bad Request: query is too old and response timeout expired or query ID is invalid',
    );
  });
});

describe('the small methods', () => {
  beforeEach(() => void ivan.sends('hello'));

  it('show a chat action until the next message', async () => {
    expect((await call('sendChatAction', { chat_id: 777, action: 'typing' })).result).toBe(true);
    expect(ivan.chat.action).toBe('typing');
    await call('sendMessage', { chat_id: 777, text: 'x' });
    expect(ivan.chat.action).toBeUndefined();
    expect(await refusal('sendChatAction', { chat_id: 777, action: 'singing' })).toContain('wrong parameter action');
  });

  it('answer about chats, files, photos and commands', async () => {
    expect((await call('getChat', { chat_id: 777 })).result).toMatchObject({ id: 777, username: 'ivan' });
    expect(await refusal('getChat', { chat_id: 5 })).toBe('400 Bad Request: chat not found');
    expect(await refusal('getFile', { file_id: 'AgAD' })).toContain('wrong file_id');
    expect((await call('getUserProfilePhotos', { user_id: 777 })).result).toEqual({ total_count: 0, photos: [] });
    expect(await refusal('getUserProfilePhotos', { user_id: 5 })).toBe('400 Bad Request: user not found');
    const commands = [{ command: 'start', description: 'Begin' }];
    expect((await call('setMyCommands', { commands })).result).toBe(true);
    expect((await call('getMyCommands')).result).toEqual(commands);
    expect(await refusal('setMyCommands', { commands: [{ command: 'Start!', description: 'x' }] })).toContain(
      'BOT_COMMAND_INVALID',
    );
  });
});

describe('faults', () => {
  beforeEach(() => void ivan.sends('hello'));
  const send = (text: string) => call('sendMessage', { chat_id: 777, text });

  it('answer 429 with the seconds in the body and in the header', async () => {
    tg.faults.next('sendMessage', { tooManyRequests: 7 });
    const answer = await send('a');
    expect(answer).toMatchObject({ status: 429, parameters: { retry_after: 7 } });
    expect(answer.description).toBe('Too Many Requests: retry after 7');
    expect(answer.headers.get('retry-after')).toBe('7');
    expect((await send('b')).ok).toBe(true);
    expect(tg.ledger().map(({ text }) => text)).toEqual(['b']);
  });

  it('drop the socket before or after the call is performed', async () => {
    tg.faults.next('*', 'dropBefore');
    await expect(send('before')).rejects.toThrow('fetch failed');
    tg.faults.next('*', 'dropAfter');
    await expect(send('after')).rejects.toThrow('fetch failed');
    expect(tg.ledger().map(({ text }) => text)).toEqual(['after']);
  });

  it('answer with a page of the gateway, whether performed or not', async () => {
    tg.faults.next('sendMessage', { gateway: 502, performed: false });
    tg.faults.next('sendMessage', { gateway: 504, performed: true });
    for (const [text, status] of [
      ['lost', 502],
      ['sent', 504],
    ] as const) {
      const response = await fetch(`${tg.url}/bot${TOKEN}/sendMessage?chat_id=777&text=${text}`);
      expect(response.status).toBe(status);
      expect(await response.text()).toContain('<html>');
    }
    expect(tg.ledger().map(({ text }) => text)).toEqual(['sent']);
  });

  it('perform at once and answer late', async () => {
    tg.faults.next('sendMessage', { delayMs: 200 });
    let answered = false;
    const slow = send('slow').then(() => {
      answered = true;
    });
    await ivan.receives(1);
    expect(answered).toBe(false);
    await slow;
    expect(tg.ledger()).toHaveLength(1);
  });

  it('happen as often as planned, and only to calls that match', async () => {
    const body = { ok: false, error_code: 500, description: 'Internal Server Error: restart' };
    tg.faults.next('sendMessage', { status: 500, body }, 2, ({ text }) => text === 'unlucky');
    expect((await send('lucky')).ok).toBe(true);
    expect((await send('unlucky')).description).toBe('Internal Server Error: restart');
    expect(tg.faults.pending).toBe(1);
    expect((await send('unlucky')).status).toBe(500);
    expect((await send('unlucky')).ok).toBe(true);
  });

  it('let an answer to getUpdates get lost without losing updates', async () => {
    tg.faults.next('getUpdates', 'dropAfter');
    await expect(call('getUpdates')).rejects.toThrow('fetch failed');
    expect((await call('getUpdates')).result).toHaveLength(1);
  });
});

describe('limits', () => {
  it('are the published ones, with 429 above them', async () => {
    let now = Date.now();
    await start({ limits: true, now: () => now });
    ivan.sends('hello');
    const send = () => call('sendMessage', { chat_id: 777, text: 'x' });
    for (let n = 0; n < 3; n += 1) expect((await send()).status).toBe(200);
    expect(await send()).toMatchObject({ status: 429, parameters: { retry_after: 1 } });
    now += 1000;
    expect((await send()).status).toBe(200);
    expect((await send()).status).toBe(429);

    const group = { id: -5, type: 'group', title: 'G' };
    bot.pushUpdate({ message: { message_id: 1, chat: group, from: ivan.user, date: 0, text: 'x' } as never });
    now += 60_000;
    const statuses: number[] = [];
    for (let n = 0; n < 21; n += 1) statuses.push((await call('sendMessage', { chat_id: -5, text: 'x' })).status);
    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.at(-1)).toBe(429);
  });

  it('hold for the bot as a whole', async () => {
    const now = Date.now();
    await start({ limits: true, now: () => now });
    const statuses: number[] = [];
    for (let id = 1; id <= 31; id += 1) {
      bot.client({ id, first_name: 'C' }).sends('hi');
      statuses.push((await call('sendMessage', { chat_id: id, text: 'x' })).status);
    }
    expect(statuses.indexOf(429)).toBe(30);
  });
});

describe('the control API', () => {
  const control = async (method: string, path: string, body?: object) => {
    const response = await fetch(`${tg.url}/control${path}`, { method, ...(body && { body: JSON.stringify(body) }) });
    return { status: response.status, body: (await response.json()) as any };
  };

  it('lets a person in another process hold a conversation', async () => {
    const messages = '/bots/123456/clients/42/messages';
    const update = await control('POST', messages, { text: '/start', client: { first_name: 'Anna' } });
    expect(update.body.message).toMatchObject({ text: '/start', from: { id: 42, first_name: 'Anna' } });
    const reply_markup = { inline_keyboard: [[{ text: 'Yes', callback_data: 'yes' }]] };
    await call('sendMessage', { chat_id: 42, text: 'Welcome', reply_markup });
    await call('sendChatAction', { chat_id: 42, action: 'typing' });
    await control('PATCH', `${messages}/1`, { text: '/begin' });
    await control('POST', `${messages}/2/press`, { data: 'yes' });

    const { body } = await control('GET', '/chats/42/messages');
    expect(body.messages.map(({ text }: Message) => text)).toEqual(['/begin', 'Welcome']);
    expect(body.action).toBe('typing');
    expect((await control('GET', '/bots/123456/chats/42/messages?after=1')).body.messages).toHaveLength(1);
    expect((await control('GET', '/chats')).body.chats).toMatchObject([{ bot_id: 123456, message_count: 2 }]);
    expect((await control('GET', '/bots')).body.bots).toMatchObject([{ id: 123456, username: 'shop_bot' }]);
    const kinds = (bot.pendingUpdates as object[]).map(
      (one) => Object.keys(one).filter((key) => key !== 'update_id')[0],
    );
    expect(kinds).toEqual(['message', 'edited_message', 'callback_query']);
  });

  it('says what cannot be done, and never shows a token', async () => {
    expect((await control('POST', '/bots/9/clients/42/messages', { text: 'x' })).status).toBe(404);
    expect((await control('GET', '/chats/42/messages')).status).toBe(404);
    expect((await control('POST', '/bots/123456/clients/42/messages', { text: ' ' })).status).toBe(400);
    await control('POST', '/bots/123456/clients/42/messages', { text: 'hi' });
    await control('POST', '/bots/123456/clients/42/block');
    expect((await control('POST', '/bots/123456/clients/42/messages', { text: 'x' })).status).toBe(400);
    expect(JSON.stringify((await control('GET', '/bots')).body)).not.toContain('TEST-token');
  });
});

describe("grammY's own client", () => {
  it('receives a text by long polling and answers it', async () => {
    const grammy = new Bot(TOKEN, { client: { apiRoot: tg.url } });
    grammy.command('start', (ctx) => ctx.reply(`Hello, ${ctx.from?.first_name}`));
    grammy.on('message:text', (ctx) =>
      ctx.reply(`You said ${ctx.message.text}`, { reply_parameters: { message_id: ctx.message.message_id } }),
    );
    const running = grammy.start();
    ivan.sends('/start');
    ivan.sends('two words');
    const [greeting, echo] = await ivan.receives(2);
    await grammy.stop();
    await running;
    expect(greeting?.text).toBe('Hello, Ivan');
    expect(echo).toMatchObject({ text: 'You said two words', reply_to_message: { message_id: 2 } });
    expect(bot.pendingUpdates).toEqual([]);
  });

  it('gets refusals as GrammyError with the exact words', async () => {
    const api = new Api(TOKEN, { apiRoot: tg.url });
    const error = await api.sendMessage(5, 'x').catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(GrammyError);
    expect(error).toMatchObject({ error_code: 400, description: 'Bad Request: chat not found' });

    ivan.sends('hello');
    tg.faults.next('sendMessage', { tooManyRequests: 3 });
    await expect(api.sendMessage(777, 'x')).rejects.toMatchObject({ error_code: 429, parameters: { retry_after: 3 } });
    tg.faults.next('sendMessage', 'dropAfter');
    await expect(api.sendMessage(777, 'x')).rejects.toBeInstanceOf(HttpError);
    expect(await api.getWebhookInfo()).toMatchObject({ url: '' });
  });
});
