import { nameToEmoji } from 'gemoji';
import { normalise, type Mark, type RichText } from '../../relay/rich-text.js';

/** Bitrix24's own codes of a word or a sign (yuliai/bitrix-modules, main/classes/general/smile.php; ui/smiley). */
const OF_BITRIX: Readonly<Record<string, string>> = {
  oops: '😳',
  cry: '😢',
  evil: '😠',
  shock: '😲',
  idea: '💡',
  like: '👍',
  facepalm: '🤦',
  '?': '❓',
  '!': '❗',
};
const EMOJI: ReadonlyMap<string, string> = new Map([...Object.entries(nameToEmoji), ...Object.entries(OF_BITRIX)]);

const CODE = /:([a-z\d_+-]{1,50}|[?!]):/g;
const ADDRESS = /\b(?:[a-z][a-z\d+.-]{1,30}:\/\/|www\.)\S+/gi;
/** Beside a code there is no letter, digit or what joins them: `key:value:x`, `12:30:45`, `a/:b:/c`. */
const JOINED_BEFORE = /[\p{L}\p{N}_:/@#&=%-]$/u;
const JOINED_AFTER = /^[\p{L}\p{N}_/@]/u;

/**
 * Codes of smileys (`:trophy:`, `:idea:`) as the emoji they stand for, as the messenger shows pictures in their place;
 * what is written with signs alone (`:)`) stays as typed, and so do addresses and code.
 */
export function withEmoji(rich: RichText): RichText {
  const codes = codesIn(rich);
  if (codes.length === 0) return rich;
  let text = '';
  let at = 0;
  /** Where what begins, or ends, at a place is then; a mark that begins or ends inside of a code holds all of it. */
  const begins = new Int32Array(rich.text.length + 1);
  const ends = new Int32Array(rich.text.length + 1);
  const copyTo = (end: number) => {
    for (let place = at; place <= end; place++) begins[place] = ends[place] = text.length + place - at;
    text += rich.text.slice(at, end);
    at = end;
  };
  for (const { start, end, emoji } of codes) {
    copyTo(start);
    begins.fill(text.length, start, end);
    text += emoji;
    ends.fill(text.length, start + 1, end + 1);
    at = end;
  }
  copyTo(rich.text.length);
  const marks = rich.marks.map((mark): Mark => {
    const offset = begins[mark.offset]!;
    return { ...mark, offset, length: ends[mark.offset + mark.length]! - offset };
  });
  return normalise({ text, marks });
}

interface Code {
  start: number;
  end: number;
  emoji: string;
}

function codesIn({ text, marks }: RichText): Code[] {
  if (!text.includes(':')) return [];
  const verbatim = [
    ...marks.filter(({ type }) => type === 'code' || type === 'pre').map(({ offset, length }) => [offset, length]),
    ...[...text.matchAll(ADDRESS)].map(({ index, 0: address }) => [index, address.length]),
  ]
    .map(([offset, length]) => ({ start: offset!, end: offset! + length! }))
    .sort((a, b) => a.start - b.start);
  const codes: Code[] = [];
  const pattern = new RegExp(CODE);
  let next = 0;
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    const start = match.index;
    const end = start + match[0].length;
    const emoji = EMOJI.get(match[1]!);
    while (next < verbatim.length && verbatim[next]!.end <= start) next++;
    const isVerbatim = next < verbatim.length && verbatim[next]!.start < end;
    const isJoined = codes.at(-1)?.end !== start && JOINED_BEFORE.test(text.slice(Math.max(0, start - 2), start));
    if (emoji && !isVerbatim && !isJoined && !JOINED_AFTER.test(text.slice(end, end + 2))) {
      codes.push({ start, end, emoji });
    }
    // The colon at its end may begin another.
    else pattern.lastIndex = end - 1;
  }
  return codes;
}
