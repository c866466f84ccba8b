import { Logger } from '@nestjs/common';
import { pause } from '../common/pause.js';
import type { HeldLease } from '../relay/endpoint-driver.js';
import type { PortalRecord, PortalsRepository } from '../storage/accounts/portals.repository.js';
import type { DialogTitles } from './dialogs/dialog-titles.service.js';
import type { ServiceLinesSender } from './dialogs/service-lines.sender.js';
import { newReading, type MessengerEvents } from './events/messenger-events.service.js';
import type { MissedMessagesService } from './events/missed-messages.service.js';
import type { PortalLook } from './portal-look.js';

/** Dialogs that may hold messages whose events never came: those alive, and at a start all recent ones. */
const ALIVE_MINUTES = 30;
const RECENT_MINUTES = 7 * 24 * 60;
const NEXT_LOOK_MS = 60_000;
/** After a look that failed. */
const LOOK_AGAIN_MS = 5_000;
/** Titles of dialogs that become known within this time share a request. */
const TITLES_MS = 2_000;
/** Events of the messenger are a second source; the first one has this long to tell the same before they count. */
const MESSENGER_EVENTS_MS = 15_000;

/** What a driver does for its portal at regular times: finds missed messages, names dialogs, reads the messenger's events. */
export class PortalBackground {
  private readonly logger = new Logger(PortalBackground.name);
  private readonly stopping = new AbortController();
  /** Aborted: the next look for missed messages is due at once. */
  private lookNow = new AbortController();
  /** The pause of answers that the latest look was, or is, made for; milliseconds since 1970. */
  private knownPause: number | undefined;
  /** Aborted: somebody wrote, perhaps in a dialog without its title. */
  private mayBeUntitled = new AbortController();

  constructor(
    private readonly id: bigint,
    private readonly held: HeldLease,
    private readonly portals: PortalsRepository,
    private readonly look: PortalLook,
    private readonly lines: ServiceLinesSender,
    private readonly missed: MissedMessagesService,
    private readonly titles: DialogTitles,
    private readonly messengerEvents: MessengerEvents,
  ) {}

  start(): void {
    const { signal } = this.stopping;
    void this.lookForMissed(signal);
    void this.nameDialogs(signal);
    void this.readMessengerEvents(signal);
  }

  stop(): void {
    this.stopping.abort();
  }

  /** Events may have been refused: Bitrix24 posts each only once. */
  lookForMissedNow(): void {
    this.lookNow.abort();
  }

  /** A client wrote, perhaps in a new dialog. */
  someoneWrote(): void {
    this.mayBeUntitled.abort();
  }

  /** Another replica may have paused the answers: it cannot tell us, and only we look through the dialogs. */
  noticePause(portal: PortalRecord | undefined): void {
    const pausedUntil = portal?.answersPausedUntil?.getTime();
    if (pausedUntil !== undefined && pausedUntil !== this.knownPause) this.lookNow.abort();
  }

  /**
   * Looks again and again, soon again after a failure. Paused answers wait only for the dialogs that are alive:
   * in the others nothing is under way that could be overtaken.
   *
   * One case stays: a replica that took events is killed while another one drives the portal. Nobody can know then
   * that an event was lost, and it is found by the next look, perhaps after a later message was sent.
   */
  private async lookForMissed(signal: AbortSignal): Promise<void> {
    let lookedAt: number | undefined;
    for (let afterMs = 0; !signal.aborted;) {
      await pause(afterMs, AbortSignal.any([signal, this.lookNow.signal]));
      if (this.lookNow.signal.aborted) this.lookNow = new AbortController();
      if (signal.aborted) return;
      afterMs = LOOK_AGAIN_MS;
      try {
        const portal = this.held.held ? await this.portals.findById(this.id) : undefined;
        if (portal?.state !== 'active' || (await this.look.restMs()) > 0) continue;
        const begun = Date.now();
        const pausedUntil = portal.answersPausedUntil;
        this.knownPause = pausedUntil?.getTime();
        const sinceLookMs = begun - (lookedAt ?? begun);
        if (pausedUntil || lookedAt === undefined) await this.lines.eventsMayBeLost(this.id);
        await this.lines.wakeForgotten(this.id);
        await this.missed.collect(portal, ALIVE_MINUTES + Math.ceil(sinceLookMs / 60_000), signal);
        if (signal.aborted) return;
        if (pausedUntil) await this.portals.resumeAnswers(this.id, pausedUntil);
        if (lookedAt === undefined) await this.missed.collect(portal, RECENT_MINUTES, signal);
        lookedAt = begun;
        afterMs = NEXT_LOOK_MS;
      } catch (error) {
        if (signal.aborted) return;
        this.logger.warn(
          { portalId: String(this.id), err: error },
          'Could not read dialogs for missed messages; will retry',
        );
      }
    }
  }

  /** A dialog gets its title a moment after somebody wrote in it; a client who only changed their name, at the next look. */
  private async nameDialogs(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(NEXT_LOOK_MS, AbortSignal.any([signal, this.mayBeUntitled.signal]));
      await pause(TITLES_MS, signal);
      if (this.mayBeUntitled.signal.aborted) this.mayBeUntitled = new AbortController();
      if (signal.aborted) return;
      try {
        const portal = this.held.held ? await this.look.portal() : undefined;
        if (portal?.state === 'active' && !(await this.titles.tell(portal, signal))) this.mayBeUntitled.abort();
      } catch (error) {
        if (signal.aborted) return;
        this.logger.debug({ portalId: String(this.id), err: error }, 'Could not name dialogs; will retry');
        await pause(NEXT_LOOK_MS, signal);
      }
    }
  }

  /** While dialogs are alive; events of a portal at rest stay in its queue for a day. */
  private async readMessengerEvents(signal: AbortSignal): Promise<void> {
    const reading = newReading();
    while (!signal.aborted) {
      await pause(MESSENGER_EVENTS_MS, signal);
      if (signal.aborted) return;
      try {
        const portal = this.held.held ? await this.look.portal() : undefined;
        if (portal?.state !== 'active' || (await this.look.restMs()) > 0) continue;
        await this.messengerEvents.read(portal, reading, ALIVE_MINUTES, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.logger.debug(
          { portalId: String(this.id), err: error },
          'Could not read the events of the messenger; will retry',
        );
      }
    }
  }
}
