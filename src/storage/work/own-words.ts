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

/** Of these, kinds that a person wrote, or chose to send. */
const OF_PEOPLE: ReadonlySet<OwnWords> = new Set(['card', 'answer', 'api']);

/** It goes to many, and nobody is told where it goes without its file. */
export function isBroadcast(kind: string): boolean {
  return kind === 'broadcast';
}

export function isOfPeople(kind: OwnWords): boolean {
  return OF_PEOPLE.has(kind);
}

/** SQL: a person said the message `name` to the client, not the program and not the portal. */
export const isOfPersonSql = (name: string) =>
  `(${name}.author_id IS DISTINCT FROM '0' AND (${name}.kind IN (${quoted([...OF_PEOPLE])}) OR NOT ${isOwnWordsSql(`${name}.kind`)}))`;

export function isOwnWords(kind: unknown): kind is OwnWords {
  return (OWN_WORDS as readonly unknown[]).includes(kind);
}

/** SQL: the message is of such a kind. */
export const isOwnWordsSql = (kind: string) => `${kind} IN (${quoted(OWN_WORDS)})`;

const quoted = (names: readonly string[]) => names.map((name) => `'${name}'`).join(', ');
