import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import { Problem } from '../../common/problem.js';
import { Environment } from '../../config/environment.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';

const SECRET = /^(\d{1,18})\.([\w-]{43})$/;

/**
 * Addresses to which a portal posts what comes only once and may come without any proof (an SMS that nobody wrote): each
 * portal has its own, which names it and which nobody else can make.
 */
@Injectable()
export class PortalPosts {
  /** Newest first: an address that an older key signed goes on until it is registered anew. */
  private readonly keys: Buffer[];

  constructor(
    private readonly portals: PortalsRepository,
    private readonly environment: Environment,
    private readonly encryption: EncryptionService,
  ) {
    this.keys = encryption.derive('posts of portals');
  }

  /** What the portal is to post to; `path` such as `/b24/robots`. */
  address({ id, memberId }: Pick<PortalRecord, 'id' | 'memberId'>, path: string): string {
    return `${this.environment.publicUrl ?? ''}${path}/${id}.${sign(this.keys[0]!, path, memberId)}`;
  }

  /**
   * The portal whose address this is, and whose the post is if it says so. Throws {@link Problem} 403 where the one or the
   * other is not proven.
   */
  async sender(secret: string, path: string, body: unknown): Promise<PortalRecord> {
    const [, id, signature] = SECRET.exec(secret) ?? [];
    const portal = id === undefined ? undefined : await this.portals.findById(BigInt(id));
    const signed = portal && this.keys.some((key) => same(signature!, sign(key, path, portal.memberId)));
    if (!signed) throw new Problem(403, 'wrong_secret', 'This is no address of a connected portal.');
    if (portal.state === 'uninstalled') throw new Problem(403, 'portal_removed', 'The portal was removed.');
    this.checkAuth(portal, fieldsOf(fieldsOf(body)?.['auth']) ?? {});
    return portal;
  }

  /** What is not said, or empty, says nothing against it: the address is proof enough, and nobody posts it again. */
  private checkAuth(portal: PortalRecord, auth: Record<string, unknown>): void {
    const [memberId, token] = [scalar(auth['member_id']), scalar(auth['application_token'])];
    if (memberId && memberId !== portal.memberId) {
      throw new Problem(403, 'unknown_portal', 'The post is of another portal.');
    }
    const known = portal.applicationTokenHash;
    if (token && known && !timingSafeEqual(this.encryption.hash(token), known)) {
      throw new Problem(403, 'wrong_application_token', 'The application_token is not the one of this installation.');
    }
  }
}

function sign(key: Buffer, path: string, memberId: string): string {
  return createHmac('sha256', key).update(`${path}/${memberId}`).digest('base64url');
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
