import type { Message } from '@grammyjs/types';
import { Api, Bot, GrammyError, HttpError } from 'grammy';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bot, call, ivan, refusal, request, start, tg, TOKEN } from './telegram-simulator/simulator.stage.js';

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

  it('hold for the bot as a whole: 30 messages in any second, however long it rested before', async () => {
    let now = Date.now();
    await start({ limits: true, now: () => now });
    const write = (id: number) => {
      bot.client({ id, first_name: 'C' }).sends('hi');
      return call('sendMessage', { chat_id: id, text: 'x' });
    };
    const statuses: number[] = [];
    for (let id = 1; id <= 20; id += 1) statuses.push((await write(id)).status);
    now += 500;
    for (let id = 21; id <= 31; id += 1) statuses.push((await write(id)).status);
    expect(statuses.indexOf(429)).toBe(30);
    now += 499;
    expect(await write(32)).toMatchObject({ status: 429, parameters: { retry_after: 1 } });
    now += 1;
    for (let id = 33; id <= 52; id += 1) expect((await write(id)).status).toBe(200);
    expect((await write(53)).status).toBe(429);
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
