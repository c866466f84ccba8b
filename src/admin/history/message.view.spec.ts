import { describe, expect, it } from 'vitest';
import type { LinkedFile } from '../../relay/file-links.js';
import type { AttachmentRow, MessageStory } from '../../storage/history/shown-message.js';
import { messageDetail, messageItem, timeline } from './message.view.js';

const at = (seconds: number) => new Date(Date.UTC(2026, 10, 22, 12, 0, seconds));

function story(change: Partial<MessageStory['message']> = {}, rest: Partial<MessageStory> = {}): MessageStory {
  return {
    message: {
      id: 9_007_199_254_740_993n,
      direction: 'inbound',
      state: 'queued',
      kind: 'text',
      text: 'Hello',
      attachments: [],
      systemLine: false,
      source: null,
      waitsForClient: false,
      albumId: null,
      replyToId: null,
      replyQuote: null,
      chatId: 3n,
      blocked: false,
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
      editedAt: null,
      deletedAt: null,
      marks: [],
      raw: {},
      ...change,
    },
    revisions: [],
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

const linkTo = (file: LinkedFile) => (file.of === 'message' ? `link/${file.messageId}/${file.ordinal}` : null);

const attachment = (ordinal: number, change: Partial<AttachmentRow> = {}) => ({
  ordinal,
  kind: 'photo',
  name: `photo${ordinal}.jpg`,
  mime: 'image/jpeg',
  size: 4_000,
  label: '📷 Photo',
  atTelegram: true,
  ...change,
});

describe('messageItem', () => {
  it('shows ids as strings, none rounded', () => {
    const item = messageItem(story({ replyToId: 9_007_199_254_740_992n }).message, linkTo);
    expect(item.replyToId).toBe('9007199254740992');
    expect(item).toMatchObject({ id: '9007199254740993', chatId: '3', telegramChatId: '-1001234567890', error: null });
    expect(JSON.parse(JSON.stringify(item))).toMatchObject({ createdAt: '2026-11-22T12:00:01.000Z' });
  });

  it('shows what went wrong as code and detail', () => {
    const failed = story({ errorCode: '403', errorDetail: 'bot was blocked' }).message;
    expect(messageItem(failed, linkTo).error).toEqual({ code: '403', detail: 'bot was blocked' });
  });

  it('gives people something to read and a link to look at', () => {
    const attachments = [attachment(0), attachment(1, { label: '🎤 Voice message, 0:05' })];
    const item = messageItem(story({ text: '', attachments }).message, linkTo);
    expect(item.text).toBe('📷 Photo\n🎤 Voice message, 0:05');
    expect(item.attachments[1]).toEqual({
      kind: 'photo',
      name: 'photo1.jpg',
      mime: 'image/jpeg',
      size: 4_000,
      label: '🎤 Voice message, 0:05',
      url: 'link/9007199254740993/1',
    });
    expect(messageItem(story({ attachments }).message, linkTo).text).toBe('Hello');
  });

  it('has no link to a file that only the portal has', () => {
    const attachments = [attachment(0, { atTelegram: false })];
    expect(messageItem(story({ attachments }).message, linkTo).attachments[0]?.url).toBeNull();
  });
});

describe('messageDetail', () => {
  const revision = (number: number, text: string, deleted = false) => ({
    number,
    text,
    marks: [],
    deleted,
    saidAt: null,
    createdAt: at(20 + number),
  });

  it('shows what was said before, the original with its own time', () => {
    const revisions = [revision(0, 'Helo'), revision(1, 'Hello')];
    expect(messageDetail(story({}, { revisions }), linkTo).revisions).toEqual([
      { ...revisions[0], createdAt: at(1) },
      revisions[1],
    ]);
  });

  it('keeps to itself what opens a file', () => {
    const raw = {
      message: {
        photo: [{ file_id: 'OPENS', file_unique_id: 'AQAD', width: 90 }],
        chat_shared: { photo: [{ big_file_id: 'OPENS' }] },
        files: [{ name: 'a.pdf', link: 'https://p/~OPENS', downloadLink: 'https://p/pub/im.file.php?SIGN=OPENS' }],
        link_preview_options: { url: 'https://example.com' },
      },
    };
    const shown = messageDetail(story({ raw }), linkTo).raw;
    expect(JSON.stringify(shown)).not.toContain('OPENS');
    expect(shown).toMatchObject({
      message: {
        photo: [{ file_unique_id: 'AQAD', width: 90 }],
        files: [{ name: 'a.pdf' }],
        link_preview_options: { url: 'https://example.com' },
      },
    });
  });

  it('tells when its words changed and what became of the change', () => {
    const change = { ...attempt(1, 'failed', 'MESSAGE_CANT_BE_EDITED'), startedAt: at(25) };
    const { timeline: entries } = messageDetail(
      story(
        { state: 'delivered', deliveredAt: at(11), deletedAt: at(22) },
        {
          revisions: [revision(0, 'a'), revision(1, 'b'), revision(2, '', true)],
          attempts: [attempt(1, 'delivered'), { ...change, kind: 'edit' }],
        },
      ),
      linkTo,
    );
    expect(entries.map(({ what, kind }) => (kind ? `${what} ${kind}` : what))).toEqual([
      'received',
      'stored',
      'attempt message',
      'delivered',
      'edited',
      'deleted',
      'attempt edit',
    ]);
    expect(entries.at(-1)).toMatchObject({ outcome: 'failed', code: 'MESSAGE_CANT_BE_EDITED' });
    expect(entries[4]).toEqual({ at: at(21), what: 'edited', number: 1 });
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
      waitsForClient: false,
      endpoint: 'portal:1',
    };
    const detailOf = (change: object) => timeline(story({}, { waiting: [{ ...work, ...change }] })).at(-1);
    expect(detailOf({})).toMatchObject({
      what: 'waiting',
      at: at(40),
      number: 2,
      code: 'next_try',
      detail: 'next try',
    });
    expect(detailOf({ ahead: 1 })).toMatchObject({ code: 'behind', params: { ahead: 1 } });
    expect(detailOf({ ahead: 1 })?.detail).toBe('waits behind 1 earlier delivery of this chat');
    expect(detailOf({ ahead: 1, waitsForClient: true })?.detail).toContain("the client's next words");
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
