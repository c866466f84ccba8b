import { setTimeout as pause } from 'node:timers/promises';
import { Injectable, Logger } from '@nestjs/common';
import { inSpan, traceOf } from '../common/spans.js';
import { portalEndpoint } from '../storage/work/endpoint-id.js';
import type { Intake } from '../storage/intake/intake.js';
import type { StoredWords } from '../storage/intake/intake.rows.js';
import { IntakeRepository } from '../storage/intake/intake.repository.js';
import type { SendAnswer, SendRequest } from '../storage/intake/own-messages.js';
import { LeaseLostError } from '../storage/work/lease.js';
import type { SessionNews } from '../storage/work/sessions.js';
import type { Poll, UpdateBatch } from '../storage/intake/update-batch.js';
import { GroupCommit } from './group-commit.js';
import { LostEvents, type Suspect } from './lost-events.js';
import { type ClientUpdate, type Direction, type OperatorChange, type OperatorMessage } from './message.js';
import { RelayEvents } from './relay-events.js';
import { type StoringTrouble, StoringTroubles } from './storing-trouble.js';

/** While the database is away. */
const PAUSE_AGAIN_MS = 100;

/** A poll brings up to 100 updates: with these, one commit takes less than a second. */
const POLLS_PER_COMMIT = 25;

/** Updates on their way to a commit. */
interface ArrivedBatch extends UpdateBatch {
  /** They were not kept: another replica drives the bot. */
  isLost?: boolean;
}

/**
 * The way in, for both networks. Every method resolves after the commit: only then may the network be told that
 * the message is taken. Duplicates are harmless. Errors are those of the database; nothing was kept then.
 */
@Injectable()
export class IntakeService {
  private readonly logger = new Logger(IntakeService.name);
  private readonly pushedUpdates = new GroupCommit<ArrivedBatch>((batches) => this.keepUpdates(batches));
  private readonly polledUpdates = new GroupCommit<ArrivedBatch>(
    (batches) => this.keepUpdates(batches),
    POLLS_PER_COMMIT,
  );
  /** An event's messages are one item: apart, two commits at a time could swap them. */
  private readonly operatorEvents = new GroupCommit<OperatorMessage[]>((events) =>
    this.keepOperatorMessages(events.flat()),
  );
  private readonly lost = new LostEvents();
  private pausing: Promise<void> | null = null;
  private readonly troubles = new StoringTroubles();

  constructor(
    private readonly repository: IntakeRepository,
    private readonly events: RelayEvents,
  ) {}

  /** Why this replica can store nothing that comes in; null: it can, as far as it knows. */
  get trouble(): StoringTrouble | null {
    return this.troubles.at(Date.now());
  }

  /** An update that Telegram pushed to the webhook. */
  acceptPushedUpdate(update: ClientUpdate): Promise<void> {
    return this.intake('inbound', [update], () => this.pushedUpdates.add({ updates: [update] }));
  }

  /**
   * A batch of getUpdates; the offset that confirms it moves in the same transaction, while the lease holds. Throws
   * LeaseLostError otherwise; batches of other bots that came together with it are kept all the same.
   */
  acceptPolledUpdates(updates: ClientUpdate[], poll: Poll): Promise<void> {
    return this.intake('inbound', updates, async () => {
      const batch: ArrivedBatch = { updates, poll };
      await this.polledUpdates.add(batch).catch((error: unknown) => {
        this.events.emit('refused');
        throw error;
      });
      if (batch.isLost) throw new LeaseLostError(poll.lease);
    });
  }

  /** Operators' messages of one event, in its order. */
  async acceptOperatorMessages(messages: OperatorMessage[]): Promise<void> {
    if (messages.length > 0) await this.intake('outbound', messages, () => this.operatorEvents.add(messages));
  }

  /** Operators' edits and deletions of one event, in its order. */
  async acceptOperatorChanges(changes: OperatorChange[]): Promise<void> {
    if (changes.length === 0) return;
    await this.intake('outbound', [], async () =>
      this.announce('outbound', await this.repository.acceptOperatorChanges(changes)),
    );
  }

  /** What the program is to say on its own account, answered in the order given. */
  async acceptSendRequests(requests: SendRequest[]): Promise<SendAnswer[]> {
    const { answers, intake } = await this.repository.acceptSendRequests(requests);
    this.announce('outbound', intake);
    return answers;
  }

  /** A portion of a broadcast that `keep` commits; resolves when its messages can be sent. */
  async acceptPortion(keep: () => Promise<Intake>): Promise<void> {
    this.announce('outbound', await keep());
  }

  /**
   * Operators' messages may have come that could not be kept, of this portal or, while the database is away, of any:
   * Bitrix24 does not post them again. Answers are paused until the dialogs are looked through, lest newer ones overtake
   * them: in the transaction of the next message that comes here, and for those that other replicas take, as soon as
   * the database answers.
   */
  mayHaveMissed(suspect: Suspect): void {
    this.lost.add(suspect);
    this.pausing ??= this.pauseAnswers().finally(() => (this.pausing = null));
  }

  private async pauseAnswers(): Promise<void> {
    for (let suspects = this.lost.unpaused(); suspects !== null; suspects = this.lost.unpaused()) {
      const committed = this.lost.beginPause(suspects);
      try {
        const paused = await this.repository.pauseAnswers(suspects);
        committed(paused);
        for (const id of paused) this.events.emit('changed', portalEndpoint(id));
      } catch (error) {
        this.logger.debug({ err: error }, 'Answers cannot be paused yet');
        // A process that ends need not wait for it: the next one pauses them.
        await pause(PAUSE_AGAIN_MS, undefined, { ref: false });
      }
    }
  }

  /**
   * What the dialogs held after `asOf` and events may not have told: messages that wait for their delivery report, and
   * how messages were changed. Returns how many messages were new.
   */
  async recover(found: { messages: OperatorMessage[]; changes: OperatorChange[] }, asOf: Date): Promise<number> {
    if (found.messages.length + found.changes.length === 0) return 0;
    const intake = await this.repository.acceptOperatorMessages(found.messages);
    this.announce('outbound', intake);
    this.announce('outbound', await this.repository.acceptFound(found, asOf));
    return intake.accepted;
  }

  /** Any other event of Bitrix24: kept once. False when it was kept before. */
  recordEvent(event: { source: string; key: string; portalId: bigint; name: string; raw: unknown }): Promise<boolean> {
    return this.repository.acceptEvent(event);
  }

  /** An event of Bitrix24 that tells where sessions began or ended: kept once, and what waited for one goes. */
  async acceptSessionEvent(
    event: { source: string; key: string; portalId: bigint; name: string; raw: unknown },
    told: SessionNews[],
  ): Promise<void> {
    const { endpoints } = await this.repository.acceptSessionEvent(event, told);
    if (endpoints.length > 0) this.events.emit('work', endpoints);
  }

  private async keepUpdates(batches: ArrivedBatch[]): Promise<void> {
    const { lost, ...intake } = await this.repository.acceptUpdates(batches);
    for (const batch of batches) batch.isLost = lost.includes(batch);
    this.announce('inbound', intake);
  }

  private async keepOperatorMessages(messages: OperatorMessage[]): Promise<void> {
    const suspects = this.lost.unpausedOf(messages.map(({ portalId }) => portalId));
    const committed = this.lost.beginPause(suspects);
    const intake = await this.repository.acceptOperatorMessages(messages, suspects);
    committed(suspects);
    for (const id of suspects) this.events.emit('changed', portalEndpoint(id));
    this.announce('outbound', intake);
  }

  private announce(direction: Direction, intake: Intake): void {
    this.events.emit('accepted', { direction, count: intake.accepted, duplicates: intake.duplicates });
    if (intake.endpoints.length > 0) this.events.emit('work', intake.endpoints);
  }

  /** From the parsed messages to their commit; their deliveries are to find this span. */
  private async intake(
    direction: Direction,
    messages: readonly { said: StoredWords | null }[],
    work: () => Promise<void>,
  ): Promise<void> {
    try {
      await inSpan('intake', { attributes: { 'openlines.direction': direction } }, (span) => {
        const trace = traceOf(span);
        if (trace !== undefined) for (const { said } of messages) if (said) said.trace = trace;
        return work();
      });
      this.troubles.stored();
    } catch (error) {
      this.troubles.failed(error, Date.now());
      throw error;
    }
  }
}
