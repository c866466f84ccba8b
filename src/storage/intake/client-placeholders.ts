/** What a text may name of the client to whom it goes. */
export interface NamedClient {
  /** As Telegram has it; null: of a group, or the client gave none. */
  firstName: string | null;
  title: string;
}

/** Fills {first_name} and {name} with the client's name as they gave it; without a first name, with what there is. */
export function fillPlaceholders(text: string, { firstName, title }: NamedClient): string {
  const values: Record<string, string> = { first_name: firstName ?? title, name: title };
  return text.replace(/\{(first_name|name)\}/g, (_, key: string) => values[key]!);
}
