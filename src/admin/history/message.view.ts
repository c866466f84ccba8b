import type { Mark } from '../../relay/said-message.dto.js';
import { saidMessage, type LinkTo } from '../../relay/said-message.view.js';
import type {
  AttemptRow,
  MessageRow,
  MessageStory,
  RevisionRow,
  WaitingRow,
} from '../../storage/history/shown-message.js';
import type { MessageDetail, MessageError, MessageItem, Revision, TimelineEntry } from './messages.dto.js';

/**
 * A message as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. A message without words is read
 * by the labels of its files.
 */
export function messageItem(row: MessageRow, linkTo: LinkTo): MessageItem {
  return {
    ...saidMessage(row, linkTo),
    source: row.source,
    albumId: row.albumId,
    chatId: text(row.chatId),
    blocked: row.blocked,
    externalChatId: row.externalChatId,
    telegramChatId: text(row.telegramChatId),
    telegramMessageIds: row.telegramMessageIds,
    bitrixMessageId: row.bitrixMessageId,
    botId: text(row.botId),
    portalId: text(row.portalId),
    unsigned: row.unsigned,
    attempts: row.attempts,
    error: errorOf(row),
    deliveredAt: row.deliveredAt,
  };
}

const WAITS_FOR_CLIENT = "waits for the client's next words, because no session of the dialog is open";

function errorOf({ errorCode, errorDetail, waitsForClient }: MessageRow): MessageError | null {
  if (errorCode !== null) return { code: errorCode, detail: errorDetail ?? '' };
  return waitsForClient ? { code: 'waits_for_client', detail: WAITS_FOR_CLIENT } : null;
}

/** The message with its `timeline`, oldest first; what is still to come stands at the end. */
export function messageDetail(story: MessageStory, linkTo: LinkTo): MessageDetail {
  const { message, revisions } = story;
  return {
    ...messageItem(message, linkTo),
    raw: withoutFileKeys(message.raw),
    revisions: revisions.map((revision) => revisionItem(revision, message)),
    timeline: timeline(story),
  };
}

/** The row of the original is written with the first change, so the time of the message is that of the original. */
function revisionItem(row: RevisionRow, message: MessageRow): Revision {
  return { ...row, marks: row.marks as Mark[], createdAt: row.number === 0 ? message.createdAt : row.createdAt };
}

/** Names under which Telegram's updates and Bitrix24's events give away a file: whoever has the value has the file. */
const FILE_KEY = /(?:^|_)file_id$|^(?:download)?link$/i;

function withoutFileKeys(raw: unknown): unknown {
  if (Array.isArray(raw)) return raw.map(withoutFileKeys);
  if (typeof raw !== 'object' || raw === null) return raw;
  return Object.fromEntries(
    Object.entries(raw).map(([name, value]) => [name, FILE_KEY.test(name) ? '[file]' : withoutFileKeys(value)]),
  );
}

export function timeline({ message, revisions, attempts, waiting }: MessageStory): TimelineEntry[] {
  const past: TimelineEntry[] = [
    { at: message.saidAt ?? message.createdAt, what: 'received', ...sourceOf(message) },
    { at: message.createdAt, what: 'stored' },
    ...revisions.flatMap(revisionEntry),
    ...attempts.map(attemptEntry),
    ...ending(message, attempts),
  ];
  if (message.seenAt) past.push({ at: message.seenAt, what: 'seen' });
  // The network's clock may be ahead of ours: what comes first in the story stays first.
  const rank = (entry: TimelineEntry) => (entry.what === 'received' ? 0 : entry.what === 'stored' ? 1 : 2);
  past.sort((a, b) => (Math.min(rank(a), rank(b)) < 2 ? rank(a) - rank(b) : a.at.getTime() - b.at.getTime()));
  return [...past, ...waiting.map(waitingEntry)];
}

function sourceOf(message: MessageRow): Pick<TimelineEntry, 'code' | 'params' | 'detail'> {
  if (message.kind === 'welcome') return { code: 'welcome', detail: 'the welcome text of the line' };
  const network = message.direction === 'inbound' ? 'Telegram' : 'Bitrix24';
  return message.saidAt
    ? { code: 'by_clock', params: { network }, detail: `by the clock of ${network}` }
    : { code: 'arrived', params: { network }, detail: `from ${network}` };
}

function revisionEntry({ number, deleted, createdAt }: RevisionRow): TimelineEntry[] {
  return number === 0 ? [] : [{ at: createdAt, what: deleted ? 'deleted' : 'edited', number }];
}

function attemptEntry(attempt: AttemptRow): TimelineEntry {
  if (attempt.outcome === 'resolved') {
    return { at: attempt.startedAt, what: 'resolved', ...(attempt.detail ? { outcome: attempt.detail } : {}) };
  }
  if (attempt.outcome === 'discarded') return { at: attempt.startedAt, what: 'discarded' };
  return {
    at: attempt.startedAt,
    what: 'attempt',
    kind: attempt.kind,
    number: attempt.number,
    outcome: attempt.outcome,
    ...present({ code: attempt.code, detail: attempt.detail }),
    finishedAt: attempt.finishedAt,
    instance: attempt.instance,
  };
}

function ending(message: MessageRow, attempts: AttemptRow[]): TimelineEntry[] {
  const reason = present({ code: message.errorCode, detail: message.errorDetail });
  const lastTry = attempts.findLast((attempt) => attempt.kind === 'message')?.finishedAt ?? message.createdAt;
  switch (message.state) {
    case 'delivered':
      return [{ at: message.deliveredAt ?? lastTry, what: 'delivered' }];
    case 'failed':
    case 'uncertain':
      return [{ at: lastTry, what: message.state, ...reason }];
    case 'ignored':
      return [{ at: attempts.some(isDiscard) ? lastTry : message.createdAt, what: 'ignored', ...reason }];
    default:
      return [];
  }
}

const isDiscard = (attempt: AttemptRow) => attempt.outcome === 'discarded';

function waitingEntry(work: WaitingRow): TimelineEntry {
  if (work.state === 'sending') {
    return { at: work.startedAt ?? work.dueAt, what: 'sending', kind: work.kind, number: work.attempts };
  }
  return { at: work.dueAt, what: 'waiting', kind: work.kind, number: work.attempts + 1, ...whyItWaits(work) };
}

function whyItWaits(work: WaitingRow): Pick<TimelineEntry, 'code' | 'params' | 'detail'> {
  const { ahead } = work;
  if (work.endpoint === '') return { code: 'no_line', detail: 'waits until its bot serves an open line' };
  if (work.waitsForClient) return { code: 'waits_for_client', detail: WAITS_FOR_CLIENT };
  if (ahead > 0) {
    const deliveries = ahead === 1 ? 'delivery' : 'deliveries';
    return { code: 'behind', params: { ahead }, detail: `waits behind ${ahead} earlier ${deliveries} of this chat` };
  }
  if (work.unknown) {
    return { code: 'looked_up', detail: 'nobody knows whether the last try arrived: that is looked up first' };
  }
  return { code: 'next_try', detail: 'next try' };
}

function present(fields: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));
}

function text(id: bigint | null): string | null {
  return id === null ? null : id.toString();
}
