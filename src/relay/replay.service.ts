import { Injectable } from '@nestjs/common';
import { DecisionsRepository } from '../storage/work/decisions.repository.js';
import { RelayEvents } from './relay-events.js';

/**
 * What a person does about messages that failed or whose outcome is unknown: sends them again (they join the end of
 * their chat's lane), says what became of them or discards them.
 */
@Injectable()
export class ReplayService {
  constructor(
    private readonly decisions: DecisionsRepository,
    private readonly events: RelayEvents,
  ) {}

  /** How many of these messages were failed or uncertain, and are queued again now. */
  async retry(messageIds: bigint[]): Promise<number> {
    if (messageIds.length === 0) return 0;
    const { retried, endpoints } = await this.decisions.retry(messageIds);
    this.events.emit('work', endpoints);
    return retried;
  }

  /** False when the message is not uncertain. */
  async resolve(messageId: bigint, outcome: 'delivered' | 'failed'): Promise<boolean> {
    const endpoints = await this.decisions.resolve(messageId, outcome);
    if (endpoints) this.events.emit('work', endpoints);
    return endpoints !== null;
  }

  /** How many of these messages were failed or uncertain, and are kept for the record only from now on. */
  discard(messageIds: bigint[]): Promise<number> {
    return messageIds.length === 0 ? Promise.resolve(0) : this.decisions.discard(messageIds);
  }
}
