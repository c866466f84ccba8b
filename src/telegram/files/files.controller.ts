import { finished } from 'node:stream';
import { Controller, Get, Head, Headers, Param, Res } from '@nestjs/common';
import { ApiHeader, ApiOperation, ApiParam, ApiProduces, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { contentDisposition, contentType } from './file-headers.js';
import { FilesService, type FileFacts } from './files.service.js';

/** Where Bitrix24 fetches what clients sent. The token is the only key, and opens one file for a while. */
@ApiTags('Files')
@ApiParam({ name: 'token', description: 'Names the file and its time, signed' })
@ApiResponse({ status: 404, description: 'Nobody made this link, or Telegram does not give the file' })
@ApiResponse({ status: 410, description: 'The time of the link is over' })
@ApiResponse({ status: 502, description: 'Telegram is in trouble' })
@ApiResponse({ status: 503, description: 'Too many files are under way' })
@ApiResponse({ status: 504, description: 'Telegram does not answer' })
@Controller('files')
export class FilesController {
  constructor(private readonly files: FilesService) {}

  @Head(':token')
  @ApiOperation({ summary: "Name, type and size of a client's file" })
  @ApiResponse({ status: 200, description: 'The file can be had' })
  async describe(@Param('token') token: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    const file = await this.files.describe(token, endOf(reply));
    name(reply, file);
    if (file.size !== null) void reply.header('content-length', file.size);
  }

  @Get(':token')
  @ApiOperation({ summary: "A client's file, once it is here to its last byte" })
  @ApiHeader({ name: 'Range', required: false, description: 'One part' })
  @ApiProduces('application/octet-stream')
  @ApiResponse({ status: 200, description: 'The file' })
  @ApiResponse({ status: 206, description: 'The part that was asked for' })
  async read(
    @Param('token') token: string,
    @Headers('range') range: string | undefined,
    @Headers('if-range') condition: string | undefined,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    // We send no validators, so no condition can be met and the whole file is the answer.
    const file = await this.files.open(token, condition === undefined ? range : undefined, endOf(reply));
    name(reply, file);
    void reply.headers({ 'content-length': file.length, 'accept-ranges': 'bytes' });
    if (file.contentRange !== null) void reply.status(206).header('content-range', file.contentRange);
    await reply.send(file.stream);
  }
}

/** A client's file is never shown as a page of ours: it is named, typed and offered as a download. */
function name(reply: FastifyReply, file: FileFacts): void {
  void reply.headers({
    'content-type': contentType(file.mime, file.name),
    'content-disposition': contentDisposition(file.name),
    'cache-control': 'private, no-store',
    'x-content-type-options': 'nosniff',
  });
}

/** Aborted when the answer is written or its reader has gone. */
function endOf(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  finished(reply.raw, () => controller.abort());
  return controller.signal;
}
