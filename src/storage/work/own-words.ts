/** Kind of the messages by which a bot answers /start. */
export const WELCOME = 'welcome';
/** Kind of the messages by which a bot answers to a client who wants no more advertising. */
export const UNSUBSCRIBED_WORDS = 'unsubscribed';

/**
 * Kinds of the messages that the program says on its own account: nobody wrote them in the dialog, so the dialog is told
 * what the client has read, by a note whose code is the kind.
 */
const OWN_WORDS = [WELCOME, UNSUBSCRIBED_WORDS, 'robot', 'sms', 'broadcast', 'card', 'answer', 'api'] as const;
export type OwnWords = (typeof OWN_WORDS)[number];

export function isOwnWords(kind: unknown): kind is OwnWords {
  return (OWN_WORDS as readonly unknown[]).includes(kind);
}

/** SQL: the message is of such a kind. */
export const isOwnWordsSql = (kind: string) => `${kind} IN (${OWN_WORDS.map((name) => `'${name}'`).join(', ')})`;
