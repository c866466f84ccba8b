import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsOptional, Matches } from 'class-validator';
import { emptyIsAbsent, IsOneOf, IsTime, ListQuery, TIME } from '../admin.dto.js';
import { ApiId, PageOf } from '../page.dto.js';

const OUTCOMES = ['ok', 'failed'] as const;
const METHOD = /^[\w.]{1,100}$/;

/** Which REST requests of a portal. */
export class RequestsQuery extends ListQuery {
  /** The whole name; also of a command in a batch. */
  @ApiPropertyOptional({ type: String, example: 'imconnector.send.messages' })
  @emptyIsAbsent()
  @IsOptional()
  @Matches(METHOD, { message: 'method must be the name of a REST method, such as imconnector.send.messages' })
  method?: string;

  @ApiPropertyOptional({ enum: OUTCOMES })
  @IsOneOf(OUTCOMES)
  outcome?: (typeof OUTCOMES)[number];

  /** Earliest `at`. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  from?: string;

  /** Before this time. */
  @ApiPropertyOptional(TIME)
  @IsTime()
  to?: string;
}

/** One REST request, without anything that it said. */
export class RequestItem {
  @ApiId()
  id: string;
  at: Date;
  method: string;

  /** Of a batch, the methods of its commands, each once. */
  commands: string[];

  @ApiProperty({ type: 'integer', description: 'Milliseconds until the answer was read.' })
  durationMs: number;

  @ApiProperty({ type: 'integer', nullable: true, description: 'HTTP status; null: no answer came.' })
  status: number | null;

  /** Of Bitrix24 or of the connection; of a batch, that of its first command that failed. Null: all went well. */
  errorCode: string | null;

  @ApiProperty({ type: 'integer', nullable: true, description: 'Size of the answer.' })
  bytes: number | null;

  @ApiProperty({
    type: 'number',
    nullable: true,
    description: 'Seconds of execution that the portal has counted for the method within ten minutes.',
  })
  operating: number | null;
}

export class RequestPage extends PageOf(RequestItem) {}
