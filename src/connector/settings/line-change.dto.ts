import { ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsIn, IsOptional, IsString, Matches, MaxLength, ValidateIf } from 'class-validator';

export const OPERATOR_NAMES = ['hidden', 'name', 'template'] as const;

/** Room for it in one message of Telegram, with long names filled in. */
export const WELCOME_LIMIT = 2_000;

/** Blank is none. */
const trimmed = () =>
  Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() || null : value));

/** What is to change about an open line: what its clients read, and what their presses of Start do. What is left out stays. */
export class LineChangeBody {
  /** Before an operator's words. `name`: the operator's name on a line of its own; `template`: a line of your own. */
  @ApiPropertyOptional({ enum: OPERATOR_NAMES })
  @ValidateIf(({ operatorName }: LineChangeBody) => operatorName !== undefined)
  @IsIn(OPERATOR_NAMES, { message: `operatorName must be one of ${OPERATOR_NAMES.join(', ')}` })
  operatorName?: (typeof OPERATOR_NAMES)[number];

  /** Counts with `template` only: a line with {name}, {first_name}, {last_name}, {position}. */
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: 100, example: '{first_name}, {position}:' })
  @trimmed()
  @ValidateIf(
    ({ operatorName, operatorNameTemplate }: LineChangeBody) =>
      operatorName === 'template' || operatorNameTemplate != null,
  )
  @MaxLength(100, { message: 'operatorNameTemplate must not be longer than 100 characters' })
  @Matches(/^(?:[^{}\p{Cc}\p{Zl}\p{Zp}]|\{(?:name|first_name|last_name|position)\})+$/u, {
    message:
      'operatorNameTemplate must be one line of text, its only placeholders {name}, {first_name}, {last_name}, {position}',
  })
  operatorNameTemplate?: string | null;

  /** The bot's answer to /start in private chats, with {first_name} and {name} of the client; null: none. */
  @ApiPropertyOptional({ type: String, nullable: true, maxLength: WELCOME_LIMIT, example: 'Hello {first_name}!' })
  @trimmed()
  @IsOptional()
  @IsString({ message: 'welcomeText must be a text, or null' })
  @MaxLength(WELCOME_LIMIT, { message: `welcomeText must not be longer than ${WELCOME_LIMIT} characters` })
  @Matches(/^[^\0]*$/, { message: 'welcomeText must not contain U+0000' })
  welcomeText?: string | null;

  /**
   * true: a press of Start opens a session, although the client has said nothing; false: operators read of it with the
   * client's first words. One that a link with a payload led to opens a session in either case.
   */
  @ApiPropertyOptional({ type: Boolean })
  @ValidateIf(({ startOpensSession }: LineChangeBody) => startOpensSession !== undefined)
  @IsIn([true, false], { message: 'startOpensSession must be true or false' })
  startOpensSession?: boolean;

  /** true: under the welcome text stands a button by which a client shares the own phone number, until it is known. */
  @ApiPropertyOptional({ type: Boolean })
  @ValidateIf(({ welcomeAsksPhone }: LineChangeBody) => welcomeAsksPhone !== undefined)
  @IsIn([true, false], { message: 'welcomeAsksPhone must be true or false' })
  welcomeAsksPhone?: boolean;
}

/** What the body asks for. Whoever chooses what is shown has chosen the template with it, or none. */
export function lineChange({ operatorName, operatorNameTemplate, ...others }: LineChangeBody): LineChangeBody {
  const template = operatorName === undefined ? operatorNameTemplate : (operatorNameTemplate ?? null);
  return { operatorName, operatorNameTemplate: template, ...others };
}
