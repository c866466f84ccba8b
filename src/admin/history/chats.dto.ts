import type { ChatState } from '../../storage/prisma/client.js';
import { ApiId, PageOf } from '../page.dto.js';

/** A Telegram chat and the dialog that mirrors it. */
export class ChatItem {
  @ApiId()
  id: string;
  botId: string;
  portalId: string | null;

  /** `chat.id` as Bitrix24 knows it, such as `tg:123456`. */
  externalId: string;
  telegramChatId: string;
  threadId: string | null;

  /** Of Telegram, such as `private`. */
  type: string;
  title: string;
  username: string | null;
  language: string | null;
  phone: string | null;

  /** Payload of the first link by which the client came. */
  source: string | null;

  /** Payload of the newest link by which the client came. */
  lastSource: string | null;

  /** Address of the picture, valid for a while. */
  avatar: string | null;
  bannedAt: Date | null;
  state: ChatState;
  stateReason: string | null;
  bitrixChatId: string | null;
  bitrixSessionId: string | null;
  lastInboundAt: Date | null;
  lastOutboundAt: Date | null;

  /** When somebody last wrote; before that, when the chat began. */
  activeAt: Date;
  createdAt: Date;
}

export class ChatPage extends PageOf(ChatItem) {}
