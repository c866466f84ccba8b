import { describe, expect, it } from 'vitest';
import { BITRIX_PROBLEMS } from '../../bitrix/bitrix-problems.js';
import type { Language } from '../../common/language.js';
import { DeliveryProblems } from '../../relay/delivery-problems.js';
import { CLIENT_MESSAGE_REFUSED } from '../../relay/endpoint-driver.js';
import type { ClientFiles } from './client-files.js';
import { OperatorNotes } from './operator-notes.js';

const problems = new DeliveryProblems();
problems.register(BITRIX_PROBLEMS);
problems.register({
  bot_blocked: {
    kind: 'refused',
    scope: 'chat',
    reason: { en: 'the client blocked the bot', ru: 'клиент заблокировал бота' },
  },
});
const CHAT = { apiKind: null };
const notes = new OperatorNotes(problems, {} as ClientFiles);
const message = { id: 4711n, kind: 'text', text: '', attachments: [], authorName: null, keyboard: null };

function undeliveredNote(payload: object, text: string, language: Language): string {
  return notes.textOf({ language }, { payload: { ...payload }, message: { ...message, text } }, CHAT);
}

function notShownNote(said: object, detail: string, language: Language): string {
  const payload = { code: CLIENT_MESSAGE_REFUSED, detail };
  return notes.textOf({ language }, { payload, message: { ...message, ...said } }, CHAT);
}

describe('a note to the operator', () => {
  it('says why, in the language, and quotes the words', () => {
    expect(undeliveredNote({ code: 'bot_blocked', detail: 'Forbidden' }, 'Hello', 'en')).toBe(
      '⚠️ Not delivered to the client: the client blocked the bot.\n«Hello»',
    );
    expect(undeliveredNote({ code: 'bot_blocked', detail: 'Forbidden' }, 'Hello', 'ru')).toContain(
      'клиент заблокировал бота',
    );
  });

  it('says how long a message waits for Telegram', () => {
    const inMinutes = (minutes: number) => new Date(Date.now() + (minutes - 0.5) * 60_000).toISOString();
    const waits = (until: string, language: 'ru' | 'en') =>
      undeliveredNote({ code: 'waits', detail: '', about: 'message', until }, 'Hello', language);
    expect(waits(inMinutes(12), 'en')).toBe(
      '⏳ Not sent yet: Telegram asks the bot to pause. The message will be sent automatically in 12 minutes; there is no need to send it again.\n«Hello»',
    );
    expect(waits(inMinutes(22), 'ru')).toContain('Сообщение уйдёт автоматически через 22 минуты, отправлять');
    expect(waits(inMinutes(175), 'ru')).toContain('через 3 часа');
    expect(waits(inMinutes(-1), 'en')).toContain('automatically soon');
    expect(waits(inMinutes(-1), 'ru')).toContain('автоматически скоро');
  });

  it('quotes Telegram for a reason that has no words of ours', () => {
    const note = undeliveredNote({ code: 'refused', detail: 'Bad Request: something new' }, 'x', 'en');
    expect(note).toContain('Telegram refused it (Bad Request: something new)');
  });

  it('says that nothing is known, and that nothing will be repeated', () => {
    const note = undeliveredNote({ code: 'uncertain', detail: 'TIMEOUT' }, 'x', 'en');
    expect(note).toContain('not known whether');
    expect(note).toContain('will not be sent again');
  });

  it('quotes at most 80 characters on one line, and no BBCode takes effect in it', () => {
    const note = undeliveredNote({ code: 'empty', detail: '' }, `[b]a\n\nb[/b]${'😀'.repeat(100)}`, 'en');
    const [, quote = ''] = note.split('\n');
    expect([...quote].length).toBeLessThanOrEqual(85);
    expect(quote).toMatch(/^«\[\u200bb\]a b\[\u200b\/b\]😀+…»$/u);
  });

  it('names the files that did not go, each with its reason', () => {
    const files = [
      { name: 'a[b].iso', code: 'file_gone', detail: '' },
      { name: 'c.pdf', code: 'html_answer', detail: 'a page came' },
    ];
    expect(undeliveredNote({ code: 'files_left_out', detail: '', about: 'message', files }, 'Look', 'en')).toBe(
      [
        '⚠️ Some files did not reach the client:',
        'a[\u200bb].iso: the portal no longer has it',
        'c.pdf: the portal does not provide it (a page came)',
        '«Look»',
      ].join('\n'),
    );
    const failed = undeliveredNote({ code: 'bot_blocked', detail: '', about: 'message', files }, '', 'ru').split('\n');
    expect(failed).toHaveLength(4);
    expect(failed[0]).toContain('клиент заблокировал бота');
    expect(failed[1]).toBe('⚠️ До клиента дошли не все файлы:');
  });

  it('quotes nothing when there are no words', () => {
    expect(undeliveredNote({ code: 'empty', detail: '' }, ' \n ', 'en')).not.toContain('«');
  });
});

describe('the note on what the program said on its own account', () => {
  const file = {
    ordinal: 0,
    kind: 'document',
    name: 'offer.pdf',
    mime: null,
    size: null,
    label: '',
    url: 'https://x/',
  };
  const own = (code: string, more: object, language: Language, reason: object = {}) =>
    notes.textOf({ language }, { payload: { code, detail: '', ...reason }, message: { ...message, ...more } }, CHAT);

  it('says who it was, then the words and the files, of which none is read as BBCode', () => {
    const attachments = [{ ...file, telegramFileId: null, telegramUniqueId: null }];
    expect(own('robot', { text: 'Pay [b]now', attachments }, 'en')).toBe(
      '🤖 Robot wrote:\nPay [\u200bb]now\n📎 offer.pdf',
    );
    expect(own('card', { text: 'Да', authorName: 'Анна' }, 'ru')).toBe('✍️ Написано из карточки CRM (Анна):\nДа');
    const files = [{ name: 'offer.pdf', code: 'file_gone', detail: '' }];
    expect(own('sms', { text: 'x', attachments }, 'en', { files })).toBe(
      '📨 Sent from the CRM by the message service:\nx\n⚠️ Some files did not reach the client:\noffer.pdf: the portal no longer has it',
    );
  });
});

describe('the note on a client’s message that is not in the dialog', () => {
  const said = { text: 'call [b]me[/b]' };

  it('says what it was, why, and where it is', () => {
    expect(notShownNote(said, 'Incomplete data', 'en')).toBe(
      '⚠️ A message from the client could not be shown here: «call [\u200bb]me[\u200b/b]». Bitrix24 refused it (Incomplete data).\n' +
        'An administrator can find it in the console of the application, message 4711.',
    );
    expect(notShownNote({ text: ' ', kind: 'voice' }, 'x', 'ru')).toContain('голосовое сообщение');
    expect(notShownNote({ text: '', kind: 'poll' }, 'x', 'en')).toContain('another kind of message');
  });
});
