import { Body, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { Problem } from '../../common/problem.js';
import { ReplayService } from '../../relay/replay.service.js';
import { AdminController } from '../access/admin.decorator.js';
import { MessagesQuery, ResolveBody, UndeliveredBody } from './message-filters.dto.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, Requires, type Caller } from '../access/caller.js';
import { IdPipe } from '../id.pipe.js';
import { Discarded, MessageDetail, MessagePage, Retried, type MessageItem } from './messages.dto.js';
import { MessagesService } from './messages.service.js';

/** Every message, both ways. */
@AdminController('messages')
export class MessagesController {
  constructor(
    private readonly messages: MessagesService,
    private readonly replay: ReplayService,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Messages, newest first' })
  list(@Query() query: MessagesQuery, @CalledBy() caller: Caller): Promise<MessagePage> {
    return this.messages.list(query, caller);
  }

  @Get(':id')
  @ApiOperation({ summary: 'One message with its timeline: received, stored, every attempt, what is still to come' })
  one(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<MessageDetail> {
    return this.messages.one(id, caller);
  }

  @Post('retry')
  @HttpCode(200)
  @Requires('operator')
  @Audited('message.retry')
  @ApiOperation({
    summary: 'Send again every failed or uncertain message that matches the filter and can go',
    description:
      'Left out are messages for clients who have blocked the bot, advertising for clients who have unsubscribed, and ' +
      'messages that their authors took back. With `dryRun` nothing is sent: the answer says how many it would be.',
  })
  async retryAll(@Body() body: UndeliveredBody, @CalledBy() caller: Caller): Promise<Retried> {
    return { retried: await this.messages.retry(body, caller) };
  }

  @Post(':id/retry')
  @HttpCode(200)
  @Requires('operator')
  @Audited('message.retry')
  @ApiOperation({ summary: 'Send one failed or uncertain message again' })
  async retry(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<Retried> {
    const message = await this.messages.changeable(id, caller);
    if (message.deletedAt !== null) {
      throw new Problem(409, 'taken_back', 'Its author took this message back: it is not sent again.');
    }
    if ((await this.replay.retry([id])) === 0) {
      const { state, chatId } = await this.messages.one(id, caller);
      if (chatId !== null && (state === 'failed' || state === 'uncertain')) {
        throw new Problem(409, 'client_unsubscribed', 'The client has unsubscribed: advertising is not sent again.');
      }
      throw wrongState('not_retryable', 'Only failed and uncertain messages can be sent again', message);
    }
    return { retried: 1 };
  }

  @Post('discard')
  @HttpCode(200)
  @Requires('operator')
  @Audited('message.discard')
  @ApiOperation({
    summary: 'Dismiss every failed or uncertain message that matches the filter: they become `ignored` for good',
    description: 'With `dryRun` nothing is dismissed: the answer says how many it would be.',
  })
  async discardAll(@Body() body: UndeliveredBody, @CalledBy() caller: Caller): Promise<Discarded> {
    return { discarded: await this.messages.discard(body, caller) };
  }

  @Post(':id/discard')
  @HttpCode(200)
  @Requires('operator')
  @Audited('message.discard')
  @ApiOperation({ summary: 'Dismiss one failed or uncertain message: it becomes `ignored` for good' })
  async discard(@Param('id', IdPipe) id: bigint, @CalledBy() caller: Caller): Promise<Discarded> {
    const message = await this.messages.changeable(id, caller);
    if ((await this.replay.discard([id])) === 0) {
      throw wrongState('not_discardable', 'Only failed and uncertain messages can be discarded', message);
    }
    return { discarded: 1 };
  }

  @Post(':id/resolve')
  @HttpCode(200)
  @Requires('operator')
  @Audited('message.resolve')
  @ApiOperation({ summary: 'Say what became of a message whose outcome is unknown; nothing is sent' })
  async resolve(
    @Param('id', IdPipe) id: bigint,
    @Body() { outcome }: ResolveBody,
    @CalledBy() caller: Caller,
  ): Promise<MessageDetail> {
    const message = await this.messages.changeable(id, caller);
    if (!(await this.replay.resolve(id, outcome))) {
      throw wrongState('not_uncertain', 'Only uncertain messages can be resolved', message);
    }
    return this.messages.one(id, caller);
  }
}

function wrongState(code: string, rule: string, { state }: MessageItem): Problem {
  return new Problem(409, code, `${rule}; this one is ${state}.`, { state });
}
