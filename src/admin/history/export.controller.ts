import { Get, Query, Res } from '@nestjs/common';
import { ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, Requires, type Caller } from '../access/caller.js';
import { ExportQuery } from './export.dto.js';
import { CONTENT_TYPES } from './export.format.js';
import { ExportService } from './export.service.js';
import { messageFilter } from './messages.service.js';

/** The history to be taken away. */
@AdminController('export')
export class ExportController {
  constructor(private readonly exports: ExportService) {}

  @Get('messages')
  @Requires('read_only')
  @Audited('messages.export')
  @ApiOperation({
    summary: 'Messages as a file, oldest first',
    description:
      'Streamed, whatever its length, in the order of the history: what is stored while it runs may be in it. A failure ' +
      'cuts the connection, so that a file that ended is whole. `csv` is UTF-8 with a byte order mark; a cell that a ' +
      'spreadsheet would take for a formula begins with an apostrophe. Files are named, not contained.',
  })
  @ApiResponse({
    status: 200,
    description: 'The messages.',
    content: { 'application/x-ndjson': { schema: { type: 'string' } }, 'text/csv': { schema: { type: 'string' } } },
  })
  @ApiResponse({ status: 429, description: '`too_many_exports`: two are running in this process already.' })
  messages(@Query() query: ExportQuery, @CalledBy() caller: Caller, @Res() reply: FastifyReply): void {
    const { format } = query;
    const filter = messageFilter(query, caller);
    const stream = this.exports.messages(filter, format);
    void reply
      .type(CONTENT_TYPES[format])
      .header('content-disposition', `attachment; filename="${fileName(query, filter.portalId, new Date())}"`)
      .send(stream);
  }
}

/** `messages-portal-1-chat-5-from-2026-01-01-to-2026-02-01-exported-2026-11-22.csv` */
export function fileName(query: ExportQuery, portalId: bigint | undefined, now: Date): string {
  const day = (time: string) => new Date(time).toISOString().slice(0, 10);
  const parts = [
    'messages',
    portalId !== undefined && `portal-${portalId}`,
    query.bot !== undefined && `bot-${query.bot}`,
    query.chat !== undefined && `chat-${query.chat}`,
    query.from !== undefined && `from-${day(query.from)}`,
    query.to !== undefined && `to-${day(query.to)}`,
    `exported-${day(now.toISOString())}`,
  ];
  return `${parts.filter(Boolean).join('-')}.${query.format}`;
}
