import { describe, expect, it } from 'vitest';
import { parseExternalChat } from './external-chat.js';

describe('a chat by the id that Bitrix24 knows', () => {
  it.each([
    ['tg:123456', 123456n, null, null, 'private'],
    ['tg:123456:77', 123456n, 77n, null, 'private'],
    ['tg:123456:bAb-_9', 123456n, null, 'Ab-_9', 'private'],
    ['tg:-42', -42n, null, null, 'group'],
    ['tg:-1001234567890', -1001234567890n, null, null, 'supergroup'],
    ['tg:-1001234567890:5', -1001234567890n, 5n, null, 'supergroup'],
  ])('%s', (externalId, telegramChatId, threadId, businessKey, type) => {
    const externalUserId = externalId.split(':', 2).join(':');
    expect(parseExternalChat(externalId)).toEqual({ externalUserId, telegramChatId, threadId, businessKey, type });
  });

  it.each(['', 'tg:', 'tg:0', 'tg:x', 'tg:1:', 'tg:1:b', 'tg:1:0', 'tg:1:2:3', 'wa:1', ' tg:1', 'tg:1234567890123456'])(
    '%j is none',
    (externalId) => expect(parseExternalChat(externalId)).toBeNull(),
  );
});
