import { randomBytes } from 'node:crypto';
import type { PortalApp } from './portal-model.js';
import type { Portal } from './portal.js';
import type { VirtualClock } from './virtual-clock.js';

const CODE_MS = 30_000;
const ACCESS_MS = 3600_000;
const REFRESH_MS = 180 * 24 * 3600_000;

/** Whom a code or token stands for. */
export interface Grant {
  portal: Portal;
  app: PortalApp;
  userId: number;
}

export interface AccessGrant extends Grant {
  token: string;
  expiresAt: number;
  /** Set on tokens that came with an event: how many chained events calls made with it may still cause. */
  eventTtl?: number;
}

interface RefreshGrant extends Grant {
  expiresAt: number;
  /** When it was exchanged; a used one is refused after the grace period. */
  usedAt?: number;
}

/** All codes and tokens the OAuth server has issued. */
export class TokenStore {
  /** How long a refresh token keeps working after its exchange, ms. Whether the real server has such a grace period is unknown; 0 is the strict reading. */
  refreshGraceMs = 0;
  private readonly codes = new Map<string, Grant & { expiresAt: number }>();
  private readonly access = new Map<string, AccessGrant>();
  private readonly refresh = new Map<string, RefreshGrant>();

  constructor(private readonly clock: VirtualClock) {}

  /** An authorization code: 30 s, single use. */
  issueCode(grant: Grant): string {
    const code = secret();
    this.codes.set(code, { ...grant, expiresAt: this.clock.now() + CODE_MS });
    return code;
  }

  takeCode(code: string, clientId: string): Grant | undefined {
    const grant = this.codes.get(code);
    if (grant === undefined || grant.app.clientId !== clientId) return undefined;
    this.codes.delete(code);
    return grant.expiresAt > this.clock.now() ? grant : undefined;
  }

  /** An access token: 3600 s. */
  issueAccess(grant: Grant, eventTtl?: number): AccessGrant {
    const issued: AccessGrant = { ...grant, token: secret(), expiresAt: this.clock.now() + ACCESS_MS, eventTtl };
    this.access.set(issued.token, issued);
    return issued;
  }

  /** A refresh token: 180 days. */
  issueRefresh(grant: Grant): string {
    const token = secret();
    this.refresh.set(token, {
      portal: grant.portal,
      app: grant.app,
      userId: grant.userId,
      expiresAt: this.clock.now() + REFRESH_MS,
    });
    return token;
  }

  /** Exchanges a refresh token: each works once. `reused` tells a second use from an unknown token. */
  takeRefresh(token: string, clientId: string): { grant?: Grant; reused: boolean } {
    const held = this.refresh.get(token);
    if (held === undefined || held.app.clientId !== clientId) return { reused: false };
    const now = this.clock.now();
    const reused = held.usedAt !== undefined;
    const spent = held.usedAt !== undefined && now - held.usedAt >= this.refreshGraceMs;
    if (spent || held.expiresAt <= now) return { reused };
    held.usedAt ??= now;
    return { grant: held, reused };
  }

  findAccess(token: string): AccessGrant | undefined {
    return this.access.get(token);
  }

  /** Forgets everything issued to an application: a new installation begins with nothing. */
  revoke(app: PortalApp): void {
    for (const issued of [this.codes, this.access, this.refresh]) {
      for (const [secret, grant] of issued) if (grant.app === app) issued.delete(secret);
    }
  }

  /** Ends every access token of a portal now; refresh tokens stay. */
  expireAccess(portal: Portal): void {
    for (const grant of this.access.values()) {
      if (grant.portal === portal) grant.expiresAt = this.clock.now() - 1000;
    }
  }
}

function secret(): string {
  return randomBytes(35).toString('hex');
}
