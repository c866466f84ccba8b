import { Injectable } from '@nestjs/common';
import { isObject, parseObject } from '../../common/json-fields.js';
import type { PortalRecord } from '../../storage/accounts/portals.repository.js';
import { DecryptionError, EncryptionService } from '../../storage/secrets/encryption.service.js';
import type { FrameSubject } from './frame-place.parser.js';

/** Somebody of a portal who looks at a frame of ours in a card or in a chat. */
export interface FrameSession {
  /** Last part of the frame's address; a session opens nothing of another kind. */
  kind: string;
  portalId: bigint;
  /** Milliseconds; a later installation has other tokens and other people. */
  installedAt: number;
  /** Bitrix24 user id. */
  userId: string;
  /** Access token of that user: what they may see, the portal says. */
  accessToken: string;
  subject: FrameSubject;
}

/** Who looks, and the portal as it is now. */
export interface Viewer extends FrameSession {
  portal: PortalRecord;
}

/** As long as the tokens of frames, at most (apidocs.bitrix24.com); opening it again begins another one. Milliseconds. */
export const FRAME_SESSION_MS = 3_600_000;

const CONTEXT = { table: 'frames', column: 'session', row: '' };

/**
 * What a frame shows with each of its calls: who looks, at what, until when, and their token, encrypted. It lives in the
 * page alone, no cookie and no row, so that nothing of the token is kept here.
 */
@Injectable()
export class FrameSessions {
  constructor(private readonly encryption: EncryptionService) {}

  /** @param tokenMs how long the token is good */
  begin({ portalId, ...session }: FrameSession, tokenMs: number, now: Date): string {
    const until = now.getTime() + Math.min(tokenMs, FRAME_SESSION_MS);
    return this.encryption.encrypt(JSON.stringify({ ...session, portalId: portalId.toString(), until }), CONTEXT);
  }

  /** `invalid`: nobody began it; `expired`: it was good once. */
  read(text: string, now: Date): FrameSession | 'invalid' | 'expired' {
    const fields = this.decrypted(text);
    if (!fields) return 'invalid';
    const { portalId, until, ...session } = fields as unknown as Omit<FrameSession, 'portalId'> & {
      portalId: string;
      until: number;
    };
    return until <= now.getTime() ? 'expired' : { ...session, portalId: BigInt(portalId) };
  }

  private decrypted(text: string): Record<string, unknown> | null {
    try {
      const fields = parseObject(this.encryption.decrypt(text, CONTEXT));
      return isObject(fields) ? fields : null;
    } catch (error) {
      if (error instanceof DecryptionError) return null;
      throw error;
    }
  }
}

/** Of the installation that the portal has now: a session lasts no longer than that. */
export function isOfInstallation(
  { installedAt }: Pick<FrameSession, 'installedAt'>,
  portal: PortalRecord | undefined,
): portal is PortalRecord {
  return portal?.state === 'active' && portal.installedAt.getTime() === installedAt;
}
