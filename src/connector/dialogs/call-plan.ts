import type { ClaimedLane } from '../../storage/work/claimed-lane.js';
import type { StatusLane } from '../../storage/work/delivery-reports.repository.js';
import { isRating } from './ratings.js';
import { isLine } from './service-lines.js';

/** Commands that one batch may hold (apidocs.bitrix24.com, "batch"). */
export const COMMANDS_PER_BATCH = 50;
/** Characters of all texts of a batch: percent-encoded Cyrillic grows sixfold, and PHP takes some megabytes. */
const CHARACTERS_PER_BATCH = 300_000;
/** Deliveries that one status call reports. */
const STATUSES_PER_CALL = 50;

/** One request to the portal. */
export type PlannedCall =
  | { kind: 'words'; lanes: [ClaimedLane] }
  /** Nothing but lines of the service. */
  | { kind: 'lines'; lanes: [ClaimedLane] }
  | { kind: 'batch'; lanes: ClaimedLane[] }
  | { kind: 'status'; lanes: ClaimedLane[] };

/**
 * Spreads lanes over requests. Each chat's words get a request of their own while there are requests enough, which
 * is the quickest and keeps chats apart; otherwise chats share `batch` requests, evenly. Statuses of one line always
 * share. Words come first, which tells whom to give the requests; the plan may need more than there are.
 *
 * @param requests requests that may be made at once
 */
export function planCalls(lanes: ClaimedLane[], requests: number): PlannedCall[] {
  const statuses = lanes.filter(isStatus);
  const words = lanes.filter((lane) => !isStatus(lane));
  const statusCalls = groupStatuses(statuses).map((members): PlannedCall => ({ kind: 'status', lanes: members }));
  const alone = words.filter((lane) => !isBatchable(lane));
  const together = words.filter(isBatchable);
  const left = Math.max(1, requests - alone.length);
  const single = (lane: ClaimedLane): PlannedCall => ({
    kind: lane.deliveries.every(isLine) ? 'lines' : 'words',
    lanes: [lane],
  });
  const wordCalls = together.length <= left ? together.map(single) : planBatches(together, left);
  return [...alone.map(single), ...wordCalls, ...statusCalls];
}

function planBatches(lanes: ClaimedLane[], requests: number): PlannedCall[] {
  const perBatch = Math.min(COMMANDS_PER_BATCH, Math.ceil(lanes.length / requests));
  const batches: ClaimedLane[][] = [];
  let characters = Infinity;
  for (const lane of lanes) {
    const size = lane.deliveries.reduce((sum, { message }) => sum + message.text.length, 0);
    if (characters + size > CHARACTERS_PER_BATCH || batches.at(-1)!.length === perBatch) {
      batches.push([]);
      characters = 0;
    }
    batches.at(-1)!.push(lane);
    characters += size;
  }
  return batches.map((members): PlannedCall =>
    members.length === 1 ? { kind: 'words', lanes: [members[0]!] } : { kind: 'batch', lanes: members },
  );
}

/** What one call reports: statuses of one line. */
export function groupStatuses<Lane extends StatusLane>(lanes: Lane[]): Lane[][] {
  const lines = new Map<string | null, Lane[][]>();
  for (const lane of lanes) {
    const key = lane.chat.lineId;
    const calls = lines.get(key) ?? [];
    const last = calls.at(-1);
    const size = last?.reduce((sum, member) => sum + member.deliveries.length, 0) ?? STATUSES_PER_CALL;
    if (last && size + lane.deliveries.length <= STATUSES_PER_CALL) last.push(lane);
    else calls.push([lane]);
    lines.set(key, calls);
  }
  return [...lines.values()].flat();
}

function isStatus(lane: ClaimedLane): boolean {
  return lane.channel === 'status';
}

/**
 * Notes and lines of the system need a number where a batch can only say text; what must be looked up first has calls
 * of its own to make; a rating may be too late by now; files take their time; and `$result[…]` in a command is replaced by the portal, whoever wrote it.
 */
function isBatchable(lane: ClaimedLane): boolean {
  return lane.deliveries.every((delivery) => {
    const { kind, unknown, message } = delivery;
    return (
      kind === 'message' &&
      !isRating(delivery) &&
      !unknown &&
      !message.systemLine &&
      !message.canWait &&
      message.attachments.length === 0 &&
      !JSON.stringify([message.text, message.marks, message.quoted, message.answered]).includes('$result')
    );
  });
}
