import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsInt, IsOptional, IsString, Matches, Max, MaxLength, Min, ValidateIf } from 'class-validator';
import type { Button } from '../../storage/work/keyboard.js';
import { KeptFileItem } from '../files/files.dto.js';
import { Mark } from '../../relay/said-message.dto.js';

const TITLE_LIMIT = 100;
const SHORTCUT_LIMIT = 32;
/** As long as a message to Telegram; what is longer would arrive in parts. */
export const ANSWER_TEXT_LIMIT = 4_096;
const ID = /^[1-9]\d{0,17}$/;

const trimmed = () => Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value));
const numberIsText = () =>
  Transform(({ value }: { value: unknown }) => (Number.isSafeInteger(value) ? String(value) : value));
/** In lower case, without the slash before it; blank is none. */
const asTyped = () =>
  Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.trim().replace(/^\//, '').toLowerCase() || null : value,
  );
const isNamed = (name: keyof AnswerChangeBody) => ValidateIf((body: AnswerChangeBody) => body[name] !== undefined);

/** What of a ready answer can be changed. What is left out stays. */
export class AnswerChangeBody {
  /** By which operators find it; clients never see it. */
  @ApiPropertyOptional({ type: String, maxLength: TITLE_LIMIT, example: 'Delivery times' })
  @trimmed()
  @isNamed('title')
  @IsString({ message: 'title must be a text' })
  @MaxLength(TITLE_LIMIT, { message: `title must not be longer than ${TITLE_LIMIT} characters` })
  @Matches(/^\P{Cc}+$/u, { message: 'title must be one line of text, and not empty' })
  title?: string;

  /** BBCode, with buttons at its end, and {first_name} and {name} of the client. Empty: only its files are sent. */
  @ApiPropertyOptional({
    type: String,
    maxLength: ANSWER_TEXT_LIMIT,
    example: 'Hello {first_name}! We deliver in [b]two days[/b].',
  })
  @isNamed('text')
  @IsString({ message: 'text must be a text' })
  @MaxLength(ANSWER_TEXT_LIMIT, { message: `text must not be longer than ${ANSWER_TEXT_LIMIT} characters` })
  @Matches(/^[^\0]*$/, { message: 'text must not contain U+0000' })
  text?: string;

  /** What operators type to find it at once, such as `/delivery`; null: none. */
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: SHORTCUT_LIMIT, example: 'delivery' })
  @asTyped()
  @IsOptional()
  @IsString({ message: 'shortcut must be a text, or null' })
  @MaxLength(SHORTCUT_LIMIT, { message: `shortcut must not be longer than ${SHORTCUT_LIMIT} characters` })
  @Matches(/^[\p{L}\p{N}_.-]+$/u, { message: 'shortcut must be one word of letters, digits, _, . or -' })
  shortcut?: string | null;

  /** The open line whose operators have it; null: all lines of the portal. */
  @ApiPropertyOptional({ type: String, nullable: true, pattern: '^\\d+$' })
  @numberIsText()
  @IsOptional()
  @Matches(/^\d{1,10}$/, { message: 'lineId must be the number of an open line (digits), or null' })
  lineId?: string | null;

  /** Language of the clients whom it is for, such as `en`: operators find those of the client's language first. */
  @ApiPropertyOptional({ type: String, nullable: true, example: 'en' })
  @asTyped()
  @IsOptional()
  @Matches(/^[a-z]{2,3}(?:-[a-z0-9]{2,8})?$/, { message: 'language must be a code such as en, or null' })
  language?: string | null;

  /** Its place among the answers of the portal, from 0. */
  @ApiPropertyOptional({ type: 'integer', minimum: 0 })
  @isNamed('place')
  @IsInt({ message: 'place must be a whole number' })
  @Min(0, { message: 'place must not be below 0' })
  @Max(100_000, { message: 'place must not be above 100000' })
  place?: number;
}

/** A new ready answer, which must have a title. It stands at the end, and has no files yet. */
export class NewAnswerBody extends AnswerChangeBody {
  @ApiPropertyOptional({ type: String, pattern: '^\\d+$', description: 'May be left out where there is only one.' })
  @numberIsText()
  @IsOptional()
  @Matches(ID, { message: 'portalId must be the id of a portal' })
  portalId?: string;
}

/** Words that are to be looked at before they are kept. */
export class AnswerTextBody {
  @ApiProperty({ type: String, maxLength: ANSWER_TEXT_LIMIT, example: 'We deliver in [b]two days[/b].' })
  @IsString({ message: 'text must be a text' })
  @MaxLength(ANSWER_TEXT_LIMIT, { message: `text must not be longer than ${ANSWER_TEXT_LIMIT} characters` })
  @Matches(/^[^\0]*$/, { message: 'text must not contain U+0000' })
  text: string;
}

/** A button under the words. */
export class ShownButton {
  text: string;

  @ApiProperty({ enum: ['send', 'open', 'copy', 'unsubscribe'] })
  action: Button['action'];
}

/** How a client sees it. */
@ApiExtraModels(ShownButton)
export class AnswerPreview {
  text: string;

  @ApiProperty({ type: [Mark] })
  marks: Mark[];

  /** Rows of buttons. */
  @ApiProperty({ type: 'array', items: { type: 'array', items: { $ref: getSchemaPath(ShownButton) } } })
  buttons: ShownButton[][];
}

/** A ready answer. */
export class AnswerItem {
  @ApiProperty({ type: String, pattern: '^\\d+$', example: '42' })
  id: string;
  portalId: string;

  /** Null: for every line of the portal. */
  lineId: string | null;
  title: string;
  shortcut: string | null;

  /** BBCode. */
  text: string;
  language: string | null;

  @ApiProperty({ type: [KeptFileItem] })
  files: KeptFileItem[];

  @ApiProperty({ type: AnswerPreview })
  preview: AnswerPreview;
  createdAt: Date;
  createdBy: string;

  /** Another one whenever its words or files have changed. */
  changedAt: Date;
}

/** Ready answers that operators of a line have. */
export class LineAnswers {
  @ApiProperty({ type: [AnswerItem], description: 'In the order that people gave them.' })
  items: AnswerItem[];
}
