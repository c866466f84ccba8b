import { describe, expect, it } from 'vitest';
import type { MessageStory } from '../storage/history.repository.js';
import { messageItem, timeline } from './message.view.js';

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 22, 12, 0, seconds));

function story(change: Partial<MessageStory['message']> = {}, rest: Partial<MessageStory> = {}): MessageStory {
  return {
    message: {
      id: 9_007_199_254_740_993n,
      direction: 'inbound',
      state: 'queued',
      kind: 'text',
      text: 'Hello',
      chatId: 3n,
      portalId: 1n,
      botId: 2n,
      telegramChatId: -1_001_234_567_890n,
      externalChatId: 'tg:-1001234567890',
      telegramMessageIds: ['7', '8'],
      bitrixMessageId: null,
      authorId: '5',
      authorName: 'Ann',
      unsigned: false,
      attempts: 0,
      errorCode: null,
      errorDetail: null,
      saidAt: at(0),
      createdAt: at(1),
      deliveredAt: null,
      seenAt: null,
      marks: [],
      raw: {},
      ...change,
    },
    attempts: [],
    waiting: [],
    ...rest,
  };
}

const attempt = (number: number, outcome: string, code: string | null = null) => ({
  kind: 'message' as const,
  number,
  startedAt: at(number * 10),
  finishedAt: at(number * 10 + 1),
  outcome,
  code,
  detail: code && `${code} in words`,
  instance: 'host-1',
});

describe('messageItem', () => {
  it('shows ids as strings, none rounded', () => {
    const item = messageItem(story().message);
    expect(item).toMatchObject({ id: '9007199254740993', chatId: '3', telegramChatId: '-1001234567890', error: null });
    expect(JSON.parse(JSON.stringify(item))).toMatchObject({ createdAt: '2026-11-22T12:00:01.000Z' });
  });

  it('shows what went wrong as code and detail', () => {
    expect(messageItem(story({ errorCode: '403', errorDetail: 'bot was blocked' }).message).error).toEqual({
      code: '403',
      detail: 'bot was blocked',
    });
  });
});

describe('timeline', () => {
  it('tells the whole way of a message that arrived at the second try', () => {
    const entries = timeline(
      story(
        { state: 'delivered', deliveredAt: at(21), seenAt: at(30) },
        { attempts: [attempt(1, 'retry', '503'), attempt(2, 'delivered')] },
      ),
    );
    expect(entries.map(({ what, outcome }) => outcome ?? what)).toEqual([
      'received',
      'stored',
      'retry',
      'delivered',
      'delivered',
      'seen',
    ]);
    expect(entries[2]).toMatchObject({
      what: 'attempt',
      number: 1,
      code: '503',
      detail: '503 in words',
      instance: 'host-1',
    });
  });

  it('begins with the beginning even when the clock of the network is ahead', () => {
    const entries = timeline(
      story({ saidAt: at(50), state: 'failed', errorCode: '400' }, { attempts: [attempt(1, 'failed', '400')] }),
    );
    expect(entries.map(({ what }) => what)).toEqual(['received', 'stored', 'attempt', 'failed']);
    expect(entries.at(-1)).toMatchObject({ code: '400', at: at(11) });
  });

  it('ends with what is still to come, and why it waits', () => {
    const work = {
      kind: 'message' as const,
      state: 'queued' as const,
      attempts: 1,
      unknown: false,
      startedAt: null,
      dueAt: at(40),
      ahead: 0,
      endpoint: 'portal:1',
    };
    const detailOf = (change: object) => timeline(story({}, { waiting: [{ ...work, ...change }] })).at(-1);
    expect(detailOf({})).toMatchObject({ what: 'waiting', at: at(40), number: 2, detail: 'next try' });
    expect(detailOf({ ahead: 1 })?.detail).toBe('waits behind 1 earlier delivery of this chat');
    expect(detailOf({ endpoint: '' })?.detail).toContain('open line');
    expect(detailOf({ state: 'sending', startedAt: at(35) })).toMatchObject({ what: 'sending', at: at(35), number: 1 });
  });

  it('gives the reason of a message that is only kept', () => {
    const entries = timeline(story({ state: 'ignored', errorCode: 'not_ours', errorDetail: 'another connector' }));
    expect(entries.at(-1)).toMatchObject({ what: 'ignored', code: 'not_ours', detail: 'another connector' });
  });

  it('says what a person decided, after what was tried', () => {
    const decision = (outcome: string, detail: string | null) => ({
      ...attempt(2, outcome),
      detail,
      instance: 'admin',
    });
    const attempts = [attempt(1, 'uncertain', 'TIMEOUT')];
    const resolved = timeline(
      story(
        { state: 'delivered', deliveredAt: at(21) },
        { attempts: [...attempts, decision('resolved', 'delivered')] },
      ),
    );
    expect(resolved.slice(3)).toEqual([
      { at: at(20), what: 'resolved', outcome: 'delivered' },
      { at: at(21), what: 'delivered' },
    ]);
    const discarded = timeline(
      story(
        { state: 'ignored', errorCode: 'discarded', errorDetail: 'it was uncertain' },
        { attempts: [...attempts, decision('discarded', null)] },
      ),
    );
    expect(discarded.slice(3)).toEqual([
      { at: at(20), what: 'discarded' },
      { at: at(21), what: 'ignored', code: 'discarded', detail: 'it was uncertain' },
    ]);
  });
});
