import { timingSafeEqual } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { OauthClient } from '../../bitrix/oauth.client.js';
import { Problem } from '../../common/problem.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { INTAKE_LIMIT_MS, TimeLimitError, within } from '../../common/within.js';
import { Environment } from '../../config/environment.js';
import { IntakeService } from '../../relay/intake.service.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { eventSource } from '../../storage/intake/processed-events.js';
import { EncryptionService } from '../../storage/secrets/encryption.service.js';
import { ERASED, ERASING } from '../../storage/erasure/portal-erasure.repository.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { DIALOG_FINISH, DIALOG_START, parseSessionEvent } from './dialog-events.parser.js';
import { type EventEnvelope, MalformedEvent, parseEvent } from './event.parser.js';
import { eventKey } from './event.key.js';
import { eventLanguage, parseLineDelete, parseStatusDelete, parseUninstall } from './lifecycle-events.parser.js';
import { parseOperatorChanges } from './message-changes.parser.js';
import { parseOperatorMessages } from './operator-messages.parser.js';
import type { EventAuth } from '../install/event-auth.js';
import { InstallService } from '../install/install.service.js';
import { PortalLifecycleService } from '../install/portal-lifecycle.service.js';
import type { RegistrationStep } from '../install/registration-steps.js';

/** How long the OAuth server may take to confirm an event of a portal whose application_token is not known yet. */
const CONFIRMATION_MS = 4_000;

/** So many portals are recognised from memory, each for so long: a busy one posts many events a second. */
const RECOGNISED = 10_000;
const RECOGNISED_MS = 1_000;

/** Where an event comes from, once that is proven. */
interface Sender {
  portal: PortalRecord;
  /** Accepted on the handler's secret alone. */
  unsigned: boolean;
}

/** Whom an event is about, as soon as that is known: it says so itself, and nothing speaks against it yet. */
interface Subject {
  portalId?: bigint;
}

/**
 * Decides who sent an event, then has it kept. Bitrix24 posts every event exactly once and never again, so the
 * commit is all that stands between it and the answer; what the event asks for is done later by the relay.
 */
@Injectable()
export class EventsService {
  private readonly logger = new Logger(EventsService.name);
  private readonly recognised = new Map<string, { portal: PortalRecord; until: number }>();

  constructor(
    private readonly portals: PortalsRepository,
    private readonly intake: IntakeService,
    private readonly installs: InstallService,
    private readonly lifecycle: PortalLifecycleService,
    private readonly oauth: OauthClient,
    private readonly encryption: EncryptionService,
    private readonly environment: Environment,
    relay: RelayEvents,
  ) {
    // A portal that was removed, or installed anew, is looked up again.
    relay.on('changed', () => this.recognised.clear());
  }

  /**
   * Resolves once the event is committed; a duplicate is no error. Throws {@link Problem}: 400 `event_malformed`,
   * 403 when it is not proven where the event comes from, 503 when that cannot be found out now; TimeLimitError and
   * the errors of the database when it could not be kept in time.
   */
  async accept(secret: unknown, body: unknown): Promise<void> {
    this.checkSecret(secret);
    const subject: Subject = {};
    try {
      await readable(() => within(INTAKE_LIMIT_MS, this.acceptParsed(parseEvent(body), subject)));
    } catch (error) {
      this.noteRefusal(error, subject);
      throw error;
    }
  }

  /**
   * The event may be lost. It concerns its portal; where not even that could be found out, the database is away, and any
   * portal may lose events.
   */
  private noteRefusal(error: unknown, { portalId }: Subject): void {
    if (error instanceof Problem && error.getStatus() < 500) return;
    if (portalId !== undefined) this.intake.mayHaveMissed(portalId);
    else if (isStorageUnavailable(error) || error instanceof TimeLimitError) this.intake.mayHaveMissed('all');
  }

  /**
   * ONAPPINSTALL at the installation path, as applications without an interface get it. The answer waits a few
   * seconds for the registration; `steps` is null while that still runs. Throws {@link Problem}.
   */
  acceptInstallation(body: unknown): Promise<{ ok: true; steps: RegistrationStep[] | null }> {
    return readable(async () => {
      const event = parseEvent(body);
      if (event.name !== 'ONAPPINSTALL') throw new MalformedEvent('This address takes ONAPPINSTALL only.');
      const { portal, report } = await this.installs.installFromEvent(event.auth, eventLanguage(event));
      await this.record(event, { portal, unsigned: false });
      return { ok: true, steps: report?.steps ?? null };
    });
  }

  private async acceptParsed(event: EventEnvelope, subject: Subject): Promise<void> {
    switch (event.name) {
      case 'ONIMCONNECTORMESSAGEADD':
        return this.keepMessages(event, await this.authenticate(event, subject));
      case 'ONIMCONNECTORMESSAGEUPDATE':
      case 'ONIMCONNECTORMESSAGEDELETE':
        return this.keepChanges(event, await this.authenticate(event, subject));
      case DIALOG_START:
      case DIALOG_FINISH:
        return this.noteSession(event, await this.authenticate(event, subject));
      case 'ONAPPINSTALL':
        return this.install(event);
      case 'ONAPPUPDATE':
        await this.authenticate(event, subject);
        return this.install(event);
      case 'ONAPPUNINSTALL':
        return this.uninstall(event, await this.authenticate(event, subject));
      case 'ONIMCONNECTORSTATUSDELETE':
        return this.switchLineOff(event, await this.authenticate(event, subject));
      case 'ONIMCONNECTORLINEDELETE':
        return this.deleteLine(event, await this.authenticate(event, subject));
      default:
        return this.record(event, await this.authenticate(event, subject));
    }
  }

  private async keepMessages(event: EventEnvelope, { portal, unsigned }: Sender): Promise<void> {
    const { connectorId } = portal;
    const messages = parseOperatorMessages(event, { portalId: portal.id, connectorId, unsigned });
    await this.intake.acceptOperatorMessages(messages);
  }

  private async keepChanges(event: EventEnvelope, sender: Sender): Promise<void> {
    const changes = parseOperatorChanges(event, sender.portal.id);
    if (changes.length === 0) return this.record(event, sender);
    await this.intake.acceptOperatorChanges(changes);
  }

  private async noteSession(event: EventEnvelope, sender: Sender): Promise<void> {
    const told = parseSessionEvent(event, sender.portal.connectorId);
    await this.intake.acceptSessionEvent(recordOf(event, sender), told);
  }

  private async install(event: EventEnvelope): Promise<void> {
    // The answer must not wait for a dozen REST calls.
    const { portal } = await this.installs.installFromEvent(event.auth, eventLanguage(event), 0);
    await this.record(event, { portal, unsigned: false });
  }

  private async uninstall(event: EventEnvelope, sender: Sender): Promise<void> {
    if (sender.unsigned) throw unproven('event_unsigned', 'The removal of the application must carry its auth block.');
    await this.lifecycle.uninstall(sender.portal.id, parseUninstall(event.data));
    await this.record(event, sender);
  }

  private async switchLineOff(event: EventEnvelope, sender: Sender): Promise<void> {
    const status = parseStatusDelete(event.data);
    if (status?.connector === sender.portal.connectorId) {
      await this.lifecycle.lineSwitchedOff(sender.portal.id, status.lineId);
    }
    await this.record(event, sender);
  }

  private async deleteLine(event: EventEnvelope, sender: Sender): Promise<void> {
    const lineId = parseLineDelete(event.data);
    if (lineId) await this.lifecycle.lineDeleted(sender.portal.id, lineId);
    await this.record(event, sender);
  }

  private async record(event: EventEnvelope, sender: Sender): Promise<void> {
    await this.intake.recordEvent(recordOf(event, sender));
  }

  private checkSecret(secret: unknown): void {
    const expected = this.environment.B24_HANDLER_SECRET;
    if (!expected) return;
    if (typeof secret !== 'string' || !this.encryption.equal(secret, expected)) {
      throw unproven('wrong_secret', 'The `secret` of the address is not B24_HANDLER_SECRET.');
    }
  }

  private async authenticate({ auth, name }: EventEnvelope, subject: Subject): Promise<Sender> {
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

function recordOf(event: EventEnvelope, { portal, unsigned }: Sender) {
  return {
    source: eventSource(portal.id),
    key: eventKey(event),
    portalId: portal.id,
    name: event.name,
    raw: unsigned ? { ...event.raw, unsigned } : event.raw,
  };
}

async function readable<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof MalformedEvent) throw new Problem(400, 'event_malformed', error.message);
    throw error;
  }
}

/** Its application may still be there, but nothing of the portal is kept any more. */
function isErased({ state, stateReason }: PortalRecord): boolean {
  return state === 'uninstalled' && (stateReason === ERASING || stateReason === ERASED);
}

function isSame(hash: Buffer, known: Uint8Array | null): boolean {
  return known !== null && timingSafeEqual(hash, known);
}

function unproven(code: string, detail: string): Problem {
  return new Problem(403, code, detail);
}
