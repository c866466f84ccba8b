/** Letters of any alphabet, their marks, and digits. */
const WORD = /[\p{L}\p{M}\p{N}]+/gu;
/** A phone or order number as people group it: 7 to 20 digits on one line, `+7 (999) 123-45-67`. */
const GROUPED_NUMBER = /\d(?:[ \u00A0().–-]{0,3}\d){6,19}/g;
/** Of a longer word that much counts, in characters. */
const LONGEST_WORD = 64;
/** Of a longer text that many entries count: a tsvector holds 1 MB. */
const MOST_ENTRIES = 1_000;
/** Parts of a number are found from this length on. */
const SHORTEST_PART = 3;

/** One thing that must occur in what is searched for. */
export interface SearchTerm {
  /** As {@link searchableWords} writes it. */
  word: string;
  /** Words that begin with it will do. */
  prefix: boolean;
  /** Other forms of the word will do: the same stem. */
  forms: boolean;
}

export interface Search {
  terms: SearchTerm[];
  /** Texts that must stand there as they were typed, in either case. */
  exact: string[];
}

/** Nothing is searched for. */
export function isEmpty({ terms, exact }: Search): boolean {
  return terms.length + exact.length === 0;
}

/**
 * The words under which a text is found: lower case, `ё` as `е`, each once, separated by one space. A word with a
 * digit is there with all of its ends, and a grouped number also as one, so that any part of an order or phone
 * number is the beginning of something. Folded here, because a database with the C locale folds only ASCII.
 */
export function searchableWords(text: string): string {
  const folded = fold(text);
  const entries = new Set(wordsOf(folded));
  const numbers = [...entries].filter((word) => /\d/.test(word));
  for (const word of [...numbers, ...(folded.match(GROUPED_NUMBER) ?? []).map(digits)]) {
    for (let start = 0; start === 0 || start <= word.length - SHORTEST_PART; start++) entries.add(word.slice(start));
  }
  return [...entries].slice(0, MOST_ENTRIES).join(' ');
}

/**
 * What a person means by what was typed: every word in any form, the last one perhaps not yet finished, numbers also
 * by a part. What stands in quotes is meant as it stands, and so is what has no letter and no digit at all.
 */
export function parseSearch(typed: string): Search {
  const exact: string[] = [];
  const rest = typed.replace(/"([^"]+)"/g, (_, quoted: string) => {
    exact.push(quoted);
    return ' ';
  });
  const terms = [...exact.flatMap(termsOfExact), ...termsOf(fold(rest))];
  if (terms.length === 0 && exact.length === 0 && typed.trim() !== '') exact.push(typed.trim());
  return { terms, exact };
}

function termsOf(folded: string): SearchTerm[] {
  const words: { word: string; at: number; number: boolean }[] = [];
  const rest = folded.replace(GROUPED_NUMBER, (number: string, at: number) => {
    words.push({ word: nationalNumber(digits(number)), at, number: true });
    return ' '.repeat(number.length);
  });
  for (const { 0: word, index: at } of rest.matchAll(WORD)) words.push({ word: cut(word), at, number: false });
  return words
    .sort((one, other) => one.at - other.at)
    .map(({ word, number }, index) => {
      const partOfNumber = /\d/.test(word) && word.length >= SHORTEST_PART;
      return { word, prefix: number || partOfNumber || index === words.length - 1, forms: !number };
    });
}

/** The first piece may be the end of a word, which no index knows. The others begin one, and all but the last end it. */
function termsOfExact(quoted: string): SearchTerm[] {
  const folded = fold(quoted);
  const words = wordsOf(folded);
  const first = /^[\p{L}\p{M}\p{N}]/u.test(folded) ? 1 : 0;
  const open = /[\p{L}\p{M}\p{N}]$/u.test(folded);
  return words.slice(first).map((word, index, all) => {
    return { word, prefix: open && index === all.length - 1, forms: false };
  });
}

function fold(text: string): string {
  // NFKC would make a word of the sign №, and «№ 7» be found by «no 7» alone.
  return text.replaceAll('№', ' ').normalize('NFKC').toLowerCase().replaceAll('ё', 'е');
}

function wordsOf(folded: string): string[] {
  return (folded.match(WORD) ?? []).map(cut);
}

function cut(word: string): string {
  return Array.from(word).slice(0, LONGEST_WORD).join('');
}

function digits(number: string): string {
  return number.replace(/\D/g, '');
}

/** In Russia the same phone is written +7… and 8…: it is found without either. */
function nationalNumber(number: string): string {
  return /^[78]\d{10}$/.test(number) ? number.slice(1) : number;
}

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
