import { ApiProperty, ApiPropertyOptional, ApiSchema } from '@nestjs/swagger';

/** RFC 9457. `code` is stable and for machines; `detail` says what happened and what to do. */
@ApiSchema({
  name: 'Problem',
  description: 'RFC 9457. `code` is stable and for machines; `detail` says what happened and what to do.',
})
export class ProblemBody {
  type: string;
  title: string;

  @ApiProperty({ type: 'integer', example: 404 })
  status: number;

  @ApiProperty({ example: 'not_found' })
  code: string;
  detail: string;

  /** The log has the cause under this id. */
  id?: string;

  /** Seconds. */
  @ApiPropertyOptional({ type: 'integer' })
  retryAfter?: number;
}
