/**
 * A pattern for PostgreSQL's `~` that finds `words` anywhere, in either case. Made of one `[xX]` per letter, because
 * ILIKE and `~*` fold only ASCII in a database with the C locale, and most of our texts are not ASCII.
 */
export function substringPattern(words: string): string {
  return Array.from(words, (character) => {
    const cases = new Set([character, single(character.toLowerCase()), single(character.toUpperCase())]);
    cases.delete('');
    if (cases.size > 1) return `[${[...cases].join('')}]`;
    return /^[\w\s\u0080-\u{10FFFF}]$/u.test(character) ? character : `\\${character}`;
  }).join('');
}

/** ß becomes SS in capitals: such a letter is found only as it was typed. */
function single(text: string): string {
  return Array.from(text).length === 1 ? text : '';
}
