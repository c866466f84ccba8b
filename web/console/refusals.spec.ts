import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { refusals as en } from './refusals.en.js';
import { refusals as ru } from './refusals.ru.js';

const SOURCE = fileURLToPath(new URL('../../src/', import.meta.url));

/** Codes that nobody at the console can be answered with: of events, of installations and frames, of the settings page. */
const ELSEWHERE = new Set(
  [
    'event_malformed event_unsigned state_invalid frame_malformed code_refused oauth_error callback_malformed oauth_unavailable',
    'application_without_domain token_refused wrong_application portal_not_allowed not_administrator not_configured',
    'broken_json broken_form range_outside no_such_file too_many_files link_expired file_gone telegram_silent no_default_bot',
    'wrong_secret not_an_update',
    'session_expired session_invalid portal_gone line_off no_bot not_managed bot_elsewhere bot_on_other_line',
    // Of pages in cards and chats of the portal.
    'no_chat no_invitation feature_off portal_not_connected card_unsaved portal_unavailable no_access answer_changed answer_empty answer_too_long',
    // Of scripts that have a message sent.
    'no_portal key_reused',
    // Of posts that robots and senders of the CRM make, and of invitations of theirs.
    'portal_removed wrong_application_token',
    // The log-in page says it.
    'unauthorised',
  ].flatMap((codes) => codes.split(' ')),
);

function codes(): string[] {
  const files = readdirSync(SOURCE, { recursive: true, encoding: 'utf8' }).filter(
    (file) => /(?<!spec)\.ts$/.test(file) && !/^storage.prisma/.test(file),
  );
  return files.flatMap((file) =>
    [...readFileSync(SOURCE + file, 'utf8').matchAll(/(?:new Problem\(\s*\d+,\s*|wrongState\(\s*)'(\w+)'/g)].map(
      ([, code]) => code!,
    ),
  );
}

describe('refusals', () => {
  it('that the console may be answered with have words', () => {
    const found = codes().filter((code) => !ELSEWHERE.has(code));
    expect(found.length).toBeGreaterThan(30);
    expect(found.filter((code) => !Object.hasOwn(en, code))).toEqual([]);
  });

  it('are said in both languages, without a hole where a parameter is missing', () => {
    expect(Object.keys(ru)).toEqual(Object.keys(en));
    for (const [code, words] of Object.entries(ru)) {
      const [russian, english] = [words({}), en[code]!({})];
      expect(russian, code).toMatch(/[а-яё]/i);
      expect(english, code).not.toMatch(/[а-яё]/i);
      expect(russian + english).not.toMatch(/undefined|NaN|\[object/);
    }
  });

  it('name what they are about', () => {
    expect(ru.line_taken!({ lineId: '7' })).toBe('Линию 7 обслуживает другой бот: сначала перенесите или удалите его.');
    expect(ru.invalid_request!({ fields: ['token', 'lineId'] })).toBe('Проверьте введённое: токен, открытая линия.');
    expect(ru.role_too_low!({ required: 'owner', role: 'operator' })).toBe(
      'Нужен ключ с ролью «владелец», а у вашего — «оператор».',
    );
    expect(ru.telegram_unauthorised!({ upstreamCode: '401' })).toBe('Telegram не принимает токен бота (401).');
    expect(ru.too_many_requests!({ retryAfter: 21 })).toBe('Подождите 21 секунду.');
  });
});
