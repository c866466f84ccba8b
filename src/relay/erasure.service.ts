import { createHmac } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { type BeforeApplicationShutdown, Injectable, Logger, type OnApplicationBootstrap } from '@nestjs/common';
import { ClientErasureRepository, type ErasurePass } from '../storage/erasure/client-erasure.repository.js';
import { EncryptionService } from '../storage/secrets/encryption.service.js';
import { ErasuresRepository, type ErasureRow, type ErasureTarget } from '../storage/erasure/erasures.repository.js';

/** Messages erased in one transaction, and rows examined in one. */
const BATCH = 1_000;
const LOOKED_AT = 2_000;
/** How long a request waits for an erasure; a long history is erased further after the answer. */
const PATIENCE_MS = 3_000;
/** A send under way is settled within this; if one hangs longer, its outcome is not recorded. */
const SEND_MS = 90_000;
const SEND_PAUSE_MS = 200;
const TROUBLE_PAUSE_MS = 10_000;
/** How much of the ten seconds of a shutdown the current work may use. */
const DRAIN_MS = 5_000;

/**
 * Erases clients from all tables. What was begun is finished: after a failure by this process, after a stop by the next
 * one that starts. It does not reach what Telegram and Bitrix24 keep.
 */
@Injectable()
export class ErasureService implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger(ErasureService.name);
  private readonly stop = new AbortController();
  private readonly running = new Set<Promise<void>>();

  constructor(
    private readonly erasures: ErasuresRepository,
    private readonly clients: ClientErasureRepository,
    private readonly encryption: EncryptionService,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    for (const { id, target } of await this.erasures.pending()) void this.run(id, target);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stop.abort();
    await Promise.race([Promise.allSettled(this.running), pause(DRAIN_MS, undefined, { ref: false })]);
  }

  /**
   * Erases the client of a private chat from all chats of the portal, including what they said in groups, or a group
   * chat.
   * Waits 3 seconds for it; the receipt says whether it is finished. Null: there is no such chat.
   */
  async erase(chatId: bigint, actor: string): Promise<ErasureRow | null> {
    const begun = await this.erasures.begin(chatId, actor, (user) => this.subjects(user)[0]!);
    if (!begun) return null;
    const patience = new AbortController();
    const work = this.run(begun.id, begun.target).finally(() => patience.abort());
    await Promise.race([work, pause(PATIENCE_MS, undefined, { signal: patience.signal }).catch(() => undefined)]);
    return this.erasures.find(begun.id);
  }

  /** How receipts name a client: by the newest key, and by those that were used before. */
  subjects(externalUserId: string): string[] {
    return this.encryption
      .derive('erasures')
      .map((key) => createHmac('sha256', key).update(externalUserId).digest('hex'));
  }

  private run(id: bigint, target: ErasureTarget): Promise<void> {
    const work = this.untilDone(id, target).finally(() => this.running.delete(work));
    this.running.add(work);
    return work;
  }

  private async untilDone(id: bigint, target: ErasureTarget): Promise<void> {
    while (!this.stop.signal.aborted) {
      try {
        await this.eraseAll(id, target);
        if (this.stop.signal.aborted) return;
        await this.erasures.finish(id);
        this.logger.log(`Erasure ${id} is finished`);
        return;
      } catch (error) {
        this.logger.warn({ err: error }, `Erasure ${id} failed; trying again`);
        await this.rest(TROUBLE_PAUSE_MS);
      }
    }
  }

  private async eraseAll(id: bigint, target: ErasureTarget): Promise<void> {
    for (const chatId of await this.clients.chats(target)) await this.eraseChat(id, chatId);
    if (target.userId !== null) {
      for (const groupId of await this.clients.groups(target)) {
        await this.patiently((force) =>
          this.walk((before) => this.clients.eraseInGroup(id, target, groupId, before, LOOKED_AT, { force })),
        );
      }
    }
    while (!this.stop.signal.aborted && (await this.clients.eraseStrays(id, target, BATCH)) === 'more');
    await this.walk((after) => this.clients.eraseEvents(id, target, after ?? 0n, LOOKED_AT));
  }

  private eraseChat(id: bigint, chatId: bigint): Promise<void> {
    return this.patiently(async (force) => {
      if ((await this.clients.dropWaiting(id, chatId)).busy && !force) return true;
      for (;;) {
        const step = await this.clients.eraseChat(id, chatId, BATCH, { force });
        if (step !== 'more' || this.stop.signal.aborted) return step === 'busy';
      }
    });
  }

  /** Repeats the work until no send is in its way. */
  private async patiently(work: (force: boolean) => Promise<boolean>): Promise<void> {
    const deadline = Date.now() + SEND_MS;
    while (!this.stop.signal.aborted && (await work(Date.now() > deadline))) await this.rest(SEND_PAUSE_MS);
  }

  /** Goes step by step to the end; returns whether something was left out. */
  private async walk(step: (from: bigint | null) => Promise<ErasurePass>): Promise<boolean> {
    let [from, busy, last]: [bigint | null, boolean, boolean] = [null, false, false];
    while (!last && !this.stop.signal.aborted) {
      const pass: ErasurePass = await step(from);
      busy ||= pass.busy;
      from = pass.next;
      last = pass.next === null;
    }
    return busy;
  }

  private async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { ref: false, signal: this.stop.signal }).catch(() => undefined);
  }
}
