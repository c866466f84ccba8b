import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, IsArray, IsOptional, IsString, Matches, MaxLength } from 'class-validator';
import { HasWordsUnlessFiles, IsMessageFiles } from '../../crm/files/message-files.dto.js';
import type { ChatState } from '../../storage/prisma/client.js';
import { ApiId, PageOf } from '../page.dto.js';

/** Longer texts are several messages in Telegram, and 20 of those are no message any more. */
const TEXT_LIMIT = 20_000;
const TEXT = `text must be a text of 1 to ${TEXT_LIMIT} characters that is more than white space; beside files it may be empty`;
const KEY = 'key must be 1 to 200 characters without U+0000';

/** What is to be written to the client. */
export class WriteBody {
  /** Plain text; beside files it may be empty. */
  @ApiProperty({ type: String, maxLength: TEXT_LIMIT, example: 'Your order has arrived.' })
  @IsString({ message: TEXT })
  @MaxLength(TEXT_LIMIT, { message: TEXT })
  @HasWordsUnlessFiles(TEXT)
  text: string;

  @IsMessageFiles()
  files?: string[];

  /** What is written twice with one key is sent once; the header Idempotency-Key says the same. */
  @ApiPropertyOptional({ type: String, minLength: 1, maxLength: 200, example: 'order-17-arrived' })
  @IsOptional()
  @Matches(/^[^\0]{1,200}$/, { message: KEY })
  key?: string;
}

const TAG = 'each of tags must be a line of 1 to 50 characters';

/** What of a chat can be changed. */
export class ChatChangeBody {
  /** All of them: those that are left out are taken away. */
  @ApiProperty({ type: [String], maxItems: 20, example: ['vip'] })
  @IsArray({ message: 'tags must be a list' })
  @ArrayMaxSize(20, { message: 'tags must not be more than 20' })
  @IsString({ each: true, message: TAG })
  @Matches(/^(?=.*\S)\P{Cc}{1,50}$/u, { each: true, message: TAG })
  tags: string[];
}

/** What became of it. */
export class WrittenMessage {
  /** `id` of the message; null: it was sent with this key before, and is erased by now. */
  @ApiProperty({ type: String, nullable: true })
  messageId: string | null;

  /** It had been written with this key before: nothing was done now. */
  isRepeated: boolean;
}

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

  /** The client wants no broadcasts and no advertising since then. */
  unsubscribedAt: Date | null;

  /** Of your own, by which broadcasts find their clients. */
  @ApiProperty({ type: [String], example: ['vip'] })
  tags: string[];
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
