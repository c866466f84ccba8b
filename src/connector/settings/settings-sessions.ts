import { createHmac, timingSafeEqual } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';

/** An administrator of a portal who has opened the settings of one line. */
export interface SettingsSession {
  portalId: bigint;
  lineId: string;
  /** Bitrix24 user id. */
  userId: string;
}

/** As long as the token with which Bitrix24 opened the page; opening it again begins another one. Milliseconds. */
export const SESSION_MS = 3_600_000;

const SHAPE = /^(\d{1,18})\.(\d{1,18})\.([^.]{1,50})\.(\d{1,12})$/;

/**
 * What the settings page shows with each of its calls: who opened it, for which line of which portal, until when,
 * signed. It lives in the page alone, no cookie and no row, and opens nothing else.
 */
@Injectable()
export class SettingsSessions {
  /** Newest first: a session that an older key signed lives out its time. */
  private readonly keys: Buffer[];

  constructor(encryption: EncryptionService) {
    this.keys = encryption.derive('settings sessions');
  }

  begin({ portalId, lineId, userId }: SettingsSession, now: Date): string {
    const expires = Math.floor((now.getTime() + SESSION_MS) / 1000);
    const payload = Buffer.from(`${portalId}.${lineId}.${userId}.${expires}`).toString('base64url');
    return `${payload}.${sign(this.keys[0]!, payload)}`;
  }

  /** `invalid`: nobody began it; `expired`: it was good once. */
  read(token: string, now: Date): SettingsSession | 'invalid' | 'expired' {
    const [payload, signature, ...rest] = token.split('.');
    if (!payload || !signature || rest.length > 0) return 'invalid';
    if (!this.keys.some((key) => same(signature, sign(key, payload)))) return 'invalid';
    const [, portalId, lineId, userId, expires] = SHAPE.exec(Buffer.from(payload, 'base64url').toString()) ?? [];
    if (!portalId || !lineId || !userId) return 'invalid';
    if (Number(expires) * 1000 <= now.getTime()) return 'expired';
    return { portalId: BigInt(portalId), lineId, userId };
  }
}

function sign(key: Buffer, payload: string): string {
  return createHmac('sha256', key).update(payload).digest('base64url');
}

function same(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
