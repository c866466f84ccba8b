import { makeUserId, parseChatId } from '../../common/external-ids.js';

/** What chat.id, as Bitrix24 knows it, says of the Telegram chat. */
export interface ExternalChat {
  externalUserId: string;
  telegramChatId: bigint;
  threadId: bigint | null;
  /** Key of a connection of Telegram Business. */
  businessKey: string | null;
  type: 'private' | 'group' | 'supergroup';
}

/** Ids of supergroups and channels begin so; ids of groups are negative, of persons positive (core.telegram.org/api/bots/ids). */
const SUPERGROUP = /^-100\d{10,}$/;

/** Null: it is no chat.id of ours. */
export function parseExternalChat(externalId: string): ExternalChat | null {
  const parts = parseChatId(externalId);
  if (!parts) return null;
  const { telegramChatId, threadId = null, businessKey = null } = parts;
  const isSupergroup = threadId !== null || SUPERGROUP.test(telegramChatId.toString());
  return {
    externalUserId: makeUserId(telegramChatId),
    telegramChatId,
    threadId,
    businessKey,
    type: telegramChatId > 0n ? 'private' : isSupergroup ? 'supergroup' : 'group',
  };
}
