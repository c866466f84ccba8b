import { timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { OauthClient } from '../../bitrix/oauth.client.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { Environment } from '../../config/environment.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { ERASED, ERASING } from '../../storage/erasure/portal-erasure.repository.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import type { EventAuth } from '../install/event-auth.js';
import type { EventEnvelope } from './event.parser.js';

/** How long the OAuth server may take to confirm an event of a portal whose application_token is not known yet. */
const CONFIRMATION_MS = 4_000;

/** Portals that are recognised from memory, and for how long: a busy one posts many events a second. */
const RECOGNISED = 10_000;
const RECOGNISED_MS = 1_000;

/** Where an event comes from, once that is proven. */
export interface Sender {
  portal: PortalRecord;
  /** Accepted on the handler's secret alone. */
  unsigned: boolean;
}

/** Whom an event claims to be about, as soon as that is known; nothing speaks against the claim yet. */
export interface Subject {
  portalId?: bigint;
}

/** Finds out which portal sent an event. Throws a Problem: 403 where that is not proven, 503 where it cannot be found out. */
@Injectable()
export class EventSenders {
  private readonly logger = new Logger(EventSenders.name);
  private readonly recognised = new Map<string, { portal: PortalRecord; until: number }>();

  constructor(
    private readonly portals: PortalsRepository,
    private readonly oauth: OauthClient,
    private readonly encryption: EncryptionService,
    private readonly environment: Environment,
    relay: RelayEvents,
  ) {
    // A portal that was removed, or installed anew, is looked up again.
    relay.on('changed', () => this.recognised.clear());
  }

  /** Throws unless the `secret` of the address is the handler's, where one is set. */
  checkSecret(secret: unknown): void {
    const expected = this.environment.B24_HANDLER_SECRET;
    if (!expected) return;
    if (typeof secret !== 'string' || !this.encryption.equal(secret, expected)) {
      throw unproven('wrong_secret', 'The `secret` of the address is not B24_HANDLER_SECRET.');
    }
  }

  /** `subject` is filled in as soon as it is known whom the event claims to be about. */
  async authenticate({ auth, name }: EventEnvelope, subject: Subject): Promise<Sender> {
    if (!auth) {
      const portal = await this.onlyPortal();
      subject.portalId = portal.id;
      return { portal, unsigned: true };
    }
    const { memberId = '' } = auth;
    const hash = auth.applicationToken === undefined ? null : this.encryption.hash(auth.applicationToken);
    const seen = this.recognised.get(memberId);
    // What does not fit is never refused by memory.
    if (hash && seen && performance.now() < seen.until && isSame(hash, seen.portal.applicationTokenHash)) {
      subject.portalId = seen.portal.id;
      return { portal: seen.portal, unsigned: false };
    }
    const portal = memberId ? await this.portals.findByMemberId(memberId) : undefined;
    if (!portal) throw unproven('unknown_portal', 'No portal with this member_id is connected.');
    if (isErased(portal) && name !== 'ONAPPUNINSTALL') {
      throw unproven('portal_removed', 'The portal was removed; install the application again.');
    }
    if (!hash) throw unproven('wrong_application_token', 'The event carries no application_token.');
    subject.portalId = portal.id;
    if (!portal.applicationTokenHash) await this.learnApplicationToken(portal, auth, hash);
    else if (!isSame(hash, portal.applicationTokenHash)) {
      throw unproven('wrong_application_token', 'The application_token is not the one of this installation.');
    }
    if (this.recognised.size >= RECOGNISED) this.recognised.clear();
    this.recognised.set(memberId, { portal, until: performance.now() + RECOGNISED_MS });
    return { portal, unsigned: false };
  }

  /** The portal of an event without an auth block: there must be no doubt which one is meant. */
  private async onlyPortal(): Promise<PortalRecord> {
    if (!this.environment.B24_HANDLER_SECRET) {
      throw unproven('event_unsigned', 'Events without an auth block are taken only with B24_HANDLER_SECRET.');
    }
    const [portal, another] = (await this.portals.list()).filter(({ state }) => state !== 'uninstalled');
    if (portal && !another) return portal;
    throw unproven(
      'event_unsigned',
      'Events without an auth block are taken only while exactly one portal is connected.',
    );
  }

  /**
   * A portal that was connected by an authorisation code has shown no application_token yet. Its first event may
   * teach it, if the access token beside it is confirmed by the server that issued it.
   */
  private async learnApplicationToken(portal: PortalRecord, auth: EventAuth, hash: Buffer): Promise<void> {
    if (!auth.accessToken) {
      throw unproven('unconfirmed_event', 'The event carries no access token that could prove its application_token.');
    }
    const info = await this.confirm(portal, auth.accessToken);
    if (info.clientId !== portal.clientId || info.install.memberId !== portal.memberId) {
      throw unproven('unconfirmed_event', 'The access token of the event belongs to another application or portal.');
    }
    // Two events may arrive together: the first one's token counts, and the second must carry the same.
    if (!(await this.portals.setApplicationTokenHash(portal.id, hash, { verified: false }))) {
      throw unproven('wrong_application_token', 'The application_token is not the one of this installation.');
    }
    this.logger.log(`portal ${portal.id}: the application_token of its events is known now`);
  }

  private async confirm(portal: PortalRecord, accessToken: string) {
    const late = new AbortController();
    try {
      return await Promise.race([
        this.oauth.appInfo(portal.oauthOrigin, accessToken),
        pause(CONFIRMATION_MS, undefined, { signal: late.signal }).then(() => {
          throw new Problem(503, 'oauth_unavailable', 'Bitrix24 did not confirm the event within 4 seconds.');
        }),
      ]);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      if (error.kind === 'unauthorised' || error.kind === 'refused') {
        throw unproven('unconfirmed_event', `Bitrix24 did not confirm the access token of the event (${error.code}).`);
      }
      throw new Problem(503, 'oauth_unavailable', `Bitrix24 could not be asked about the event (${error.code}).`);
    } finally {
      late.abort();
    }
  }
}

/** Its application may still be there, but nothing of the portal is kept any more. */
function isErased({ state, stateReason }: PortalRecord): boolean {
  return state === 'uninstalled' && (stateReason === ERASING || stateReason === ERASED);
}

function isSame(hash: Buffer, known: Uint8Array | null): boolean {
  return known !== null && timingSafeEqual(hash, known);
}

export function unproven(code: string, detail: string): Problem {
  return new Problem(403, code, detail);
}
