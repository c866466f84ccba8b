import { ApiProperty, ApiPropertyOptional, PartialType, PickType } from '@nestjs/swagger';
import { Transform, Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsArray,
  IsBoolean,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  MaxLength,
  ValidateIf,
  ValidateNested,
} from 'class-validator';
import { BROADCAST_TEXT_LIMIT } from '../../crm/broadcasts/broadcast-message.js';
import { KeptFileItem } from '../../crm/files/files.dto.js';
import type { BroadcastState } from '../../storage/prisma/client.js';
import { PAUSE_REASONS, type PauseReason } from '../../storage/work/halted-broadcasts.js';
import { IsTime, ListQuery, OptionalId, TIME } from '../admin.dto.js';
import { ApiCount, ApiId, PageOf } from '../page.dto.js';

const NAME_LIMIT = 100;
const BUTTONS_LIMIT = 4_000;
const FILE_LIMIT = 2_000;
const LIST_LIMIT = 20;

const trimmed = () => Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));
/** Nothing of it is none of it. */
const emptyListIsAbsent = () =>
  Transform(({ value }: { value: unknown }) => (Array.isArray(value) && value.length === 0 ? undefined : value));
const blankIsAbsent = () =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() || undefined : value));

/** Some text of up to so many characters. */
const Text = (name: string, limit: number) => (target: object, key: string) => {
  for (const decorate of [
    IsString({ message: `${name} must be a text` }),
    MaxLength(limit, { message: `${name} must not be longer than ${limit} characters` }),
    Matches(/^[^\0]*$/, { message: `${name} must not contain U+0000` }),
  ]) {
    decorate(target, key);
  }
};

/** Which clients: those for whom all of it holds. */
export class AudienceBody {
  @OptionalId()
  botId?: string;

  /** The bot serves this line. */
  @ApiPropertyOptional({ type: String })
  @blankIsAbsent()
  @IsOptional()
  @Text('audience.lineId', 20)
  lineId?: string;

  /** Payload of the first or the newest link by which they came. */
  @ApiPropertyOptional({ type: String, example: 'ads_may' })
  @blankIsAbsent()
  @IsOptional()
  @Text('audience.source', 64)
  source?: string;

  /** `utm_campaign` of a link by which they came. */
  @ApiPropertyOptional({ type: String })
  @blankIsAbsent()
  @IsOptional()
  @Text('audience.campaign', 255)
  campaign?: string;

  /** Of their apps; one of them. */
  @ApiPropertyOptional({ type: [String], example: ['en', 'ru'] })
  @emptyListIsAbsent()
  @IsOptional()
  @IsArray({ message: 'audience.languages must be a list' })
  @ArrayMaxSize(LIST_LIMIT, { message: `audience.languages must not be more than ${LIST_LIMIT}` })
  @Matches(/^[a-z]{2,3}$/, { each: true, message: 'audience.languages must be codes such as en' })
  languages?: string[];

  /** They have one of these. */
  @ApiPropertyOptional({ type: [String], example: ['vip'] })
  @emptyListIsAbsent()
  @IsOptional()
  @IsArray({ message: 'audience.tags must be a list' })
  @ArrayMaxSize(LIST_LIMIT, { message: `audience.tags must not be more than ${LIST_LIMIT}` })
  @Matches(/^\P{Cc}{1,50}$/u, { each: true, message: 'audience.tags must be lines of 1 to 50 characters' })
  tags?: string[];

  /** They wrote last at this time or later. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  lastWordsFrom?: string;

  /** They wrote last before this time. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  lastWordsTo?: string;
}

/** A broadcast as a person writes it. */
export class BroadcastBody {
  /** For you: clients do not see it. */
  @ApiProperty({ type: String, maxLength: NAME_LIMIT, example: 'Sale in May' })
  @trimmed()
  @Text('name', NAME_LIMIT)
  @Matches(/^\P{Cc}+$/u, { message: 'name must be one line of text, and not empty' })
  name: string;

  /** With {first_name} and {name} of the client, and the tags that operators use, such as [b]; [SEND] and [URL] on lines of their own at the end become buttons. */
  @ApiProperty({ type: String, maxLength: BROADCAST_TEXT_LIMIT, example: '[b]Sale[/b]: 10 % off until Sunday' })
  @Text('text', BROADCAST_TEXT_LIMIT)
  text: string;

  /** One a line: `text`, whose press is the client's words, or `text | https://…`. */
  @ApiPropertyOptional({ type: String, maxLength: BUTTONS_LIMIT, default: '' })
  @ValidateIf(({ buttons }: BroadcastBody) => buttons !== undefined)
  @Text('buttons', BUTTONS_LIMIT)
  buttons?: string;

  /** Link to a file of the portal, in place of an uploaded one; any other link is sent as a link. */
  @ApiPropertyOptional({ type: String, maxLength: FILE_LIMIT, default: '' })
  @trimmed()
  @ValidateIf(({ file }: BroadcastBody) => file !== undefined)
  @Text('file', FILE_LIMIT)
  file?: string;

  /** Under it stands a button by which the client ends this. */
  @ApiPropertyOptional({ type: Boolean, default: true })
  @ValidateIf(({ hasUnsubscribe }: BroadcastBody) => hasUnsubscribe !== undefined)
  @IsBoolean({ message: 'hasUnsubscribe must be true or false' })
  hasUnsubscribe?: boolean;

  @ApiPropertyOptional({ type: AudienceBody })
  @ValidateIf(({ audience }: BroadcastBody) => audience !== undefined)
  @IsObject({ message: 'audience must be an object' })
  @ValidateNested()
  @Type(() => AudienceBody)
  audience?: AudienceBody;
}

export class NewBroadcastBody extends BroadcastBody {
  /** Needed where there are several. */
  @OptionalId()
  portalId?: string;

  /** A file is uploaded afterwards, and may be all that there is. */
  @ApiPropertyOptional({ type: Boolean, default: false })
  @ValidateIf(({ hasFile }: NewBroadcastBody) => hasFile !== undefined)
  @IsBoolean({ message: 'hasFile must be true or false' })
  hasFile?: boolean;
}

/** What is left out stays. Once it was started only `name` can be changed. */
export class BroadcastChangeBody extends PartialType(BroadcastBody) {}

/** Whom it would reach, and how long that takes. */
export class PreviewBody extends PartialType(
  PickType(NewBroadcastBody, ['portalId', 'text', 'buttons', 'file', 'hasFile', 'audience'] as const),
) {}

export class TestBody {
  /** `id` of the chat with yourself. */
  @ApiProperty({ type: String, pattern: '^\\d+$', example: '42' })
  @Matches(/^\d{1,18}$/, { message: 'chatId must be the id of a chat' })
  chatId: string;
}

export class BroadcastPreviewItem {
  @ApiCount()
  clients: number;

  /** In the audience, and left out. */
  @ApiCount()
  unsubscribed: number;

  /** In the audience, and left out. */
  @ApiCount()
  blocked: number;

  /** How long it takes if the bots send nothing else. */
  @ApiCount()
  seconds: number;

  /** Names of some of the clients. */
  @ApiProperty({ type: [String] })
  sample: string[];
}

/** Clients, each in one state; those who did something are among the delivered. */
export class BroadcastCountsItem {
  /** Still to be sent. */
  @ApiCount()
  waiting: number;

  @ApiCount()
  sending: number;

  @ApiCount()
  delivered: number;

  @ApiCount()
  failed: number;

  /** Telegram gave no clear answer; it is not sent again. */
  @ApiCount()
  uncertain: number;

  /** They have blocked the bot. */
  @ApiCount()
  blocked: number;

  /** They unsubscribed after the start and before their turn. */
  @ApiCount()
  unsubscribed: number;

  /** Banned, erased, or the bot has left the portal. */
  @ApiCount()
  gone: number;

  /** With their name the text is longer than it may be. */
  @ApiCount()
  too_long: number;

  /** It was stopped before their turn. */
  @ApiCount()
  stopped: number;

  /** Pressed a button; presses of links are not known. */
  @ApiCount()
  pressed: number;

  /** Wrote something within seven days. */
  @ApiCount()
  answered: number;

  /** Unsubscribed within seven days after they had it. */
  @ApiCount()
  left: number;
}

const STATES = ['draft', 'running', 'paused', 'stopped', 'done'] as const;

/** A broadcast, and its report. */
export class BroadcastItem {
  @ApiId()
  id: string;
  portalId: string;
  name: string;
  text: string;
  buttons: string;
  file: string;

  /** The file that was uploaded, if any. */
  @ApiProperty({ type: [KeptFileItem] })
  files: KeptFileItem[];
  hasUnsubscribe: boolean;

  @ApiProperty({ type: AudienceBody })
  audience: AudienceBody;

  @ApiProperty({ enum: STATES })
  state: BroadcastState;

  /** Why the program has paused it; null: a person did, or it is not paused. */
  @ApiProperty({ enum: PAUSE_REASONS, nullable: true })
  pauseReason: PauseReason | null;

  @ApiProperty({ type: BroadcastCountsItem })
  counts: BroadcastCountsItem;
  createdBy: string;
  createdAt: Date;
  startedAt: Date | null;
  finishedAt: Date | null;
}

export class BroadcastPage extends PageOf(BroadcastItem) {}

export class BroadcastsQuery extends ListQuery {
  @OptionalId()
  portal?: string;
}

/** A test that is on its way. */
export class SentTest {
  messageId: string;
}
