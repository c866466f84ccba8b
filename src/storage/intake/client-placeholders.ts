/** What a text may name of the client to whom it goes. */
export interface NamedClient {
  /** As Telegram has it; null: of a group, or the client gave none. */
  firstName: string | null;
  title: string;
}

/** A place in a text that is for the client's name. */
export interface Placeholder {
  offset: number;
  length: number;
  /** What stands there for this client. */
  value: string;
}

/** {first_name} and {name}, in their order: the client's name as they gave it; without a first name, what there is. */
export function placeholdersIn(text: string, { firstName, title }: NamedClient): Placeholder[] {
  const values: Record<string, string> = { first_name: firstName ?? title, name: title };
  return [...text.matchAll(/\{(first_name|name)\}/g)].map(({ 0: { length }, 1: name, index }) => ({
    offset: index,
    length,
    value: values[name!]!,
  }));
}

/** Fills {@link placeholdersIn}. */
export function fillPlaceholders(text: string, client: NamedClient): string {
  let filled = '';
  let at = 0;
  for (const { offset, length, value } of placeholdersIn(text, client)) {
    filled += text.slice(at, offset) + value;
    at = offset + length;
  }
  return filled + text.slice(at);
}
