/** What chat.id, as Bitrix24 knows it, says of the Telegram chat. */
export interface ExternalChat {
  externalUserId: string;
  telegramChatId: bigint;
  threadId: bigint | null;
  /** Key of a connection of Telegram Business. */
  businessKey: string | null;
  type: 'private' | 'group' | 'supergroup';
}

const EXTERNAL_CHAT = /^tg:(-?[1-9]\d{0,14})(?::(?:b([^:|]+)|([1-9]\d{0,14})))?$/;
/** Ids of supergroups and channels begin so; ids of groups are negative, of persons positive (core.telegram.org/api/bots/ids). */
const SUPERGROUP = /^-100\d{10,}$/;

/** Reads `tg:<chat id>`, `tg:<chat id>:<thread id>` and `tg:<chat id>:b<connection key>`; null: anything else. */
export function parseExternalChat(externalId: string): ExternalChat | null {
  const [, id, businessKey, threadId] = EXTERNAL_CHAT.exec(externalId) ?? [];
  if (!id) return null;
  return {
    externalUserId: `tg:${id}`,
    telegramChatId: BigInt(id),
    threadId: threadId ? BigInt(threadId) : null,
    businessKey: businessKey ?? null,
    type: !id.startsWith('-') ? 'private' : threadId || SUPERGROUP.test(id) ? 'supergroup' : 'group',
  };
}
