import type { ClaimedDelivery, ClaimedLane } from '../../src/storage/work/claimed-lane.js';

/** The private chat of Ivan with the bot 1, as a sender gets it; `clientId` is his id in Telegram. */
export function claimedChat(clientId: number, more: Partial<ClaimedLane['chat']> = {}): ClaimedLane['chat'] {
  return {
    id: 1n,
    botId: 1n,
    portalId: 1n,
    lineId: '7',
    operatorName: 'hidden',
    operatorNameTemplate: null,
    externalId: `tg:${clientId}`,
    externalUserId: `tg:${clientId}`,
    telegramChatId: BigInt(clientId),
    threadId: null,
    businessConnection: null,
    type: 'private',
    title: 'Ivan',
    firstName: 'Ivan',
    lastName: null,
    username: null,
    language: 'en',
    phone: null,
    invitedPhone: null,
    avatarUniqueId: null,
    state: 'active',
    bitrixChatId: null,
    bitrixUserId: null,
    bitrixSessionId: null,
    dialogOpen: null,
    ...more,
  };
}

/** The first attempt to send a message without words. */
export function claimedDelivery(
  message: Partial<ClaimedDelivery['message']>,
  more: Partial<ClaimedDelivery> = {},
): ClaimedDelivery {
  return {
    seq: 1n,
    kind: 'message',
    payload: null,
    attempt: 1,
    unknown: false,
    unknownForMs: 0,
    queuedAt: new Date(),
    waited: false,
    startedAt: new Date(),
    message: {
      id: 1n,
      kind: 'text',
      text: '',
      marks: [],
      attachments: [],
      systemLine: false,
      notOwnWords: false,
      keyboard: null,
      quoted: null,
      answered: null,
      source: null,
      canWait: false,
      replyTo: null,
      authorId: null,
      authorName: null,
      saidAt: null,
      bitrixMessageId: null,
      bitrixChatId: null,
      bitrixLineId: null,
      sameTelegramId: false,
      telegramMessageIds: [],
      telegramParts: [],
      createdAt: new Date(),
      ...message,
    },
    ...more,
  };
}
