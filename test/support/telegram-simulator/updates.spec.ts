import { setTimeout as sleep } from 'node:timers/promises';
import type { Update } from '@grammyjs/types';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { bot, call, ivan, refusal, start, tg } from './simulator.stage.js';

const ids = (updates: readonly Update[]) => updates.map((update) => update.update_id);

beforeEach(() => start());
afterEach(() => tg.stop());

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
    expect(() => bot.pushUpdate({ update_id: 5, message: message })).toThrow(RangeError);
    await call('getUpdates', { offset: id + 2 });
    bot.pushUpdate({ update_id: 5, message: message });
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
