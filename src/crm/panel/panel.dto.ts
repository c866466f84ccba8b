import { ApiProperty } from '@nestjs/swagger';
import { IsISO8601, Matches } from 'class-validator';
import type { ChatState } from '../../storage/prisma/client.js';
import { AnswerPreview } from '../answers/answers.dto.js';
import { KeptFileItem } from '../files/files.dto.js';
import { EntityBody, UtmBody } from '../links/links.dto.js';

/** A way by which the client came to the bot. */
export class PanelSource {
  /** Of the link; null: it has no name here. */
  name: string | null;

  /** What the link carried. */
  payload: string;

  @ApiProperty({ type: UtmBody })
  utm: UtmBody;

  /** Of an invitation: whom it was for. */
  @ApiProperty({ type: EntityBody, nullable: true })
  entity: EntityBody | null;
  at: Date;
}

/** The client of the dialog. */
export class PanelChat {
  @ApiProperty({ enum: ['private', 'group', 'supergroup', 'channel', 'direct_messages'] })
  type: string;
  title: string;

  /** In Telegram, without the @. */
  username: string | null;

  /** As Telegram names it, such as `en`. */
  language: string | null;

  /** The number that the client has shared as their own. */
  phone: string | null;

  /** As people call it, such as `@shop_bot`. */
  bot: string;

  /** Null: the bot serves no line of the portal now. */
  lineId: string | null;

  @ApiProperty({ enum: ['active', 'blocked'] })
  state: ChatState;

  /** What the client writes is kept, and not shown to operators. */
  banned: boolean;
  since: Date;

  /** When the client wrote last. */
  lastAt: Date | null;

  @ApiProperty({ type: [PanelSource], description: 'Newest first.' })
  sources: PanelSource[];
}

/** A ready answer, with the client's name filled in. */
export class PanelAnswer {
  @ApiProperty({ type: String, pattern: '^\\d+$' })
  id: string;
  title: string;
  shortcut: string | null;

  /** BBCode, for the operator's own input field. */
  text: string;
  language: string | null;

  @ApiProperty({ type: [KeptFileItem] })
  files: KeptFileItem[];

  @ApiProperty({ type: AnswerPreview })
  preview: AnswerPreview;

  /** Another one whenever its words or files have changed. */
  changedAt: Date;
}

/** The panel beside a dialog. */
export class PanelState {
  /** Null: the dialog is of another connector, or its client was erased. */
  @ApiProperty({ type: PanelChat, nullable: true })
  chat: PanelChat | null;

  @ApiProperty({ type: [PanelAnswer], description: 'Those for the language of the client first.' })
  answers: PanelAnswer[];
}

/** Another chat of the same client. */
export class PanelOther {
  /** As people call it, such as `@shop_bot`. */
  bot: string;
  lineId: string | null;

  @ApiProperty({ enum: ['active', 'blocked'] })
  state: ChatState;
  lastAt: Date | null;

  /** Where the portal shows it. */
  url: string;
}

export class PanelOthers {
  @ApiProperty({ type: [PanelOther], description: 'Only those that this employee may see.' })
  items: PanelOther[];
}

/** Which version of an answer is to be sent. */
export class PanelSendBody {
  /** `changedAt` of the answer as the employee sees it. */
  @ApiProperty({ type: String, format: 'date-time' })
  @IsISO8601({ strict: true }, { message: 'changedAt must be a time as in ISO 8601' })
  changedAt: string;

  /** Made by the page for each press: what is sent twice with one key is sent once. */
  @ApiProperty({ type: String, example: '4f7c1c62-0f5e-4a43-9a0a-3f1f6f0c8a11' })
  @Matches(/^[\w-]{16,64}$/, { message: 'key must be 16 to 64 letters, digits, _ or -' })
  key: string;
}

/** What became of it. */
export class PanelSent {
  /** Null: it was sent with this key before, and is erased by now. */
  messageId: string | null;

  /** It was sent with this key before, and only then. */
  isRepeated: boolean;
}
