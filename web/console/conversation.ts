import type { MessageItem } from './api.js';

/** By id: ids are decimal numbers of up to 18 digits. */
const byId = (a: MessageItem, b: MessageItem) => a.id.length - b.id.length || (a.id < b.id ? -1 : 1);

/** Messages of several pages, each once, oldest first. */
export function oldestFirst(messages: readonly MessageItem[]): MessageItem[] {
  return [...new Map(messages.map((message) => [message.id, message])).values()].sort(byId);
}

/** A message as the conversation shows it. */
export interface ConversationRow {
  message: MessageItem;
  /** The first of its day: the day stands above it. */
  startsDay: boolean;
  /** The first of several in a row by the same author. */
  first: boolean;
  /** The message to which it replies, where that was read. */
  original: MessageItem | undefined;
}

/** `messages` are oldest first; days are those of the reader's clock. */
export function conversationRows(messages: readonly MessageItem[]): ConversationRow[] {
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
        before.authorId !== message.authorId,
      original: message.replyToId === null ? undefined : known.get(message.replyToId),
    };
  });
}

function dayOf({ createdAt }: MessageItem): string {
  return new Date(createdAt).toDateString();
}
