/** Endings that a word may have in another form: what is before them is compared. */
const RUSSIAN_ENDING =
  /(?:иями|ями|ами|ого|его|ому|ему|ыми|ими|иях|ях|ах|ов|ев|ей|ой|ый|ий|ая|яя|ое|ее|ые|ие|ую|юю|ом|ем|ам|ям|ть|ешь|ишь|ет|ит|ут|ют|ат|ят|ла|ло|ли|л|а|я|о|е|ы|и|у|ю|ь|й)$/;
const ENGLISH_ENDING = /(?:ies|ing|ed|es|s|y)$/;

function stem(word: string): string {
  const short = word.replace(/[а-яё]$/.test(word) ? RUSSIAN_ENDING : ENGLISH_ENDING, '');
  return short.length >= 3 ? short : word;
}

/** A text cut into what a search found and the rest: words that begin like one of the search's. */
export function highlight(text: string, search: string): { text: string; found: boolean }[] {
  const quoted = [...search.matchAll(/"([^"]+)"/g)].map(([, words]) => words!.toLowerCase());
  const stems = (
    search
      .replaceAll(/"[^"]*"/g, ' ')
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  ).map(stem);
  const parts = [
    ...quoted.map(escaped),
    ...stems.map((beginning) => `(?<![\\p{L}\\p{N}])${escaped(beginning)}[\\p{L}\\p{N}]*`),
  ];
  if (parts.length === 0) return [{ text, found: false }];
  const pattern = new RegExp(`(${parts.join('|')})`, 'giu');
  return text
    .split(pattern)
    .map((piece, index) => ({ text: piece, found: index % 2 === 1 }))
    .filter(({ text }) => text !== '');
}

function escaped(text: string): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** The part of a long text around its first find, so that it can be seen in a row. */
export function excerpt(text: string, search: string, most = 220): string {
  if (text.length <= most) return text;
  const at = highlight(text, search).findIndex(({ found }) => found);
  const before = highlight(text, search)
    .slice(0, Math.max(0, at))
    .reduce((sum, piece) => sum + piece.text.length, 0);
  const from = Math.max(0, before - 60);
  return `${from > 0 ? '…' : ''}${text.slice(from, from + most)}${from + most < text.length ? '…' : ''}`;
}
