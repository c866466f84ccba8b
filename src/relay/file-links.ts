import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Environment } from '../config/environment.js';
import { EncryptionService } from '../storage/secrets/encryption.service.js';

/** What a link leads to: a file of a message, or the photo of a client. */
export type LinkedFile =
  { of: 'message'; messageId: bigint; ordinal: number } | { of: 'chat'; chatId: bigint; photo: string };

const SIGNATURE_BYTES = 16;

/**
 * Links under which Bitrix24 fetches clients' files: `PUBLIC_URL/files/<token>`. The token says what is linked and
 * until when, and is signed: it opens nothing else, and nothing after its time.
 */
@Injectable()
export class FileLinks {
  /** Newest first: a link that an older key signed lives out its time. */
  private readonly keys: Buffer[];

  constructor(
    private readonly environment: Environment,
    encryption: EncryptionService,
  ) {
    this.keys = encryption.derive('file links');
  }

  /** Null without PUBLIC_URL: nobody could follow a link. */
  to(file: LinkedFile, expiresAt: Date): string | null {
    if (!this.environment.publicUrl) return null;
    return `${this.environment.publicUrl}/files/${this.token(file, expiresAt)}`;
  }

  token(file: LinkedFile, expiresAt: Date): string {
    const subject = file.of === 'message' ? `m.${file.messageId}.${file.ordinal}` : `c.${file.chatId}.${file.photo}`;
    const payload = Buffer.from(`${subject}.${Math.floor(expiresAt.getTime() / 1000)}`).toString('base64url');
    return `${payload}.${sign(this.keys[0]!, payload)}`;
  }

  /** What the token leads to; `invalid`: nobody signed it; `expired`: it was good once. */
  read(token: string, now: Date): LinkedFile | 'invalid' | 'expired' {
    const [payload, signature, ...rest] = token.split('.');
    if (!payload || !signature || rest.length > 0) return 'invalid';
    if (!this.keys.some((key) => same(signature, sign(key, payload)))) return 'invalid';
    const [of, id, which, expires] = Buffer.from(payload, 'base64url').toString().split('.') as [
      string,
      string,
      string,
      string,
    ];
    if (Number(expires) * 1000 < now.getTime()) return 'expired';
    return of === 'm'
      ? { of: 'message', messageId: BigInt(id), ordinal: Number(which) }
      : { of: 'chat', chatId: BigInt(id), photo: which };
  }
}

function sign(key: Buffer, payload: string): string {
  return createHmac('sha256', key).update(payload).digest().subarray(0, SIGNATURE_BYTES).toString('base64url');
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
