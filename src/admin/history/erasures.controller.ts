import { Body, Get, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import { ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../../common/problem.js';
import { ErasureService } from '../../relay/erasure.service.js';
import { ErasuresRepository, type ErasureRow } from '../../storage/erasure/erasures.repository.js';
import { HistoryRepository } from '../../storage/history/history.repository.js';
import { AdminController } from '../access/admin.decorator.js';
import { Audited } from '../access/audit.interceptor.js';
import { CalledBy, portalFor, Requires, canAccess, signatureOf, type Caller } from '../access/caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { ErasureBody, ErasuresQuery, Receipt, ReceiptPage } from './erasures.dto.js';
import { IdPipe, notFound, idOf } from '../id.pipe.js';

/** Clients who are to be forgotten, and the receipts that they were. */
@AdminController('')
export class ErasuresController {
  constructor(
    private readonly history: HistoryRepository,
    private readonly receipts: ErasuresRepository,
    private readonly erasures: ErasureService,
  ) {}

  @Post('chats/:id/erase')
  @HttpCode(200)
  @Requires('owner')
  @Audited('chat.erase')
  @ApiOperation({
    summary: 'Erase the client of a private chat everywhere, or a group chat, for good',
    description:
      'Of a client (private chat, Telegram Business, direct messages of a channel): their chats with every bot of the ' +
      'portal, all that they and the operators said there, what waits to be sent, and what they said in groups of these ' +
      'bots. Replies of others to them in groups stay, without the quoted words. A chat that belongs to no portal: ' +
      'the same with its bot alone. Of a group: this chat. `confirm` repeats the `externalId` of the chat. The receipt ' +
      'names nobody; `finishedAt` null: it goes on. A client who writes again is a new client. What Telegram and ' +
      'Bitrix24 keep has to be erased there.',
  })
  @ApiResponse({ status: 422, description: '`not_confirmed`: `confirm` is not the `externalId` of the chat.' })
  async erase(
    @Param('id', IdPipe) id: bigint,
    @Body() { confirm }: ErasureBody,
    @CalledBy() caller: Caller,
    @Req() request: FastifyRequest,
  ): Promise<Receipt> {
    const chat = await this.history.chat(id);
    if (!chat || !canAccess(caller, chat.portalId)) throw notFound('No chat', id);
    if (confirm !== chat.externalId) {
      throw new Problem(422, 'not_confirmed', 'confirm must be the externalId of the chat: what is erased is gone.');
    }
    const receipt = await this.erasures.erase(id, `${signatureOf(caller)}@${request.ip}`);
    if (!receipt) throw notFound('No chat', id);
    return receiptItem(receipt);
  }

  @Get('erasures')
  @Requires('owner')
  @ApiOperation({
    summary: 'Receipts of erasures, newest first',
    description:
      '`subject` is a keyed hash (HMAC-SHA-256 with a key made of ENCRYPTION_KEY) of the client’s id. `user` asks ' +
      'whether one client was erased: their id in Bitrix24, `tg:<Telegram user id>`.',
  })
  async list(
    @Query() { limit, cursor, portal, user }: ErasuresQuery,
    @CalledBy() caller: Caller,
  ): Promise<ReceiptPage> {
    const rows = await this.receipts.list(limit + 1, {
      portalId: portalFor(caller, idOf(portal)),
      subjects: user === undefined ? undefined : this.erasures.subjects(user),
      before: decodeCursor(cursor),
    });
    return pageOf(rows, limit, receiptItem);
  }
}

function receiptItem(receipt: ErasureRow): Receipt {
  return { ...receipt, id: receipt.id.toString(), portalId: receipt.portalId?.toString() ?? null };
}
