import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { call, ivan, refusal, start, tg } from './simulator.stage.js';

beforeEach(() => start());
afterEach(() => tg.stop());

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
