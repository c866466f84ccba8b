import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { stateReason } from '../../common/state-reasons.js';
import type { ServedLine } from '../../relay/line-bots.js';
import { portalEndpoint } from '../../storage/work/endpoint-id.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BotsRepository } from '../../storage/accounts/bots.repository.js';
import { LinesRepository } from '../../storage/accounts/lines.repository.js';
import { ERASING, PortalErasureRepository } from '../../storage/erasure/portal-erasure.repository.js';
import { PortalsRepository } from '../../storage/accounts/portals.repository.js';
import type { LineState } from '../../storage/prisma/client.js';
import { LineConnections } from './line-connections.service.js';
import { RegistrationService, type RegistrationOptions } from './registration.service.js';
import type { RegistrationReport, RegistrationStep } from './registration-steps.js';

const REMOVED = stateReason('removed');

/** What a portal has to let us take our connector back. */
const WITHDRAWAL_PATIENCE_MS = 3_000;
/** What a request that gives a bot its line waits for the portal. */
const LINE_PATIENCE_MS = 5_000;
/** What a request waits for an erasure; a long history goes on being erased after the answer. */
const ERASURE_PATIENCE_MS = 3_000;
/** How much of the ten seconds of a shutdown work under way may use. */
const DRAIN_MS = 5_000;

/** What happens to a portal beyond its messages: (re-)registration, lines that go, removal of the application. */
@Injectable()
export class PortalLifecycleService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(PortalLifecycleService.name);
  private readonly running = new Set<Promise<unknown>>();
  private stopping = false;

  constructor(
    private readonly portals: PortalsRepository,
    private readonly lines: LinesRepository,
    private readonly bots: BotsRepository,
    private readonly erasure: PortalErasureRepository,
    private readonly registration: RegistrationService,
    private readonly connections: LineConnections,
    private readonly relay: RelayEvents,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    for (const portal of await this.portals.list()) {
      if (portal.state === 'uninstalled' && portal.stateReason === ERASING) await this.run(this.erase(portal.id), 0);
    }
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping = true;
    await Promise.race([Promise.allSettled(this.running), pause(DRAIN_MS, undefined, { ref: false })]);
  }

  /**
   * The registration routine. Null when it takes longer than `patienceMs`: it goes on then, and its result is
   * in the log.
   */
  register(portalId: bigint, options: RegistrationOptions, patienceMs: number): Promise<RegistrationReport | null> {
    const work = this.registration.register(portalId, options).then((report) => {
      this.complain(portalId, report.steps);
      return report;
    });
    return this.run(work, patienceMs);
  }

  /**
   * The one place that sees to the lines when a bot came, moved (to another portal, too) or was removed: the connector is
   * switched off in the line that it left, where operators would write to nobody, and on in the new one, which shows it.
   * Waits a few seconds at most for each and throws nothing: what did not work is in the answer, in the log and in the
   * doctor's checks, and may be repeated. A bot that stayed is seen to anew.
   */
  async botMoved(from: ServedLine | null, to: ServedLine | null): Promise<RegistrationStep[]> {
    const stayed = from !== null && from.portalId === to?.portalId && from.lineId === to.lineId;
    const steps: RegistrationStep[] = [];
    if (from && !stayed) steps.push(...((await this.run(this.switchOff(from), LINE_PATIENCE_MS)) ?? [silent(from)]));
    if (to) steps.push(...((await this.run(this.switchOn(to), LINE_PATIENCE_MS)) ?? [silent(to)]));
    return steps;
  }

  /** ONAPPUNINSTALL: no call is made to the portal from now on; with `clean` its data are erased. */
  async uninstall(portalId: bigint, { clean }: { clean: boolean }): Promise<void> {
    await this.portals.recordUninstalled(portalId, clean ? ERASING : REMOVED, { clean });
    await this.leave(portalId, { clean });
  }

  private async leave(portalId: bigint, { clean }: { clean: boolean }): Promise<void> {
    await this.lines.switchAllOff(portalId);
    this.relay.emit('changed', portalEndpoint(portalId));
    this.logger.log(`portal ${portalId}: the application was removed${clean ? ', its data are to be erased' : ''}`);
    if (clean) await this.run(this.erase(portalId), ERASURE_PATIENCE_MS);
  }

  /**
   * Our own administrator wants the portal gone: the connector is withdrawn from it as far as it lets us, then
   * everything ends and is erased as after ONAPPUNINSTALL with CLEAN. A new installation brings the portal back. Answers
   * what was done in the portal.
   */
  async remove(portalId: bigint): Promise<RegistrationStep[]> {
    const portal = await this.portals.findById(portalId);
    const active = portal?.state === 'active';
    const { steps } = active ? await this.registration.withdraw(portalId, WITHDRAWAL_PATIENCE_MS) : { steps: [] };
    this.complain(portalId, steps);
    await this.portals.setState(portalId, 'uninstalled', ERASING);
    await this.leave(portalId, { clean: true });
    return steps;
  }

  /** The portal was asked how it is about a line that we know; the news goes into the log once. */
  async lineSeen(portalId: bigint, lineId: string, state: LineState): Promise<void> {
    if (state === 'active') {
      if (!(await this.lines.setState(portalId, lineId, 'active'))) return;
      this.relay.emit('changed', portalEndpoint(portalId));
      this.logger.log(`portal ${portalId}: line ${lineId} works again`);
    } else if (state === 'inactive') await this.lineSwitchedOff(portalId, lineId);
    else await this.lineDeleted(portalId, lineId);
  }

  /** The connector was switched off in a line of the portal, or the line itself. */
  async lineSwitchedOff(portalId: bigint, lineId: string): Promise<void> {
    if (await this.lines.setState(portalId, lineId, 'inactive')) {
      this.logger.warn(`portal ${portalId}: line ${lineId} was switched off; what clients write there may wait`);
    }
  }

  /** An open line was deleted; Bitrix24 tells every application, also those that had nothing to do with it. */
  async lineDeleted(portalId: bigint, lineId: string): Promise<void> {
    if (await this.lines.setState(portalId, lineId, 'deleted')) {
      this.logger.error(
        `portal ${portalId}: line ${lineId} was deleted; its bot needs another one, until then messages wait`,
      );
    }
  }

  private async switchOn(line: ServedLine): Promise<RegistrationStep[]> {
    const { portalId, lineId } = line;
    try {
      const { steps } = await this.connections.activate(portalId, lineId);
      this.complain(portalId, steps);
      return steps;
    } catch (error) {
      this.logger.error(`portal ${portalId}: line ${lineId} could not be connected`, error);
      return [broken(line, error)];
    }
  }

  /** Also while the portal does not answer: the connector then stays on there until somebody switches it off. */
  private async switchOff(place: ServedLine): Promise<RegistrationStep[]> {
    const { portalId, lineId } = place;
    try {
      const line = await this.lines.find(portalId, lineId);
      if (line?.state === 'deleted' || (await this.bots.findByLine(portalId, lineId))) return [];
      const steps = await this.withdrawLine(place);
      this.complain(portalId, steps);
      if (steps.some(({ ok }) => !ok)) await this.lines.setState(portalId, lineId, 'inactive');
      return steps;
    } catch (error) {
      this.logger.error(`portal ${portalId}: line ${lineId} could not be switched off`, error);
      return [broken(place, error)];
    }
  }

  private async withdrawLine(place: ServedLine): Promise<RegistrationStep[]> {
    const portal = await this.portals.findById(place.portalId);
    if (portal?.state === 'active') {
      try {
        return (await this.connections.deactivate(place.portalId, place.lineId)).steps;
      } catch (error) {
        this.logger.error(`portal ${place.portalId}: line ${place.lineId} could not be switched off`, error);
        return [broken(place, error)];
      }
    }
    await this.lines.setState(place.portalId, place.lineId, 'inactive');
    // A portal without the application has no connector of ours either.
    return portal?.state === 'reauthorise' ? [notDone(place, 'REAUTHORISE', 'the portal takes no calls')] : [];
  }

  private complain(portalId: bigint, steps: RegistrationStep[]): void {
    for (const { step, detail } of steps.filter(({ ok }) => !ok)) {
      this.logger.warn(`portal ${portalId}: ${step}: ${detail}`);
    }
  }

  private async erase(portalId: bigint): Promise<void> {
    let done = false;
    while (!done && !this.stopping) done = await this.erasure.eraseSome(portalId);
  }

  /** Waits for `work` as long as `patienceMs`; what takes longer goes on and is logged if it fails. */
  private async run<Result>(work: Promise<Result>, patienceMs: number): Promise<Result | null> {
    let waiting = true;
    const task = work.catch((error: unknown) => {
      if (waiting) throw error;
      this.logger.error('Work on a portal failed after its request was answered', error);
      return null;
    });
    const settled = task.finally(() => this.running.delete(settled));
    this.running.add(settled);
    const patience = new AbortController();
    try {
      return await Promise.race([settled, pause(patienceMs, null, { signal: patience.signal })]);
    } finally {
      waiting = false;
      patience.abort();
    }
  }
}

function notDone({ lineId }: ServedLine, code: string, detail: string): RegistrationStep {
  return { step: 'imconnector.activate', ok: false, detail, lineId, code };
}

/** It goes on, and what comes of it is in the log. */
function silent(line: ServedLine): RegistrationStep {
  return notDone(line, 'portal_silent', `The portal did not answer within ${LINE_PATIENCE_MS / 1_000} s.`);
}

function broken(line: ServedLine, error: unknown): RegistrationStep {
  return notDone(line, 'internal_error', error instanceof Error ? error.message : String(error));
}
