/** What an answer is found by. */
interface Findable {
  title: string;
  shortcut: string | null;
  text: string;
}

/**
 * Answers in which every word is found, wherever it stands: those whose shortcut it is, or begins with it, first, then those
 * with it in the title, then the others; within each in their order. Without words all of them.
 */
export function findAnswers<Answer extends Findable>(answers: readonly Answer[], asked: string): Answer[] {
  const words = plain(asked).replace(/^\//, '').split(/\s+/).filter(Boolean);
  const [first, ...more] = words;
  if (first === undefined) return [...answers];
  const has = (text: string) => words.every((word) => plain(text).includes(word));
  const rank = ({ title, shortcut, text }: Answer): number => {
    const typed = more.length === 0 ? plain(shortcut ?? '') : '';
    if (typed === first) return 0;
    if (typed.startsWith(first)) return 1;
    if (has(title)) return 2;
    return has(`${title} ${shortcut ?? ''} ${text}`) ? 3 : Infinity;
  };
  return answers
    .map((answer) => ({ answer, rank: rank(answer) }))
    .filter(({ rank: found }) => found < Infinity)
    .sort((a, b) => a.rank - b.rank)
    .map(({ answer }) => answer);
}

/** As people look for it: in any case, and ё is е. */
function plain(text: string): string {
  return text.toLowerCase().replaceAll('ё', 'е').trim();
}
