import { ApiProperty } from '@nestjs/swagger';
import type { ShownState } from '../storage/history/message-filter.js';
import type { Direction } from '../storage/prisma/client.js';
import type { MarkType } from './rich-text.js';

/** A file of a message. */
export class AttachmentItem {
  kind: string;
  name: string;
  mime: string | null;

  /** Bytes. */
  @ApiProperty({ type: 'integer', nullable: true })
  size: number | null;

  /** What is read in its place where the file cannot go. */
  label: string;

  /** Where a person can look at it, for a while; null for an operator's file, which only the portal has. */
  url: string | null;
}

/** A stretch of formatted text. Offsets and lengths count UTF-16 code units. */
export class Mark {
  type: MarkType;

  @ApiProperty({ type: 'integer', minimum: 0 })
  offset: number;

  @ApiProperty({ type: 'integer', minimum: 0 })
  length: number;

  /** Where a `link` leads. */
  url?: string;

  /** The programming language of a `pre`. */
  language?: string;
}

/** A message as it was said, for whoever reads the conversation. */
export class SaidMessage {
  @ApiProperty({ type: String, pattern: '^\\d+$', example: '42' })
  id: string;

  /** `inbound`: client → operator. */
  direction: Direction;
  state: ShownState;

  /** Such as `text` or `photo`; of what the program says on its own account its source, such as `robot`. */
  kind: string;

  /** A message without words is read by the labels of its files. */
  text: string;

  /** Formatting of `text`. */
  marks: Mark[];
  attachments: AttachmentItem[];
  systemLine: boolean;
  replyToId: string | null;
  replyQuote: string | null;
  authorId: string | null;
  authorName: string | null;
  createdAt: Date;
  seenAt: Date | null;
  editedAt: Date | null;
  deletedAt: Date | null;
}
