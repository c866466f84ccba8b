import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min } from 'class-validator';
import { SaidMessage } from '../../relay/said-message.dto.js';
import type { ChatState } from '../../storage/prisma/client.js';
import { HasWordsUnlessFiles, IsMessageFiles } from '../files/message-files.dto.js';
import { LinkItem } from '../links/links.dto.js';

const ID = /^[1-9]\d{0,17}$/;
/** Longer ones are several messages in Telegram; an employee sees what they write. */
export const CARD_TEXT_LIMIT = 4_096;
const TEXT = `text must be a text of 1 to ${CARD_TEXT_LIMIT} characters that is more than white space; beside files it may be empty`;
const PAGE_LIMIT = 100;

/** Whose card it is. */
export class CardEntity {
  /** `lead`, `deal`, `contact`, `company`, or `dynamic_183` of a smart process. */
  type: string;
  id: string;

  /** Empty: it has no name. */
  title: string;
}

/** One of the entity's conversations. */
export class CardChat {
  @ApiProperty({ type: String, pattern: '^\\d+$', example: '42' })
  id: string;
  title: string;

  /** Of the client, in Telegram. */
  username: string | null;

  /** As people call it, such as `@shop_bot`. */
  bot: string;

  /** Null: the bot serves no line, so that nobody can write. */
  lineId: string | null;
  state: ChatState;

  /** What the client writes is kept, and not shown to operators. */
  banned: boolean;

  /** What the client has said that this employee has not seen here; 100 stands for more, too. */
  @ApiProperty({ type: 'integer', minimum: 0 })
  unread: number;

  /** The first of that. */
  firstUnreadId: string | null;
}

/** A line to whose bot a client can be invited. */
export class CardLine {
  lineId: string;
  bot: string;
}

/** The tab in a card. */
export class CardState {
  entity: CardEntity;

  @ApiProperty({ type: [CardChat], description: 'Newest session first.' })
  chats: CardChat[];

  @ApiProperty({ type: [CardLine], description: 'Empty: no bot serves a line.' })
  lines: CardLine[];

  @ApiProperty({ type: [LinkItem], description: 'Invitations that can still be used, newest first.' })
  invitations: LinkItem[];
}

/** A message in a card. */
export class CardMessage extends SaidMessage {
  /** Why it did not arrive, in the reader's language; null: it did, or is on its way. */
  problem: string | null;
}

/** Newest first. */
export class CardMessages {
  @ApiProperty({ type: [CardMessage] })
  items: CardMessage[];

  /** Leads to older messages; null: there are none. */
  nextCursor: string | null;

  /** Leads to newer messages; null: there are none. Only with `around` and `cursor`. */
  previousCursor?: string | null;
}

/** Which page of a conversation. */
export class CardMessagesQuery {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: PAGE_LIMIT, default: 50 })
  @Transform(({ value }: { value: unknown }) => Number(value))
  @IsOptional()
  @IsInt({ message: `limit must be a number from 1 to ${PAGE_LIMIT}` })
  @Min(1)
  @Max(PAGE_LIMIT)
  limit: number = 50;

  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsString()
  @MaxLength(100)
  cursor?: string;

  /** Id of a message: the page has it in its middle. */
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @Matches(ID, { message: 'around must be the id of a message' })
  around?: string;
}

/** What is to be written to the client. */
export class CardWords {
  /** Plain text; beside files it may be empty. */
  @ApiProperty({ type: String, maxLength: CARD_TEXT_LIMIT })
  @IsString({ message: TEXT })
  @MaxLength(CARD_TEXT_LIMIT, { message: TEXT })
  @Matches(/^[^\0]*$/, { message: TEXT })
  @HasWordsUnlessFiles(TEXT)
  text: string;

  @IsMessageFiles()
  files?: string[];

  /** Made by the page for each message: what is sent twice with one key is written once. */
  @ApiProperty({ type: String, example: '4f7c1c62-0f5e-4a43-9a0a-3f1f6f0c8a11' })
  @Matches(/^[\w-]{16,64}$/, { message: 'key must be 16 to 64 letters, digits, _ or -' })
  key: string;
}

/** What became of it. */
export class CardWritten {
  /** Null: it was written with this key before, and is erased by now. */
  messageId: string | null;
}

/** Up to where it was seen. */
export class CardSeen {
  @ApiProperty({ type: String, pattern: '^\\d+$' })
  @Matches(ID, { message: 'messageId must be the id of a message' })
  messageId: string;
}

/** To whose bot. */
export class CardInvitationBody {
  /** May be left out where there is one. */
  @ApiPropertyOptional({ type: String, pattern: '^\\d+$' })
  @IsOptional()
  @Matches(ID, { message: 'lineId must be the number of an open line' })
  lineId?: string;
}
