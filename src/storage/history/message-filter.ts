import type { Direction, MessageState } from '../prisma/client.js';

/** `sending` is a queued message whose delivery is under way. */
export type ShownState = MessageState | 'sending';

/** Where a message stands in the history, in its order by id as in its order by time. */
export interface MessagePlace {
  id: bigint;
  createdAt: Date;
}

/** Which messages are meant; everything that is set must hold. */
export interface MessageFilter {
  /** Any of these. */
  states?: ShownState[];
  direction?: Direction;
  /** What a person typed to find: see `parseSearch` of text-search.ts. */
  words?: string;
  chatId?: bigint;
  portalId?: bigint;
  botId?: bigint;
  /** What clients wrote and operators were not shown, such as words of a banned one, is left out. */
  asOperatorsSee?: boolean;
  /** Bounds of `createdAt`, both included. */
  from?: Date;
  to?: Date;
  /** Older than the message that stands there. */
  before?: MessagePlace;
  /** Newer than the message that stands there. */
  after?: MessagePlace;
}

/** SQL: a delivery of the message is under way. */
export const SENDING = `EXISTS (SELECT FROM deliveries d WHERE d.message_id = m.id AND d.kind = 'message' AND d.state = 'sending')`;

/** SQL: it is for a client who has blocked the bot, or for a chat that removed it. */
export const BLOCKED = `(m.direction = 'outbound' AND EXISTS (SELECT FROM chat_links b WHERE b.id = m.chat_id AND b.state = 'blocked'))`;

/** SQL: those are few, whatever waits. */
const ALL_SENDING = `m.id = ANY (ARRAY(SELECT d.message_id FROM deliveries d WHERE d.kind = 'message' AND d.state = 'sending'))`;

/** The conditions that are set; `$n` is the place of each value. */
export class Conditions {
  readonly parts: string[] = [];

  constructor(readonly values: unknown[] = []) {}

  add(value: unknown, condition: (place: string) => string): void {
    if (value === undefined) return;
    this.parts.push(condition(this.place(value)));
  }

  also(condition: string): void {
    this.parts.push(condition);
  }

  /** `$n` of a value that stands elsewhere in the statement. */
  place(value: unknown): string {
    return `$${this.values.push(value)}`;
  }
}

export function where(...conditions: Conditions[]): string {
  const parts = conditions.flatMap((some) => some.parts);
  return parts.length > 0 ? `WHERE ${parts.join(' AND ')}` : '';
}

/** Between two times the history is read by time, otherwise by id; they differ by no more than the length of an intake. */
export function byTime({ from, to }: MessageFilter): boolean {
  return from !== undefined || to !== undefined;
}

/** SQL: the order in which a page is filled: newest first, but away from the message that `after` names. */
export function orderOf(filter: MessageFilter): string {
  const way = filter.after ? 'ASC' : 'DESC';
  return byTime(filter) ? `m.created_at ${way}, m.id ${way}` : `m.id ${way}`;
}

/** SQL: newest first. */
export function newestFirst(filter: MessageFilter): string {
  return orderOf({ ...filter, after: undefined });
}

/** Everything but the words. */
export function messageConditions(filter: MessageFilter, values: unknown[] = []): Conditions {
  const conditions = new Conditions(values);
  addKind(conditions, filter);
  addPlace(conditions, filter);
  return conditions;
}

/** What a message is: whose, which way, in which state. */
export function kindConditions(filter: MessageFilter, values: unknown[]): Conditions {
  const conditions = new Conditions(values);
  addKind(conditions, filter);
  return conditions;
}

/** Where a message stands: in which chat, and where in the history. */
export function placeConditions(filter: MessageFilter, values: unknown[]): Conditions {
  const conditions = new Conditions(values);
  addPlace(conditions, filter);
  return conditions;
}

function addKind(conditions: Conditions, { states, direction, portalId, botId, asOperatorsSee }: MessageFilter): void {
  if (asOperatorsSee) conditions.also(`NOT (m.direction = 'inbound' AND m.state = 'ignored')`);
  if (states) {
    const stored = storedStates(states);
    if (stored.length === 1) conditions.add(stored[0], (place) => `m.state = ${place}::"MessageState"`);
    else conditions.add(stored, (place) => `m.state = ANY (${place}::"MessageState"[])`);
    const sending = whetherSending(states);
    if (sending) conditions.also(sending);
  }
  conditions.add(direction, (place) => `m.direction = ${place}::"Direction"`);
  conditions.add(portalId, (place) => `m.portal_id = ${place}`);
  conditions.add(botId, (place) => `m.bot_id = ${place}`);
}

function addPlace(conditions: Conditions, filter: MessageFilter): void {
  conditions.add(filter.chatId, (place) => `m.chat_id = ${place}`);
  conditions.add(filter.from, (place) => `m.created_at >= ${place}`);
  conditions.add(filter.to, (place) => `m.created_at <= ${place}`);
  for (const [place, than] of [
    [filter.before, '<'],
    [filter.after, '>'],
  ] as const) {
    if (!place) continue;
    const id = conditions.place(place.id);
    conditions.also(
      byTime(filter)
        ? `(m.created_at, m.id) ${than} (${conditions.place(place.createdAt)}::timestamptz, ${id}::bigint)`
        : `m.id ${than} ${id}`,
    );
  }
}

/** As the column has them. */
export function storedStates(states: ShownState[]): MessageState[] {
  return [...new Set(states.map((state) => (state === 'sending' ? 'queued' : state)))];
}

export function isSendingAlone(states: ShownState[] | undefined): boolean {
  return states !== undefined && states.every((state) => state === 'sending');
}

/** SQL: what tells `queued` from `sending`, where only one of them is meant. */
export function whetherSending(states: ShownState[]): string | undefined {
  if (isSendingAlone(states)) return ALL_SENDING;
  if (states.includes('sending') === states.includes('queued')) return undefined;
  return `(m.state <> 'queued' OR ${states.includes('sending') ? '' : 'NOT '}${SENDING})`;
}
