import { Logger } from '@nestjs/common';
import {
  RENEW_MS,
  type ClaimedRequest,
  type SendRequestsRepository,
} from '../../storage/crm/send-requests.repository.js';

/** Keeps the claims of steps that are being worked on in this process. */
export class ClaimRenewals {
  private readonly logger = new Logger(ClaimRenewals.name);
  private readonly claimed = new Set<ClaimedRequest>();
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly requests: SendRequestsRepository) {}

  start(): void {
    this.timer = setInterval(() => void this.renew(), RENEW_MS).unref();
  }

  stop(): void {
    clearInterval(this.timer);
  }

  keep(claimed: ClaimedRequest[]): void {
    for (const request of claimed) this.claimed.add(request);
  }

  /** Nobody works on these any more. */
  drop(...claimed: ClaimedRequest[]): void {
    for (const request of claimed) this.claimed.delete(request);
  }

  private async renew(): Promise<void> {
    if (this.claimed.size === 0) return;
    await this.requests.renew([...this.claimed]).catch((error: unknown) => {
      this.logger.debug({ err: error }, 'Claims of requests could not be renewed');
    });
  }
}
