import type { Update } from '@grammyjs/types';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseUpdate } from './update.parser.js';

const parse = (update: Record<string, unknown>) => parseUpdate({ update_id: 7, ...update } as Update, 3n, 'en');
const ivan = { id: 777, is_bot: false, first_name: 'Ivan', last_name: 'Petrov', username: 'ivan', language_code: 'ru' };
const privateChat = { id: 777, type: 'private', first_name: 'Ivan', last_name: 'Petrov', username: 'ivan' };
const message = (more: Record<string, unknown> = {}) => ({
  message_id: 11,
  date: 1_773_265_993,
  chat: privateChat,
  from: ivan,
  text: 'Hello',
  ...more,
});

describe('a message in a private chat', () => {
  it('has the frozen identifiers, the words and their time', () => {
    const parsed = parse({ message: message({ entities: [{ type: 'bold', offset: 0, length: 5 }] }) });
    expect(parsed).toMatchObject({
      botId: 3n,
      updateId: 7,
      telegramMessageId: 11n,
      sawChat: true,
      chat: {
        externalId: 'tg:777',
        externalUserId: 'tg:777',
        telegramChatId: 777n,
        type: 'private',
        title: 'Ivan Petrov',
        username: 'ivan',
        language: 'ru',
      },
      said: {
        kind: 'text',
        text: 'Hello',
        marks: [{ type: 'bold', offset: 0, length: 5 }],
        authorId: '777',
        authorName: 'Ivan Petrov',
        saidAt: new Date('2026-03-11T21:53:13Z'),
      },
    });
    expect(parsed.said!.ignored).toBeUndefined();
  });

  it('keeps an edit and a reaction for the record only', () => {
    expect(parse({ edited_message: message() })).toMatchObject({
      sawChat: false,
      said: { text: 'Hello', ignored: { code: 'edit_not_relayed' } },
    });
    const reaction = { chat: privateChat, message_id: 5, user: ivan, date: 1, old_reaction: [], new_reaction: [] };
    expect(parse({ message_reaction: reaction })).toMatchObject({
      chat: { externalId: 'tg:777' },
      sawChat: true,
      said: { ignored: { code: 'reaction_not_relayed' } },
    });
  });

  it.each([
    ['kicked', true],
    ['left', true],
    ['member', false],
  ])('a membership that becomes %s says whether the bot is blocked: %s', (status, blocked) => {
    const change = { chat: privateChat, from: ivan, date: 1, new_chat_member: { status } };
    expect(parse({ my_chat_member: change })).toMatchObject({
      blocked,
      sawChat: false,
      said: { ignored: { code: 'state_change' } },
    });
  });
});

describe('a message elsewhere', () => {
  const group = { id: -100500, type: 'supergroup', title: 'Buyers' };

  it('in a group: the group is the client, the sender’s name stands before the words', () => {
    const { chat, said } = parse({ message: message({ chat: group }) });
    expect(chat).toMatchObject({ externalId: 'tg:-100500', externalUserId: 'tg:-100500', title: 'Buyers' });
    expect(chat!.language).toBeUndefined();
    expect(said!.text).toBe('Ivan Petrov:\nHello');
  });

  it('in a topic: a dialog of its own, but not for a reply in an ordinary group', () => {
    const topic = parse({ message: message({ chat: group, is_topic_message: true, message_thread_id: 9 }) });
    expect(topic.chat).toMatchObject({ externalId: 'tg:-100500:9', externalUserId: 'tg:-100500', threadId: 9n });
    expect(parse({ message: message({ chat: group, message_thread_id: 9 }) }).chat!.externalId).toBe('tg:-100500');
  });

  it('in a Business chat: the connection is part of the dialog, the owner’s own words are not the client’s', () => {
    const client = parse({ business_message: message({ business_connection_id: 'a:b|c' }) });
    expect(client.chat).toMatchObject({ externalId: 'tg:777:ba_b_c', businessConnection: 'a:b|c' });
    expect(client.said!.ignored).toBeUndefined();
    const owner = parse({ business_message: message({ business_connection_id: 'x', from: { ...ivan, id: 1 } }) });
    expect(owner).toMatchObject({ sawChat: false, said: { ignored: { code: 'written_by_owner' } } });
  });
});

describe('anything else', () => {
  it('is kept with its name', () => {
    expect(parse({ poll: { id: '1' } })).toMatchObject({
      chat: null,
      said: { kind: 'poll', ignored: { code: 'not_a_message' } },
    });
    expect(parse({})).toMatchObject({ chat: null, said: { kind: 'empty' } });
  });

  it('never throws, whatever stands in it', () => {
    const field = fc.constantFrom('message', 'edited_message', 'business_message', 'callback_query', 'my_chat_member');
    fc.assert(
      fc.property(field, fc.jsonValue(), fc.jsonValue(), (name, value, inner) => {
        expect(parse({ [name]: value }).updateId).toBe(7);
        expect(parse({ [name]: { chat: inner, from: inner, message: inner } }).updateId).toBe(7);
        expect(parse({ [name]: { chat: privateChat, from: inner, date: inner, text: inner } }).updateId).toBe(7);
      }),
      { numRuns: 300 },
    );
  });
});
