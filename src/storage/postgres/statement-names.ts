import { createHash } from 'node:crypto';

export interface StatementOptions {
  /**
   * For what runs all the time: PostgreSQL parses and plans the statement once per connection and knows it by this name
   * from then on, wherever nobody stands in between who might pass the next call to another connection. A name belongs
   * to one text, at most 63 characters. Plans are then made for any values: name only what is planned well without
   * looking at them.
   */
  name?: string;
  /** The same, under a name that is made of the text: which is one of a few. */
  prepared?: boolean;
}

const namesByText = new Map<string, string>();

/** The name under which PostgreSQL knows a statement; undefined: it is to have none. */
export function nameOf(text: string, { name, prepared }: StatementOptions): string | undefined {
  if (name !== undefined || !prepared) return name;
  let made = namesByText.get(text);
  if (made === undefined) namesByText.set(text, (made = createHash('sha256').update(text).digest('base64url')));
  return made;
}

/**
 * SQLSTATEs of a name that is not known, or known for something else: a pooler has passed the call to another connection.
 */
const STRANGE_NAME = new Set(['26000', '42P05']);
/** A migration changed the columns under a statement that had been planned before. */
const OUTDATED_PLAN = 'cached plan must not change result type';

/** Why a statement was refused for its name and not for what it says; null: it was not. */
export function misnaming(error: unknown): 'pooled' | 'outdated' | null {
  const { code, message } = error as { code?: string; message?: string };
  if (message === OUTDATED_PLAN) return 'outdated';
  return STRANGE_NAME.has(code ?? '') ? 'pooled' : null;
}
