import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { UpstreamError } from '../../common/upstream-error.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
import { PortalsRepository, type PortalRecord } from '../../storage/accounts/portals.repository.js';
import { TriggerEventsRepository, type ClaimedTriggerEvent } from '../../storage/crm/trigger-events.repository.js';
import { PortalFeatures } from '../features/portal-features.service.js';
import { GIVEN_UP_MS, TriggerWork, type TriedTrigger } from './trigger.work.js';
import { Triggers } from './triggers.service.js';

const LOOK_MS = 3_000;
const PORTALS_AT_ONCE = 20;
const CLAIMED_AT_ONCE = 50;
/** What is not begun by then is left for the next claim, well before this one runs out. */
const BEGIN_WITHIN_MS = 20_000;
const FAULT_AGAIN_MS = 600_000;
/** How long a call that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
/** Outcomes of which whoever runs the program should know. */
const TROUBLES: ReadonlySet<string> = new Set(['uncertain', 'refused', 'given_up']);

/**
 * Tells the CRM of what clients did, trigger by trigger. Every replica may do it; each portal's wait only for one another,
 * and no message waits for any.
 */
@Injectable()
export class TriggerEvents implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(TriggerEvents.name);
  private readonly underWay = new Map<bigint, Promise<void>>();
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => {
      if (isStorageUnavailable(error)) this.logger.debug({ err: error }, 'Events for triggers cannot be read now');
      else this.logger.error({ err: error }, 'Events for triggers could not be read; tried again');
    },
    everyMs: LOOK_MS,
  });

  constructor(
    private readonly events: TriggerEventsRepository,
    private readonly portals: PortalsRepository,
    private readonly triggers: Triggers,
    private readonly features: PortalFeatures,
    private readonly work: TriggerWork,
  ) {}

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    // A call that takes longer is not made again: nobody knows what became of it.
    await drain(this.underWay.values(), DRAIN_MS);
  }

  private async look(): Promise<void> {
    if (this.underWay.size >= PORTALS_AT_ONCE) return;
    const claimed = await this.events.claim(CLAIMED_AT_ONCE, [...this.underWay.keys()]);
    for (const portalId of new Set(claimed.map((event) => event.portalId))) {
      const own = claimed.filter((event) => event.portalId === portalId);
      const told = this.tell(portalId, own).finally(() => {
        this.underWay.delete(portalId);
        // There may be more than was claimed.
        if (claimed.length === CLAIMED_AT_ONCE) this.loop.wake();
      });
      this.underWay.set(portalId, told);
    }
  }

  /** One after the other: they are in the order in which they happened. Never rejects: what is left is claimed again. */
  private async tell(portalId: bigint, claimed: ClaimedTriggerEvent[]): Promise<void> {
    const begun = performance.now();
    const left = new Set(claimed);
    try {
      const portal = await this.portals.findById(portalId);
      if (portal?.state !== 'active') return;
      const codes = new Set((await this.triggers.wish(portal)).map(({ code }) => code));
      for (const event of claimed) {
        if (this.loop.signal.aborted || performance.now() - begun > BEGIN_WITHIN_MS) break;
        left.delete(event);
        await this.tellOf(portal, event, codes);
      }
    } catch (error) {
      this.logger.warn({ portalId: String(portalId), err: error }, 'Triggers could not be executed; later again');
    }
    // Newer ones must not be told before them. Where that fails, the claims run out.
    await this.events.release([...left]).catch((error: unknown) => {
      this.logger.debug({ portalId: String(portalId), err: error }, 'Events for triggers could not be released');
    });
  }

  private async tellOf(portal: PortalRecord, event: ClaimedTriggerEvent, codes: ReadonlySet<string>): Promise<void> {
    const target = await this.guarded(event, () => this.work.target(portal, event, codes));
    if ('outcome' in target) return this.settle(event, event.interrupted ?? event.times, target);
    const times = await this.events.begin(event);
    if (times === null) return;
    await this.settle(event, times, await this.guarded(event, () => this.work.execute(portal, event, target)));
  }

  private async settle(event: ClaimedTriggerEvent, times: number, tried: TriedTrigger): Promise<void> {
    await this.events.settle(event, times, tried);
    const { outcome, detail } = tried;
    if (tried.isMissing) this.features.lookSoon(event.portalId, this.triggers.name);
    if (TROUBLES.has(outcome))
      this.logger.warn({ ...named(event), outcome, detail }, 'A trigger was perhaps not executed');
  }

  /** A fault of the program at one of them: that is tried again for a day, and the others go on. */
  private async guarded<Result>(
    event: ClaimedTriggerEvent,
    work: () => Promise<Result>,
  ): Promise<Result | TriedTrigger> {
    try {
      return await work();
    } catch (error) {
      if (isStorageUnavailable(error) && !(error instanceof UpstreamError)) throw error;
      this.logger.error({ ...named(event), err: error }, 'An event for triggers is not understood');
      const isOld = Date.now() - event.happenedAt.getTime() > GIVEN_UP_MS;
      return { againInMs: isOld ? null : FAULT_AGAIN_MS, outcome: isOld ? 'given_up' : 'fault', detail: 'INTERNAL' };
    }
  }
}

const named = ({ portalId, chatId, event }: ClaimedTriggerEvent) => ({
  portalId: String(portalId),
  chatId: String(chatId),
  event,
});
