import { normalise, slice, split, type Mark, type RichText } from '../relay/rich-text.js';
import { BARE, QUOTE_PREFIX, VALUED, VOID } from './bbcode.tags.js';

/**
 * The longest text of a message; Bitrix24 cuts what goes beyond and adds " (...)" (`CIMMessenger::MESSAGE_LIMIT`).
 * It counts characters, we count UTF-16 units of the finished BBCode, which are never fewer.
 */
export const BITRIX_TEXT_LIMIT = 20_000;

/** A longer link is sent as its text alone, so that every character with its tags fits into a message. */
const LINK_LIMIT = 4_000;

/** Keeps a client's words from being read as markup; nobody sees it. */
const ZERO_WIDTH_SPACE = '\u200B';

/** A client's words that would be decoded; U+200B goes in behind the match, as everywhere below. */
const READ_AS_ENCODED = [
  /&(?=(?:quot|amp|lt|gt|nbsp|apos|#\d{2,6}|#x[0-9a-f]{2,5});)/gi,
  /:(?=(?:[0-9a-f]{2}){4,}:)/gi,
  /<(?=img\b)/gi,
];
const READ_AS_MARKUP = [
  ...READ_AS_ENCODED,
  new RegExp(`\\[(?=\\/?(?:code|${BARE}|${VALUED}|${VOID})[\\]=]|br *\\/?\\]|img )`, 'gi'),
  /#(?=BR#)/gi,
  /(?<=^|\n)>(?=>)/g,
  // Bitrix24 frames a quoted or forwarded message in two lines of 54 dashes.
  /-{53}(?=-)/g,
];
const READ_AS_MARKUP_IN_CODE = [...READ_AS_ENCODED, /\[(?=\/?code\b)/gi];

/**
 * BBCode as `imconnector.send.messages` shows it. Quotes become lines that begin with `>>`, spoilers plain text. What
 * the client himself typed like markup gets a U+200B and stays what he typed.
 */
export function toBBCode(rich: RichText): string {
  return blocks(normalise(rich))
    .map((block) => (block.quoted ? renderQuote(block.rich) : renderInline(block.rich)))
    .join('\n');
}

/** The text as messages whose BBCode is within {@link BITRIX_TEXT_LIMIT}; none when there is nothing to send. */
export function splitForBitrix(rich: RichText): RichText[] {
  return split(rich, BITRIX_TEXT_LIMIT, (part) => toBBCode(part).length);
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
    return QUOTE_PREFIX + renderInline(slice(rich, start, start + line.length));
  });
  return lines.join('\n');
}

/** Tags around words. The marks are nested, so a stack of what is open is enough. */
function renderInline(rich: RichText): string {
  const guarded = guardedPositions(rich);
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
    const tag = openingTag(mark);
    if (!tag) continue;
    closeUpTo(mark.offset);
    copyTo(mark.offset);
    bbcode += `[${tag}]`;
    open.push({ end: mark.offset + mark.length, tag: tag.replace(/=[\s\S]*/, '') });
  }
  closeUpTo(rich.text.length);
  copyTo(rich.text.length);
  return bbcode;
}

function openingTag(mark: Mark): string | undefined {
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
    case 'link': {
      const url = isOpenableLink(mark.url) ? encodeLink(mark.url) : '';
      return url !== '' && url.length <= LINK_LIMIT ? `url=${url}` : undefined;
    }
    default:
      return undefined;
  }
}

function isOpenableLink(url: string | undefined): url is string {
  return url !== undefined && /^(?:https?:\/\/|tg:\/\/|mailto:|tel:)\S/i.test(url) && URL.canParse(url);
}

/** Percent-encodes what would end the tag or the attribute made of it. */
function encodeLink(url: string): string {
  return url
    .replace(/[[\]\s"'<>`]/g, (character) => {
      const code = character.charCodeAt(0);
      return code < 128 ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : encodeURIComponent(character);
    })
    .replace(/#(?=BR#)/gi, '%23')
    .replace(READ_AS_ENCODED[0]!, '&amp;');
}

/** Characters behind which a U+200B must stand. */
function guardedPositions({ text, marks }: RichText): Set<number> {
  const codes = marks.filter((mark) => mark.type === 'code' || mark.type === 'pre');
  const inCode = (at: number) => codes.some((mark) => mark.offset <= at && at < mark.offset + mark.length);
  const ends = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match.index + match[0].length - 1);
  return new Set([
    ...READ_AS_MARKUP.flatMap(ends).filter((at) => !inCode(at)),
    ...(codes.length === 0 ? [] : READ_AS_MARKUP_IN_CODE.flatMap(ends).filter(inCode)),
  ]);
}
