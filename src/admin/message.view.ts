import type { AttemptRow, MessageRow, MessageStory, WaitingRow } from '../storage/history.repository.js';

/** A message as the admin API shows it. Ids are decimal strings, times ISO 8601 in UTC. */
export function messageItem(row: MessageRow) {
  return {
    id: row.id.toString(),
    direction: row.direction,
    state: row.state,
    kind: row.kind,
    text: row.text,
    chatId: text(row.chatId),
    externalChatId: row.externalChatId,
    telegramChatId: text(row.telegramChatId),
    telegramMessageIds: row.telegramMessageIds,
    bitrixMessageId: row.bitrixMessageId,
    botId: text(row.botId),
    portalId: text(row.portalId),
    authorId: row.authorId,
    authorName: row.authorName,
    unsigned: row.unsigned,
    attempts: row.attempts,
    error: row.errorCode === null ? null : { code: row.errorCode, detail: row.errorDetail ?? '' },
    createdAt: row.createdAt,
    deliveredAt: row.deliveredAt,
    seenAt: row.seenAt,
  };
}
export type MessageItem = ReturnType<typeof messageItem>;

/** One thing that happened to a message, or that is still to happen. */
export interface TimelineEntry {
  at: Date;
  what:
    | 'received'
    | 'stored'
    | 'attempt'
    | 'delivered'
    | 'seen'
    | 'failed'
    | 'uncertain'
    | 'ignored'
    | 'resolved'
    | 'discarded'
    | 'sending'
    | 'waiting';
  /** Of an attempt or of waiting work: message, note, status (delivery report) or reading (read report). */
  kind?: string;
  /** Number of the attempt, from 1. */
  number?: number;
  /** Of an attempt: delivered, retry, failed, uncertain, unknown. Of `resolved`: what a person said, delivered or failed. */
  outcome?: string;
  code?: string;
  detail?: string;
  finishedAt?: Date;
  /** Which replica tried. */
  instance?: string;
}

/** The message with its `timeline`, oldest first; what is still to come stands at the end. */
export function messageDetail(story: MessageStory) {
  return {
    ...messageItem(story.message),
    marks: story.message.marks,
    raw: story.message.raw,
    timeline: timeline(story),
  };
}

export function timeline({ message, attempts, waiting }: MessageStory): TimelineEntry[] {
  const past: TimelineEntry[] = [
    { at: message.saidAt ?? message.createdAt, what: 'received', detail: sourceOf(message) },
    { at: message.createdAt, what: 'stored' },
    ...attempts.map(attemptEntry),
    ...ending(message, attempts),
  ];
  if (message.seenAt) past.push({ at: message.seenAt, what: 'seen' });
  // The network's clock may be ahead of ours: what comes first in the story stays first.
  const rank = (entry: TimelineEntry) => (entry.what === 'received' ? 0 : entry.what === 'stored' ? 1 : 2);
  past.sort((a, b) => (Math.min(rank(a), rank(b)) < 2 ? rank(a) - rank(b) : a.at.getTime() - b.at.getTime()));
  return [...past, ...waiting.map(waitingEntry)];
}

function sourceOf(message: MessageRow): string {
  const network = message.direction === 'inbound' ? 'Telegram' : 'Bitrix24';
  return message.saidAt ? `by the clock of ${network}` : `from ${network}`;
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
  return { at: work.dueAt, what: 'waiting', kind: work.kind, number: work.attempts + 1, detail: whyItWaits(work) };
}

function whyItWaits(work: WaitingRow): string {
  if (work.endpoint === '') return 'waits until its bot serves an open line';
  if (work.ahead > 0)
    return `waits behind ${work.ahead} earlier ${work.ahead === 1 ? 'delivery' : 'deliveries'} of this chat`;
  if (work.unknown) return 'nobody knows whether the last try arrived: that is looked up first';
  return 'next try';
}

function present(fields: Record<string, string | null>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).filter((field): field is [string, string] => field[1] !== null));
}

function text(id: bigint | null): string | null {
  return id === null ? null : id.toString();
}
