import { Body, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { Problem } from '../common/problem.js';
import { ReplayService } from '../relay/replay.service.js';
import { HistoryRepository, type MessageStory } from '../storage/history.repository.js';
import { AdminController } from './admin.decorator.js';
import { MessagesQuery, RetryFilter } from './admin.dto.js';
import { Audited } from './audit.interceptor.js';
import { IdPipe, notFound } from './id.pipe.js';
import { messageDetail } from './message.view.js';
import { MessagesService } from './messages.service.js';

/** Every message, both ways. */
@AdminController('messages')
export class MessagesController {
  constructor(
    private readonly messages: MessagesService,
    private readonly history: HistoryRepository,
    private readonly replay: ReplayService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Messages, newest first' })
  list(@Query() query: MessagesQuery) {
    return this.messages.list(query);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One message with its timeline: received, stored, every attempt, what is still to come' })
  async one(@Param('id', IdPipe) id: bigint) {
    return messageDetail(await this.find(id));
  }

  @Post('retry')
  @HttpCode(200)
  @Audited('message.retry')
  @ApiOperation({ summary: 'Send every failed or uncertain message that the filter names again' })
  async retryAll(@Body() filter: RetryFilter): Promise<{ retried: number }> {
    return { retried: await this.messages.retry(filter) };
  }

  @Post(':id/retry')
  @HttpCode(200)
  @Audited('message.retry')
  @ApiOperation({ summary: 'Send one failed or uncertain message again' })
  async retry(@Param('id', IdPipe) id: bigint): Promise<{ retried: number }> {
    const { message } = await this.find(id);
    if ((await this.replay.retry([id])) === 0) {
      throw new Problem(
        409,
        'not_retryable',
        `Only failed and uncertain messages can be sent again; this one is ${message.state}.`,
        {
          state: message.state,
        },
      );
    }
    return { retried: 1 };
  }

  private async find(id: bigint): Promise<MessageStory> {
    const story = await this.history.message(id);
    if (!story) throw notFound('No message', id);
    return story;
  }
}
