import { authorKey, type SaidMessage } from './words.js';

/** By id: ids are decimal numbers of up to 18 digits. */
const byId = (a: SaidMessage, b: SaidMessage) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1);

/** Messages of several pages, each once, oldest first. */
export function oldestFirst<Message extends SaidMessage>(messages: readonly Message[]): Message[] {
  return [...new Map(messages.map((message) => [message.id, message])).values()].sort(byId);
}

/** A message as the conversation shows it. */
export interface ConversationRow<Message extends SaidMessage> {
  message: Message;
  /** The first of its day: the day stands above it. */
  startsDay: boolean;
  /** The first of several in a row by the same author. */
  first: boolean;
  /** The message to which it replies, where that was read. */
  original: Message | undefined;
}

/** `messages` are oldest first; days are those of the reader's clock. */
export function conversationRows<Message extends SaidMessage>(
  messages: readonly Message[],
): ConversationRow<Message>[] {
  const known = new Map(messages.map((message) => [message.id, message]));
  return messages.map((message, index) => {
    const before = messages[index - 1];
    const startsDay = !before || dayOf(before) !== dayOf(message);
    return {
      message,
      startsDay,
      first:
        startsDay ||
        before.systemLine ||
        before.direction !== message.direction ||
        authorKey(before) !== authorKey(message),
      original: message.replyToId === null ? undefined : known.get(message.replyToId),
    };
  });
}

function dayOf({ createdAt }: SaidMessage): string {
  return new Date(createdAt).toDateString();
}
