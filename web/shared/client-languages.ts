/** Languages that clients of portals speak, most of all; others can be set by the API. */
const COMMON = ['en', 'ru', 'uk', 'kk', 'uz', 'be', 'de', 'es', 'fr', 'it', 'pl', 'pt', 'tr', 'ar', 'zh'];

/** Names of the common languages, and of this one, in the reader's language. */
export function languageChoices(reader: string, chosen: string): { value: string; label: string }[] {
  const codes = chosen === '' || COMMON.includes(chosen) ? COMMON : [...COMMON, chosen];
  return codes.map((value) => ({ value, label: languageName(value, reader) }));
}

/** What the reader calls it; the code itself where nobody knows it. */
export function languageName(code: string, reader: string): string {
  try {
    return new Intl.DisplayNames([reader], { type: 'language' }).of(code) ?? code;
  } catch {
    return code;
  }
}
