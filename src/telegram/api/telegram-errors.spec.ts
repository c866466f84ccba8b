import { describe, expect, it } from 'vitest';
import { GatewayAnswer, type Page } from './gateway-page.js';
import { classifyFailure, classifyRefusal, GroupMigrated } from './telegram-errors.js';

const refusal = (error_code: number, description: string, parameters?: { retry_after?: number }) =>
  classifyRefusal({ error_code, description, ...(parameters && { parameters }) });

describe('an error answer of the Bot API', () => {
  it.each([
    [429, 'Too Many Requests: retry after 5', 'not_sent', 'chat', '429'],
    [401, 'Unauthorized', 'unauthorised', 'endpoint', '401'],
    [404, 'Not Found', 'unauthorised', 'endpoint', '404'],
    [409, 'Conflict: terminated by other getUpdates request', 'not_sent', 'endpoint', '409'],
    [500, 'Internal Server Error', 'not_sent', 'endpoint', '500'],
    [500, 'Internal Server Error: sent message was immediately deleted', 'unknown', 'message', '500'],
    [502, 'Bad Gateway', 'not_sent', 'endpoint', '502'],
    [504, 'Gateway Timeout', 'unknown', 'endpoint', '504'],
    [403, 'Forbidden: bot was blocked by the user', 'refused', 'chat', 'bot_blocked'],
    [403, 'Forbidden: user is deactivated', 'refused', 'chat', 'user_deactivated'],
    [403, 'Forbidden: bot was kicked from the group chat', 'refused', 'chat', 'bot_removed'],
    [403, "Forbidden: bot can't initiate conversation with a user", 'refused', 'chat', 'conversation_not_started'],
    [400, 'Bad Request: chat not found', 'refused', 'message', 'chat_not_found'],
    [400, 'Bad Request: message is too long', 'refused', 'message', 'too_long'],
    [400, 'Bad Request: group chat was upgraded to a supergroup chat', 'refused', 'message', 'group_migrated'],
    [400, 'Bad Request: something new', 'refused', 'message', 'refused'],
    [400, 'Bad Request: message thread not found', 'refused', 'message', 'topic_deleted'],
    [400, 'Bad Request: TOPIC_CLOSED', 'refused', 'message', 'topic_closed'],
    [400, 'Bad Request: message to be replied not found', 'refused', 'message', 'reply_refused'],
    [400, 'Bad Request: QUOTE_TEXT_INVALID', 'refused', 'message', 'quote_refused'],
    [400, 'Bad Request: BUSINESS_PEER_USAGE_MISSING', 'refused', 'message', 'business_window'],
    [400, 'Bad Request: BUSINESS_PEER_INVALID', 'refused', 'message', 'business_excluded'],
    [400, 'Bad Request: business connection not found', 'refused', 'message', 'business_disconnected'],
    [400, 'Bad Request: message is not modified: specified new …', 'refused', 'message', 'not_modified'],
    [400, 'Bad Request: message to edit not found', 'refused', 'message', 'message_gone'],
    [400, "Bad Request: message can't be edited", 'refused', 'message', 'edit_refused'],
    [400, "Bad Request: message can't be deleted for everyone", 'refused', 'message', 'delete_refused'],
    [400, 'Bad Request: not enough rights to send photos to the chat', 'refused', 'message', 'no_rights'],
    [400, "Bad Request: entity URL 'http://a/' is invalid: Wrong HTTP URL", 'refused', 'message', 'entities_refused'],
    [400, "Bad Request: entity URL 'https://a/it's kicked' is invalid: …", 'refused', 'message', 'entities_refused'],
    [400, "Bad Request: can't parse entities: unexpected end tag", 'refused', 'message', 'entities_refused'],
    [400, 'Bad Request: entity begins after the end of the text', 'refused', 'message', 'entities_refused'],
    [400, 'Bad Request: ENTITY_BOUNDS_INVALID', 'refused', 'message', 'entities_refused'],
    [400, 'Bad Request: ENTITIES_TOO_LONG', 'refused', 'message', 'entities_refused'],
    [400, "Bad Request: URL 'https://a/blocked by the user' is invalid", 'refused', 'message', 'refused'],
    [400, 'Bad Request: wrong file "kicked.jpg" specified', 'refused', 'message', 'refused'],
    [400, 'Bad Request: message caption is too long', 'refused', 'message', 'caption_too_long'],
    [400, 'Bad Request: PHOTO_INVALID_DIMENSIONS', 'refused', 'message', 'media_refused'],
    [400, 'Bad Request: IMAGE_PROCESS_FAILED', 'refused', 'message', 'media_refused'],
    [400, 'Bad Request: VOICE_MESSAGES_FORBIDDEN', 'refused', 'message', 'voice_forbidden'],
    [400, "Bad Request: Can't use the media of the specified type in the album", 'refused', 'message', 'media_refused'],
    [400, 'Bad Request: wrong file_id or the file is temporarily unavailable', 'refused', 'message', 'file_id_refused'],
    [413, 'Request Entity Too Large', 'refused', 'message', 'file_too_large'],
  ])('%i %s is %s', (status, description, kind, scope, code) => {
    expect(refusal(status, description)).toMatchObject({ network: 'telegram', kind, scope, code, detail: description });
  });

  it('names the supergroup that a group became', () => {
    const parameters = { migrate_to_chat_id: -1001234567890 };
    const error = classifyRefusal({ error_code: 400, description: 'Bad Request: group chat was upgraded', parameters });
    expect(error).toBeInstanceOf(GroupMigrated);
    expect(error).toMatchObject({ kind: 'refused', code: 'group_migrated', chatId: -1001234567890n });
  });

  it('names the time to wait in milliseconds, a second when it is missing', () => {
    expect(refusal(429, 'Too Many Requests', { retry_after: 35 }).retryAfterMs).toBe(35_000);
    expect(refusal(429, 'Too Many Requests').retryAfterMs).toBe(1_000);
  });
});

describe('an exchange without an answer of the Bot API', () => {
  it.each([
    ['ECONNREFUSED', 'not_sent'],
    ['ENOTFOUND', 'not_sent'],
    ['EAI_AGAIN', 'not_sent'],
    ['CERT_HAS_EXPIRED', 'not_sent'],
    ['ECONNRESET', 'unknown'],
    ['EPIPE', 'unknown'],
  ])('%s is %s', (code, kind) => {
    const error = Object.assign(new Error('failed'), { code });
    expect(classifyFailure(error)).toMatchObject({ kind, code, scope: 'endpoint' });
    expect(classifyFailure(new Error('outer', { cause: error }))).toMatchObject({ kind, code });
  });

  const page = (status: number, more: Partial<Page> = {}) =>
    classifyFailure(
      new GatewayAnswer({ status, afterMs: 10, title: null, location: null, retryAfterMs: undefined, ...more }),
    );

  it.each([
    [200, 'unknown'],
    [302, 'not_sent'],
    [403, 'not_sent'],
    [404, 'not_sent'],
    [413, 'refused'],
    [429, 'not_sent'],
    [500, 'unknown'],
    [502, 'not_sent'],
    [503, 'not_sent'],
    [504, 'unknown'],
    [520, 'unknown'],
    [521, 'not_sent'],
    [522, 'not_sent'],
    [523, 'not_sent'],
    [524, 'unknown'],
    [525, 'not_sent'],
    [526, 'not_sent'],
    [527, 'unknown'],
    [530, 'not_sent'],
  ])('a page with %i is %s', (status, kind) => {
    const scope = status === 413 ? 'message' : 'endpoint';
    expect(page(status)).toMatchObject({ kind, scope, code: status === 413 ? 'file_too_large' : String(status) });
  });

  it('believes a late 522 of Cloudflare nothing: it may come of a request that was not acknowledged', () => {
    expect(page(522, { afterMs: 95_000 }).kind).toBe('unknown');
  });

  it('obeys the Retry-After of a page, five minutes at most', () => {
    expect(page(429, { retryAfterMs: 7_000 }).retryAfterMs).toBe(7_000);
    expect(page(429, { retryAfterMs: 86_400_000 }).retryAfterMs).toBe(300_000);
    expect(page(429).retryAfterMs).toBeUndefined();
  });

  it('says what the page says', () => {
    expect(page(521, { title: 'Web server is down' }).detail).toBe(
      'A relay or proxy answered with a page: Web server is down (HTTP 521)',
    );
    expect(page(301, { location: 'https://other.example' }).detail).toContain('leads to https://other.example');
  });

  it('a timeout is unknown', () => {
    expect(classifyFailure(new Error('Request timed out after 30 seconds'))).toMatchObject({
      kind: 'unknown',
      code: 'TIMEOUT',
    });
  });

  it('carries no token', () => {
    const url = 'https://api.telegram.org/bot123456789:AAEhBOweik6ad9r_QXMENQjcrGbqCr4K-bc/sendMessage';
    const { detail, message } = classifyFailure(new Error(`request to ${url} failed`));
    expect(detail + message).not.toContain('AAEhBOweik6ad9r');
  });
});
