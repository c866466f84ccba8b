import { Body, Delete, Get, HttpCode, Param, Patch, Post, Put, Query, Req, StreamableFile } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBody, ApiConsumes, ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { TAKES_FILE } from '../../common/file-bodies.js';
import { inTurns, previewOf } from '../../crm/answers/answer-preview.js';
import {
  AnswerChangeBody,
  AnswerItem,
  AnswerPreview,
  AnswerTextBody,
  NewAnswerBody,
} from '../../crm/answers/answers.dto.js';
import { answerItem, AnswersService } from '../../crm/answers/answers.service.js';
import type { ReadyAnswerRow } from '../../storage/crm/ready-answers.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, canAccess, portalFor, Requires, signatureOf, type Caller } from '../access/caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { idOf, IdPipe, notFound } from '../id.pipe.js';
import { AnswerPage, AnswersQuery } from './answers.dto.js';
import { ChosenPortal } from './chosen-portal.js';

/** Answers that operators find ready in the messenger of Bitrix24. */
@AdminController('answers')
export class AnswersController {
  constructor(
    private readonly answers: AnswersService,
    private readonly chosen: ChosenPortal,
  ) {}

  @Get()
  @ApiOperation({
    summary: 'Ready answers, in the order that people gave them; with `line`, those that its operators have',
  })
  async list(@Query() { limit, cursor, portal, line }: AnswersQuery, @CalledBy() caller: Caller): Promise<AnswerPage> {
    const filter = { portalId: portalFor(caller, idOf(portal)), lineId: line, after: decodeCursor(cursor) };
    const { items, nextCursor } = pageOf(await this.answers.list(filter, limit + 1), limit, (answer) => answer);
    return { items: await inTurns(items, answerItem), nextCursor };
  }

  @Get(':id')
  @ApiOperation({ summary: 'One ready answer' })
  async one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<AnswerItem> {
    return answerItem(await this.find(id, caller));
  }

  @Post()
  @Requires('operator')
  @Audited('answer.create')
  @ApiOperation({ summary: 'Make a ready answer' })
  async make(@Body() { portalId, ...wish }: NewAnswerBody, @CalledBy() caller: Caller): Promise<AnswerItem> {
    const portal = await this.chosen.portal(idOf(portalId), caller);
    return answerItem(await this.answers.make(portal, wish, signatureOf(caller)));
  }

  @Post('preview')
  @HttpCode(200)
  @Requires('read_only')
  @ApiOperation({ summary: 'How clients would see a text; nothing is kept' })
  preview(@Body() { text }: AnswerTextBody): AnswerPreview {
    return previewOf(text);
  }

  @Patch(':id')
  @Requires('operator')
  @Audited('answer.update')
  @ApiOperation({ summary: 'Change title, text, shortcut, line, language or place' })
  async change(
    @Param('id', IdPipe) id: bigint,
    @Body() body: AnswerChangeBody,
    @CalledBy() caller: Caller,
  ): Promise<AnswerItem> {
    return answerItem(await this.answers.change(await this.find(id, caller), body));
  }

  @Delete(':id')
  @HttpCode(204)
  @Requires('operator')
  @Audited('answer.remove')
  @ApiOperation({ summary: 'Delete a ready answer with its files; what was sent stays' })
  async remove(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<void> {
    await this.find(id, caller);
    await this.answers.remove(id);
  }

  @Put(':id/files/:name')
  @RouteConfig(TAKES_FILE)
  @Requires('operator')
  @Audited('answer.file')
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOperation({
    summary: 'Keep the body as a file of the answer, in place of the one of the same name',
    description: 'Up to 10 MB; an answer has up to ten files, a portal up to 100 MB of them.',
  })
  async keepFile(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @Req() { body }: FastifyRequest,
    @CalledBy() caller: Caller,
  ): Promise<AnswerItem> {
    return answerItem(await this.answers.keepFile(await this.find(id, caller), name, body));
  }

  @Get(':id/files/:name')
  @ApiOperation({ summary: 'A file of the answer' })
  @ApiResponse({
    status: 200,
    content: { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } },
  })
  async file(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @CalledBy() caller: Caller,
  ): Promise<StreamableFile> {
    const { content, size } = await this.answers.openFile(await this.find(id, caller), name);
    return new StreamableFile(Readable.from(content), { length: size, disposition: 'attachment' });
  }

  @Delete(':id/files/:name')
  @HttpCode(200)
  @Requires('operator')
  @Audited('answer.file_remove')
  @ApiOperation({ summary: 'Take a file off the answer' })
  async removeFile(
    @Param('id', IdPipe) id: bigint,
    @Param('name') name: string,
    @CalledBy() caller: Caller,
  ): Promise<AnswerItem> {
    return answerItem(await this.answers.removeFile(await this.find(id, caller), name));
  }

  private async find(id: bigint, caller: Caller): Promise<ReadyAnswerRow> {
    const answer = await this.answers.find(id);
    if (!answer || !canAccess(caller, answer.portalId)) throw notFound('No answer', id);
    return answer;
  }
}
