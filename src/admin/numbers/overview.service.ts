import { Injectable } from '@nestjs/common';
import { OverviewRepository, type MessageCount } from '../../storage/history/overview.repository.js';
import { WaitingWorkRepository, type OldestWaiting } from '../../storage/history/waiting-work.repository.js';
import type { MessageCounts, Overview, Summary } from './overview.dto.js';

/** The traffic in numbers. */
@Injectable()
export class OverviewService {
  constructor(
    private readonly counts: OverviewRepository,
    private readonly waiting: WaitingWorkRepository,
  ) {}

  /** All of it, or that of one portal, as if there were no other. */
  async overview(portalId?: bigint): Promise<Overview> {
    const [counts, oldest] = await Promise.all([
      this.counts.messageCounts(portalId),
      this.waiting.oldestWaiting(portalId),
    ]);
    return summarise(counts, oldest, new Date());
  }
}

export function summarise(counts: MessageCount[], oldest: OldestWaiting[], at: Date): Overview {
  return {
    at,
    ...summary(counts, oldest),
    byPortal: groups(counts, oldest, 'portalId').map(([portalId, ...rows]) => ({ portalId, ...summary(...rows) })),
    byBot: groups(counts, oldest, 'botId').map(([botId, ...rows]) => ({ botId, ...summary(...rows) })),
  };
}

function summary(counts: MessageCount[], oldest: OldestWaiting[]): Summary {
  const messages: MessageCounts = { inbound: {}, outbound: {} };
  for (const { direction, state, count } of counts) {
    const states = messages[direction];
    states[state] = (states[state] ?? 0) + count;
  }
  const times = oldest.map((row) => row.since.getTime());
  return { messages, oldestWaiting: times.length > 0 ? new Date(Math.min(...times)) : null };
}

/** One pass over each list: there may be thousands of portals and bots. */
function groups(
  counts: MessageCount[],
  oldest: OldestWaiting[],
  key: 'portalId' | 'botId',
): [string | null, MessageCount[], OldestWaiting[]][] {
  const found = new Map<bigint | null, [string | null, MessageCount[], OldestWaiting[]]>();
  const group = (id: bigint | null) => {
    const known = found.get(id) ?? [id?.toString() ?? null, [], []];
    found.set(id, known);
    return known;
  };
  for (const row of counts) group(row[key])[1].push(row);
  for (const row of oldest) group(row[key])[2].push(row);
  return [...found.values()];
}
