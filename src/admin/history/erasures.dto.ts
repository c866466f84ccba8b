import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsOptional, IsString, MaxLength } from 'class-validator';
import { IsId, ListQuery } from '../admin.dto.js';
import { ApiCount, ApiId, PageOf } from '../page.dto.js';

/** Said again, so that nobody is erased by a slip of the hand. */
export class ErasureBody {
  /** The chat's `externalId`. */
  @ApiProperty({ type: String, example: 'tg:123456' })
  @IsString({ message: 'confirm must be the externalId of the chat' })
  @MaxLength(200, { message: 'confirm must be the externalId of the chat' })
  confirm: string;
}

/** Which receipts. */
export class ErasuresQuery extends ListQuery {
  @ApiPropertyOptional({ type: String })
  @IsOptional()
  @IsId()
  portal?: string;

  /** Of this client alone. */
  @ApiPropertyOptional({ type: String, example: 'tg:123456' })
  @Transform(({ value }: { value: unknown }) => (value === '' ? undefined : value))
  @IsOptional()
  @IsString({ message: 'user must be a text, given once' })
  @MaxLength(200, { message: 'user must not be longer than 200 characters' })
  user?: string;
}

/** What remains of an erased client or group: it names nobody. */
export class Receipt {
  @ApiId()
  id: string;
  at: Date;

  /** Null: the erasure is under way. */
  finishedAt: Date | null;

  /** Whose key asked for it, and from which address: `Anna#3@ip`, `admin@ip`. */
  actor: string;
  portalId: string | null;

  /** Keyed hash of the client's id, in hex. */
  subject: string;

  @ApiCount()
  chats: number;

  @ApiCount()
  messages: number;

  @ApiCount()
  attachments: number;

  @ApiCount()
  revisions: number;

  @ApiCount()
  deliveries: number;

  @ApiCount()
  events: number;
}

export class ReceiptPage extends PageOf(Receipt) {}
