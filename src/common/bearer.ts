/** The key in `Authorization: Bearer …`; empty: there is none. The scheme's case does not matter (RFC 9110, 11.1). */
export function bearer(header: string | undefined): string {
  return /^bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
}
