import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiOperation } from '@nestjs/swagger';
import { Problem } from '../../common/problem.js';
import { AccessKeysRepository, type AccessKeyRow } from '../../storage/accounts/access-keys.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import { newAccessKey } from './access-key.js';
import { KeyItem, KeyPage, NewKey, NewKeyBody } from './access.dto.js';
import { AdminController } from './admin.decorator.js';
import { ListQuery } from '../admin.dto.js';
import { Audited } from './audit.interceptor.js';
import { CalledBy, Requires, signatureOf, type Caller } from './caller.js';
import { decodeCursor, pageOf } from '../../common/cursor.js';
import { IdPipe, notFound } from '../id.pipe.js';

/** Keys of the admin API besides ADMIN_API_KEY, which is in no list and cannot be revoked here. */
@AdminController('keys')
@Requires('owner', { everyPortal: true })
export class KeysController {
  constructor(
    private readonly keys: AccessKeysRepository,
    private readonly portals: PortalsRepository,
  ) {}

  @Get()
  @ApiOperation({ summary: 'Keys, newest first; revoked and expired ones too' })
  async list(@Query() { limit, cursor }: ListQuery): Promise<KeyPage> {
    return pageOf(await this.keys.list(limit + 1, decodeCursor(cursor)), limit, keyItem);
  }

  @Post()
  @Audited('key.create')
  @ApiOperation({ summary: 'Make a key; `key` is shown in this answer and never again' })
  async create(@Body() body: NewKeyBody, @CalledBy() caller: Caller): Promise<NewKey> {
    const { key, hash, hint } = newAccessKey();
    const row = await this.keys.create({
      name: body.name,
      role: body.role,
      portalId: await this.portal(body.portalId),
      hash,
      hint,
      createdBy: signatureOf(caller),
      expiresAt: inFuture(body.expiresAt),
    });
    return { ...keyItem(row), key };
  }

  @Delete(':id')
  @HttpCode(204)
  @Audited('key.revoke')
  @ApiOperation({ summary: 'Revoke a key, at once and for good, also the one you call with; it stays in the list' })
  async revoke(@Param('id', IdPipe) id: bigint): Promise<void> {
    if (!(await this.keys.revoke(id))) throw notFound('No key', id);
  }

  private async portal(id: string | null | undefined): Promise<bigint | null> {
    if (id == null) return null;
    const portal = await this.portals.findById(BigInt(id));
    if (!portal) {
      throw new Problem(422, 'unknown_portal', `There is no portal ${id}; see GET /admin/portals.`, { portalId: id });
    }
    return portal.id;
  }
}

function inFuture(time: string | null | undefined): Date | null {
  if (time == null) return null;
  const at = new Date(time);
  if (at.getTime() > Date.now()) return at;
  throw new Problem(422, 'already_expired', 'expiresAt must be in the future; leave it out for a key that stays.');
}

/** A key as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
function keyItem(row: AccessKeyRow): KeyItem {
  return {
    id: row.id.toString(),
    name: row.name,
    role: row.role,
    portalId: row.portalId?.toString() ?? null,
    hint: row.hint,
    createdAt: row.createdAt,
    createdBy: row.createdBy,
    lastUsedAt: row.lastUsedAt,
    expiresAt: row.expiresAt,
    revokedAt: row.revokedAt,
  };
}
