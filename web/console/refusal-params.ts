/** What a refusal says of itself beside its code. */
export type RefusalParams = Readonly<Record<string, unknown>>;

export const text = (value: unknown) => (typeof value === 'string' || typeof value === 'number' ? String(value) : '');

/** A refusal's fields as the forms call them, behind a colon; '' where it names none. */
export function listed(fields: unknown, called: Readonly<Record<string, string>>): string {
  const names = Array.isArray(fields) ? fields.map((name) => called[text(name)] ?? text(name)) : [];
  return names.length > 0 ? `: ${names.join(', ')}` : '';
}

export function quoted(said: unknown): string {
  return text(said) && `(${text(said)})`;
}

export function upstream(sentence: string) {
  return ({ upstreamCode }: RefusalParams) => `${sentence} (${text(upstreamCode)}).`;
}
