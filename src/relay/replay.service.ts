import { Injectable } from '@nestjs/common';
import { LanesRepository } from '../storage/lanes.repository.js';
import { RelayEvents } from './relay-events.js';

/** Sends again, on a person's word, what failed or whose outcome is unknown. It joins the end of its chat's lane. */
@Injectable()
export class ReplayService {
  constructor(
    private readonly lanes: LanesRepository,
    private readonly events: RelayEvents,
  ) {}

  /** How many of these messages were failed or uncertain, and are queued again now. */
  async retry(messageIds: bigint[]): Promise<number> {
    if (messageIds.length === 0) return 0;
    const { retried, endpoints } = await this.lanes.retry(messageIds);
    this.events.emit('work', endpoints);
    return retried;
  }
}
