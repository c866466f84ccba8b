import { Injectable } from '@nestjs/common';
import { Problem } from '../../common/problem.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { INTAKE_LIMIT_MS, TimeLimitError, within } from '../../common/within.js';
import { IntakeService } from '../../relay/intake.service.js';
import { eventSource } from '../../storage/intake/processed-events.js';
import { DIALOG_FINISH, DIALOG_START, parseSessionEvent } from './dialog-events.parser.js';
import { EventSenders, type Sender, type Subject, unproven } from './event-senders.js';
import { type EventEnvelope, MalformedEvent, parseEvent } from './event.parser.js';
import { eventKey } from './event.key.js';
import { eventLanguage, parseLineDelete, parseStatusDelete, parseUninstall } from './lifecycle-events.parser.js';
import { parseOperatorChanges } from './message-changes.parser.js';
import { parseOperatorMessages } from './operator-messages.parser.js';
import { InstallService } from '../install/install.service.js';
import { PortalLifecycleService } from '../install/portal-lifecycle.service.js';
import type { RegistrationStep } from '../install/registration-steps.js';

/**
 * Stores what portals post. Bitrix24 posts every event exactly once, so it is committed before it is answered; the relay
 * does later what the event asks for.
 */
@Injectable()
export class EventsService {
  constructor(
    private readonly intake: IntakeService,
    private readonly installs: InstallService,
    private readonly lifecycle: PortalLifecycleService,
    private readonly senders: EventSenders,
  ) {}

  /**
   * Resolves once the event is committed; a duplicate is no error. Throws {@link Problem}: 400 `event_malformed`,
   * 403 when it is not proven where the event comes from, 503 when that cannot be found out now; TimeLimitError and
   * the errors of the database when it could not be kept in time.
   */
  async accept(secret: unknown, body: unknown): Promise<void> {
    this.senders.checkSecret(secret);
    const subject: Subject = {};
    try {
      await readable(() => within(INTAKE_LIMIT_MS, this.acceptParsed(parseEvent(body), subject)));
    } catch (error) {
      this.noteRefusal(error, subject);
      throw error;
    }
  }

  /**
   * The event may be lost: answers of its portal pause until its dialogs were looked through. Where not even the portal
   * could be found out because the database is away, any portal may have lost events.
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
        return this.keepMessages(event, await this.senders.authenticate(event, subject));
      case 'ONIMCONNECTORMESSAGEUPDATE':
      case 'ONIMCONNECTORMESSAGEDELETE':
        return this.keepChanges(event, await this.senders.authenticate(event, subject));
      case DIALOG_START:
      case DIALOG_FINISH:
        return this.noteSession(event, await this.senders.authenticate(event, subject));
      case 'ONAPPINSTALL':
        return this.install(event);
      case 'ONAPPUPDATE':
        await this.senders.authenticate(event, subject);
        return this.install(event);
      case 'ONAPPUNINSTALL':
        return this.uninstall(event, await this.senders.authenticate(event, subject));
      case 'ONIMCONNECTORSTATUSDELETE':
        return this.switchLineOff(event, await this.senders.authenticate(event, subject));
      case 'ONIMCONNECTORLINEDELETE':
        return this.deleteLine(event, await this.senders.authenticate(event, subject));
      default:
        return this.record(event, await this.senders.authenticate(event, subject));
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
