import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { Semaphore } from '../../common/semaphore.js';
import { isStorageUnavailable } from '../../common/storage-unavailable.js';
import { drain, WakeableLoop } from '../../common/wakeable-loop.js';
import { IntakeService } from '../../relay/intake.service.js';
import { RelayEvents } from '../../relay/relay-events.js';
import { BroadcastsRepository } from '../../storage/crm/broadcasts.repository.js';
import {
  BroadcastPortionsRepository,
  type ActiveBroadcast,
} from '../../storage/intake/broadcast-portions.repository.js';
import { broadcastMessage } from './broadcast-message.js';

/** How often all are looked at without a wake-up. */
const LOOK_MS = 5_000;
/** Sends that end within so long share a look. */
const GATHER_MS = 250;
/**
 * Messages that one bot has under way at once: about two seconds of what it may send, so that it never waits for the next
 * portion, and a pause has little to take back.
 */
export const DEPTH = 60;
/** Portals whose portions are made at once: what people say needs connections to the database, too. */
const PORTALS_AT_ONCE = 4;
/** How long a portion that is under way may hold up the end of the process. */
const DRAIN_MS = 2_000;
const HOUR_MS = 3_600_000;

/**
 * Turns broadcasts that run into messages, portion by portion. The tables are the truth: any replica may begin any
 * portion, and one that a kill interrupts was not begun. Portals do not wait for one another.
 */
@Injectable()
export class BroadcastFanOut implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(BroadcastFanOut.name);
  /** By portal. */
  private readonly underWay = new Map<bigint, Promise<void>>();
  private readonly turns = new Semaphore(PORTALS_AT_ONCE);
  /** Something runs: ends of sends make room for more. */
  private running = false;
  private readonly loop = new WakeableLoop({
    look: () => this.look(),
    onError: (error) => this.report(error),
    everyMs: LOOK_MS,
    gatherMs: GATHER_MS,
  });

  constructor(
    private readonly portions: BroadcastPortionsRepository,
    private readonly broadcasts: BroadcastsRepository,
    private readonly intake: IntakeService,
    relay: RelayEvents,
  ) {
    relay.on('settled', ({ network }) => {
      if (network === 'telegram' && this.running) this.loop.wake();
    });
  }

  onApplicationBootstrap(): void {
    this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.loop.stop();
    await drain(this.underWay.values(), DRAIN_MS);
  }

  /** One was started, paused or stopped. */
  wake(): void {
    this.loop.wake();
  }

  /** What clients do is noted also where nobody reads the report in time. */
  @Interval(HOUR_MS)
  async noteEffects(): Promise<void> {
    await this.broadcasts.noteEffects(null).catch((error: unknown) => this.report(error));
  }

  private async look(): Promise<void> {
    await this.portions.haltWithoutFile();
    await this.portions.noteEnds();
    await this.portions.letWordsPass();
    const active = await this.portions.active();
    this.running = active.length > 0;
    for (const portalId of new Set(active.map((broadcast) => broadcast.portalId))) {
      if (this.underWay.has(portalId)) continue;
      const own = active.filter((broadcast) => broadcast.portalId === portalId);
      const advanced = this.turns.run(() => this.advance(own)).finally(() => this.underWay.delete(portalId));
      this.underWay.set(portalId, advanced);
    }
  }

  /** Those of one portal, the oldest first. Never rejects. */
  private async advance(broadcasts: ActiveBroadcast[]): Promise<void> {
    for (const broadcast of broadcasts) {
      if (this.loop.signal.aborted) return;
      try {
        await this.step(broadcast);
      } catch (error) {
        this.report(error, broadcast);
      }
    }
  }

  private async step(broadcast: ActiveBroadcast): Promise<void> {
    const { id, state, isOver, clientEndpoint } = broadcast;
    if (state !== 'running') {
      await this.portions.withdraw(id);
      if (state === 'stopped') await this.portions.stopWaiting(id);
      return;
    }
    if (isOver) {
      await this.broadcasts.setState(id, ['running'], 'done');
      return;
    }
    const next = await this.portions.next(broadcast, DEPTH);
    if (next.length === 0) return this.portions.haltStranded(broadcast);
    const words = broadcastMessage(broadcast, new URL(clientEndpoint).origin);
    // It had something to say when it was started.
    if (!words) throw new Error(`Broadcast ${id} says nothing`);
    await this.intake.acceptPortion(() => this.portions.begin(broadcast, next, words));
    // Who was passed over makes room at once.
    this.loop.wake();
  }

  private report(error: unknown, broadcast?: ActiveBroadcast): void {
    const of = broadcast ? { broadcast: String(broadcast.id), portalId: String(broadcast.portalId) } : {};
    if (isStorageUnavailable(error)) this.logger.debug({ ...of, err: error }, 'Broadcasts cannot go on now');
    else this.logger.error({ ...of, err: error }, 'A broadcast does not go on; tried again');
  }
}
