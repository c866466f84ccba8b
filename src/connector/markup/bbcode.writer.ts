import { isBlank, normalise, slice, type Mark, type RichText } from '../../relay/rich-text.js';
import { split } from '../../relay/rich-text-split.js';
import { BARE, QUOTE_PREFIX, VALUED, VOID } from './bbcode.grammar.js';
import { LINK_LIMIT, openableLink, writtenAddresses } from './bitrix-links.js';

/**
 * The longest text of a message; Bitrix24 cuts what goes beyond and adds " (...)" (`CIMMessenger::MESSAGE_LIMIT`).
 * It counts characters, we count UTF-16 units of the finished BBCode, which are never fewer.
 */
export const BITRIX_TEXT_LIMIT = 20_000;

/** Keeps a client's words from being read as markup; nobody sees it. */
const ZERO_WIDTH_SPACE = '\u200B';

/**
 * A client's words that the portal (PHP) or the operator's messenger (JavaScript) would change, by what they read in them;
 * U+200B goes in behind the match, as everywhere below. Their rules: `Im\Text::parse`, `CTextParser`, `Emoji::decode` of
 * Bitrix24's modules, and `im.v2.lib.parser`.
 */
const READ_AS_ENCODED = [
  /&(?=(?:quot|amp|lt|gt|nbsp|apos|#\d{2,6}|#x[0-9a-f]{2,5});)/gi,
  /:(?=[0-9a-f]{8}:)/gi,
  /<(?=img\b)/gi,
];
/** A text that holds it, beside a code block or a button, ends its dialog for good: PHP recurses, or the tab hangs. */
const READ_AS_PLACEHOLDER = /#(?=###REPLACEMENT_)/g;
const READ_AS_MARKUP = [
  ...READ_AS_ENCODED,
  READ_AS_PLACEHOLDER,
  new RegExp(`\\[(?=\\/?(?:code|${BARE}|${VALUED}|${VOID})[\\]=]|br *\\/?\\]|img |\\/?cut|\\/?nomodify\\])`, 'gi'),
  /<(?=br \/>|\/?nomodify>)/gi,
  /#(?=BR#)/gi,
  /(?<=^|\n)>(?=>)/g,
  // Bitrix24 frames a quoted or forwarded message in two lines of 54 dashes.
  /-{53}(?=-)/g,
  // It writes the sign for each, and then small letters for the sign.
  /\((?=(?:C|TM|Tm|tM|R)\))/g,
  /(?<=[?&;])PHPSESSI(?=D=[0-9a-z]{32})/gi,
];
/** A text without any of these holds nothing of all that. */
const SUSPICIOUS = /[&:<[#>(\\?;]|--/;
const READ_AS_MARKUP_IN_CODE = [...READ_AS_ENCODED, READ_AS_PLACEHOLDER, /\[(?=\/?(?:code|put|send)\b)/gi];
const CHANGED_IN_LABEL = [/javascript(?=:)/gi, /\\(?=")/g];
/**
 * What turns into something else in the midst of code: line breaks, and what `String.replace` of the messenger reads as
 * a part of the match (quotes, `&`, `<`, `>` and indents stand there as `&…;`). An invisible sign would spoil what is copied.
 */
const NOT_IN_CODE = /\[br\]|#br#|\$(?:[$&<>"'`\t]| {4})/i;
/**
 * For code the portal puts `####REPLACEMENT_MARK_0####` while it reads the rest: what stands next to it must not make a line
 * break (`#BR#`) or another such place of its signs.
 */
const BESIDE_CODE = /\[\/code\](?=BR(?:#|\[code\])|#*REPLACEMENT_)|#BR(?=\[code\])/gi;
/** At the start of a message the messenger takes them off, and what follows is in italics or large. */
const COMMAND = /^(\s*\/)(?=me|loud)/;

/**
 * BBCode as `imconnector.send.messages` shows it. Quotes become lines that begin with `>>`, spoilers plain text, links
 * that Bitrix24 does not open `words (address)`, code that it would change plain text. What clients typed like markup
 * gets a U+200B and stays what they typed.
 */
export function toBBCode(rich: RichText): string {
  return blocks(spellOutLinks(showable(rich)))
    .map((block) => (block.quoted ? renderQuote(block.rich) : renderInline(block.rich)))
    .join('\n')
    .replace(COMMAND, `$1${ZERO_WIDTH_SPACE}`);
}

/** Without the marks that Bitrix24 does not show: spoilers, and code that it would change. */
function showable({ text, marks }: RichText): RichText {
  const isShown = ({ type, offset, length }: Mark) => {
    if (type === 'spoiler') return false;
    if (type !== 'code' && type !== 'pre') return true;
    const code = text.slice(offset, offset + length);
    return !NOT_IN_CODE.test(code) && !isBlank(code);
  };
  const rich = normalise({ text, marks: marks.filter(({ type }) => type !== 'spoiler') });
  return { text: rich.text, marks: rich.marks.filter(isShown) };
}

/** Links that Bitrix24 does not open are words and, where that says more, their address in brackets behind them. */
function spellOutLinks({ text, marks }: RichText): RichText {
  const added: { at: number; words: string }[] = [];
  const kept = marks.filter(({ type, url = '', offset, length }) => {
    if (type !== 'link' || openableLink(url) !== undefined) return true;
    const end = offset + length;
    // A style that begins within the label has cut the link in two.
    const goesOn = marks.some((other) => other.type === 'link' && other.url === url && other.offset === end);
    const isSaid = goesOn || url.length > LINK_LIMIT || text.slice(offset, end).trim() === url.trim();
    if (!isSaid && url.trim() !== '') added.push({ at: end, words: ` (${url.trim()})` });
    return false;
  });
  if (kept.length === marks.length) return { text, marks };
  let spelled = '';
  let at = 0;
  for (const { at: end, words } of added) {
    spelled += text.slice(at, end) + words;
    at = end;
  }
  const grownBefore = (place: number, including: boolean) =>
    added.reduce((sum, one) => (one.at < place || (including && one.at === place) ? sum + one.words.length : sum), 0);
  return normalise({
    text: spelled + text.slice(at),
    marks: kept.map((mark) => {
      const offset = mark.offset + grownBefore(mark.offset, true);
      const end = mark.offset + mark.length;
      return { ...mark, offset, length: end + grownBefore(end, mark.type === 'quote') - offset };
    }),
  });
}

/**
 * The text as messages whose BBCode is within {@link BITRIX_TEXT_LIMIT}, with room for `reserved` units more; none when
 * there is nothing to send.
 */
export function splitForBitrix(rich: RichText, reserved = 0): RichText[] {
  return split(rich, BITRIX_TEXT_LIMIT - reserved, (part) => toBBCode(part).length);
}

interface Block {
  rich: RichText;
  quoted: boolean;
}

/** The text cut at its quotes. Blocks stand on lines of their own, so one line break beside a quote is left out. */
function blocks(rich: RichText): Block[] {
  const found: Block[] = [];
  let at = 0;
  for (const { offset, length } of rich.marks.filter((mark) => mark.type === 'quote')) {
    const end = offset + length;
    if (offset > at) {
      const before = rich.text[offset - 1] === '\n' ? offset - 1 : offset;
      found.push({ rich: slice(rich, at, before), quoted: false });
    }
    found.push({ rich: slice(rich, offset, end), quoted: true });
    at = rich.text[end] === '\n' ? end + 1 : end;
  }
  const endsInQuote = at === rich.text.length && found.length > 0 && rich.text.at(-1) !== '\n';
  if (!endsInQuote) found.push({ rich: slice(rich, at), quoted: false });
  return found;
}

function renderQuote(rich: RichText): string {
  let at = 0;
  const lines = rich.text.split('\n').map((line) => {
    const start = at;
    at += line.length + 1;
    return QUOTE_PREFIX + renderInline(lineOf(rich, start, line), false);
  });
  return lines.join('\n');
}

/** Marks that are cut at the ends of a line may cover the same words now, and nest as such marks always do. */
function lineOf({ marks }: RichText, start: number, text: string): RichText {
  if (text === '') return { text, marks: [] };
  const end = start + text.length;
  const inLine = marks.filter((mark) => mark.offset < end && mark.offset + mark.length > start);
  const cut = inLine.map((mark) => {
    const offset = Math.max(mark.offset, start);
    return { ...mark, offset: offset - start, length: Math.min(mark.offset + mark.length, end) - offset };
  });
  return normalise({ text, marks: cut });
}

/** Tags around words. The marks are nested, so a stack of what is open is enough. */
function renderInline(plainRich: RichText, atLineStart = true): string {
  const { rich, guarded, addresses } = prepare(plainRich, atLineStart);
  const open: { end: number; tag: string }[] = [];
  let bbcode = '';
  let at = 0;
  const copyTo = (end: number) => {
    for (; at < end; at++) bbcode += rich.text[at]! + (guarded.has(at) ? ZERO_WIDTH_SPACE : '');
  };
  const closeUpTo = (offset: number) => {
    for (let last = open.at(-1); last && last.end <= offset; last = open.at(-1)) {
      copyTo(last.end);
      bbcode += `[/${last.tag}]`;
      open.pop();
    }
  };
  for (const mark of rich.marks) {
    const tag = addresses.has(mark.offset) && isWhole(mark, rich, guarded) ? 'url' : openingTag(mark, rich, guarded);
    if (!tag) continue;
    closeUpTo(mark.offset);
    copyTo(mark.offset);
    bbcode += `[${tag}]`;
    open.push({ end: mark.offset + mark.length, tag: tag.replace(/=[\s\S]*/, '') });
  }
  closeUpTo(rich.text.length);
  copyTo(rich.text.length);
  return bbcode.replace(BESIDE_CODE, `$&${ZERO_WIDTH_SPACE}`);
}

interface Prepared {
  rich: RichText;
  /** Behind these characters stands a U+200B. */
  guarded: Set<number>;
  /** Where the links begin that are addresses in the words. */
  addresses: Set<number>;
}

/** With the addresses marked that need a tag, and labels without white space at their ends, which Bitrix24 takes off. */
function prepare(source: RichText, atLineStart: boolean): Prepared {
  const rich = withTrimmedLabels({ text: source.text, marks: source.marks.filter(({ type }) => type !== 'quote') });
  const guarded = guardedPositions(rich);
  const edges = new Set(rich.marks.flatMap(({ offset, length }) => [offset, offset + length]));
  const taken = rich.marks.filter(({ type }) => type === 'link' || type === 'code' || type === 'pre');
  const { links, breaks } = writtenAddresses(rich, { edges, hidden: guarded, taken, atLineStart });
  for (const at of breaks) guarded.add(at);
  if (links.length === 0) return { rich, guarded, addresses: new Set() };
  for (const at of changedInLabels(rich.text, links)) guarded.add(at);
  const addresses = new Set(links.map(({ offset }) => offset));
  return { rich: normalise({ text: rich.text, marks: [...rich.marks, ...links] }), guarded, addresses };
}

/** Again and again: a label that begins later may be cut in two by a style that now begins before it. */
function withTrimmedLabels(rich: RichText): RichText {
  const marks = rich.marks.map((mark) => trimmedLabel(mark, rich.text));
  const isChanged = marks.some(({ length }, index) => length !== rich.marks[index]!.length);
  return isChanged ? withTrimmedLabels(normalise({ text: rich.text, marks })) : rich;
}

function trimmedLabel(mark: Mark, text: string): Mark {
  if (mark.type !== 'link') return mark;
  const label = text.slice(mark.offset, mark.offset + mark.length);
  const before = label.length - label.trimStart().length;
  return { ...mark, offset: mark.offset + before, length: label.trim().length };
}

function openingTag(mark: Mark, rich: RichText, guarded: Set<number>): string | undefined {
  switch (mark.type) {
    case 'bold':
      return 'b';
    case 'italic':
      return 'i';
    case 'underline':
      return 'u';
    case 'strikethrough':
      return 's';
    case 'code':
    case 'pre':
      return 'code';
    case 'link':
      return linkTag(mark, rich, guarded);
    default:
      return undefined;
  }
}

function linkTag({ url = '', offset, length }: Mark, { text }: RichText, guarded: Set<number>): string | undefined {
  const target = openableLink(url);
  if (target === undefined) return undefined;
  const label = text.slice(offset, offset + length);
  // Of a label that is the address the portal takes off the last mark of punctuation.
  if (label === target && /[.,?!;]$/.test(label)) guarded.add(offset + length - 1);
  return `url=${target}`;
}

/** `[url]` is enough around an address in which nothing hides, and which says itself where it leads. */
function isWhole(mark: Mark, { text, marks }: RichText, guarded: Set<number>): boolean {
  const { type, url = '', offset, length } = mark;
  if (type !== 'link' || text.slice(offset, offset + length) !== openableLink(url)) return false;
  if (marks.some((other) => other !== mark && offset <= other.offset && other.offset < offset + length)) return false;
  for (let at = offset; at < offset + length; at++) if (guarded.has(at)) return false;
  return true;
}

/** Characters behind which a U+200B must stand. */
function guardedPositions({ text, marks }: RichText): Set<number> {
  if (!SUSPICIOUS.test(text)) return new Set();
  const codes = marks.filter((mark) => mark.type === 'code' || mark.type === 'pre');
  const inCode = isWithin(codes);
  return new Set([
    ...READ_AS_MARKUP.flatMap((pattern) => ends(text, pattern)).filter((at) => !inCode(at)),
    ...(codes.length === 0 ? [] : READ_AS_MARKUP_IN_CODE.flatMap((pattern) => ends(text, pattern)).filter(inCode)),
    ...changedInLabels(
      text,
      marks.filter(({ type }) => type === 'link'),
    ),
  ]);
}

function changedInLabels(text: string, links: Mark[]): number[] {
  if (links.length === 0) return [];
  return CHANGED_IN_LABEL.flatMap((pattern) => ends(text, pattern)).filter(isWithin(links));
}

function ends(text: string, pattern: RegExp): number[] {
  return [...text.matchAll(pattern)].map((match) => match.index + match[0].length - 1);
}

function isWithin(marks: Mark[]): (at: number) => boolean {
  return (at) => marks.some(({ offset, length }) => offset <= at && at < offset + length);
}
