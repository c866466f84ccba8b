import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, Put, Req, UseGuards } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { ApiBearerAuth, ApiBody, ApiConsumes, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { TAKES_FILE } from '../../common/file-bodies.js';
import { Problem } from '../../common/problem.js';
import { SETTINGS_API } from '../../connector/settings/settings-api.controller.js';
import { OpenedBy, personOf, SettingsGuard } from '../../connector/settings/settings.guard.js';
import type { SettingsSession } from '../../connector/settings/settings-sessions.js';
import { AuditRepository } from '../../storage/accounts/audit.repository.js';
import type { ReadyAnswerRow } from '../../storage/crm/ready-answers.repository.js';
import { inTurns, previewOf } from './answer-preview.js';
import { AnswerChangeBody, AnswerItem, LineAnswers, AnswerPreview, AnswerTextBody } from './answers.dto.js';
import { answerItem, AnswersService } from './answers.service.js';

/** What the settings page does with ready answers: those of the line for which it was opened, and those of all lines. */
@ApiTags('Bitrix24')
@ApiBearerAuth('settings page')
@UseGuards(SettingsGuard)
@Controller(`${SETTINGS_API.slice(1)}/answers`)
export class SettingsAnswersController {
  constructor(
    private readonly answers: AnswersService,
    private readonly entries: AuditRepository,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Ready answers that operators of the line have, in their order' })
  async list(@OpenedBy() { portalId, lineId }: SettingsSession): Promise<LineAnswers> {
    return { items: await inTurns(await this.answers.list({ portalId, lineId }), answerItem) };
  }

  @Post()
  @HttpCode(200)
  @ApiOperation({ summary: 'Make a ready answer, of the line or of all lines' })
  async make(@OpenedBy() session: SettingsSession, @Body() body: AnswerChangeBody): Promise<AnswerItem> {
    checkLine(session, body);
    const answer = await this.answers.make(session.portalId, body, personOf(session));
    await this.record(session, 'answer.create', answer);
    return answerItem(answer);
  }

  @Post('preview')
  @HttpCode(200)
  @ApiOperation({ summary: 'How clients would see a text; nothing is kept' })
  preview(@Body() { text }: AnswerTextBody): AnswerPreview {
    return previewOf(text);
  }

  @Patch(':id')
  @ApiOperation({ summary: 'Change title, text, shortcut, line, language or place' })
  async change(
    @OpenedBy() session: SettingsSession,
    @Param('id') id: string,
    @Body() body: AnswerChangeBody,
  ): Promise<AnswerItem> {
    checkLine(session, body);
    const answer = await this.answers.change(await this.find(session, id), body);
    await this.record(session, 'answer.update', answer);
    return answerItem(answer);
  }

  @Delete(':id')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a ready answer with its files; what was sent stays' })
  async remove(@OpenedBy() session: SettingsSession, @Param('id') id: string): Promise<void> {
    const answer = await this.find(session, id);
    await this.answers.remove(answer.id);
    await this.record(session, 'answer.remove', answer);
  }

  @Put(':id/files/:name')
  @RouteConfig(TAKES_FILE)
  @ApiConsumes('application/octet-stream')
  @ApiBody({ schema: { type: 'string', format: 'binary' } })
  @ApiOperation({ summary: 'Keep the body as a file of the answer, in place of the one of the same name' })
  async keepFile(
    @OpenedBy() session: SettingsSession,
    @Param('id') id: string,
    @Param('name') name: string,
    @Req() { body }: FastifyRequest,
  ): Promise<AnswerItem> {
    const answer = await this.answers.keepFile(await this.find(session, id), name, body);
    await this.record(session, 'answer.file', answer, { name });
    return answerItem(answer);
  }

  @Delete(':id/files/:name')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take a file off the answer' })
  async removeFile(
    @OpenedBy() session: SettingsSession,
    @Param('id') id: string,
    @Param('name') name: string,
  ): Promise<AnswerItem> {
    const answer = await this.answers.removeFile(await this.find(session, id), name);
    await this.record(session, 'answer.file_remove', answer, { name });
    return answerItem(answer);
  }

  private async find({ portalId, lineId }: SettingsSession, id: string): Promise<ReadyAnswerRow> {
    const answer = /^\d{1,18}$/.test(id) ? await this.answers.find(BigInt(id)) : null;
    if (answer?.portalId === portalId && (answer.lineId === null || answer.lineId === lineId)) return answer;
    throw new Problem(404, 'not_found', 'The line has no such answer.');
  }

  private async record(
    session: SettingsSession,
    action: string,
    { id, title }: ReadyAnswerRow,
    detail: Record<string, string> = {},
  ): Promise<void> {
    const { portalId, lineId } = session;
    const subject = `answer:${id}`;
    await this.entries.record({
      actor: personOf(session),
      action,
      subject,
      portalId,
      detail: { lineId, title, ...detail },
    });
  }
}

/** The page speaks for its line, and may speak for all. */
function checkLine({ lineId: own }: SettingsSession, { lineId }: AnswerChangeBody): void {
  if (lineId === undefined || lineId === null || lineId === own) return;
  throw new Problem(404, 'not_found', `This page was opened for line ${own}.`);
}
