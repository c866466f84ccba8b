import type { Mark, RichText } from '../../relay/rich-text.js';

/** A longer link is not made one, so that every character with its tags fits into a message. */
export const LINK_LIMIT = 4_000;

/** What the portal makes a link of by itself (`CTextParser::getAnchorSchemes`). */
const BEGINNING = /(?:(?:https?|news|ftp|aim|mailto|file|tel|callto|skype|viber):\/\/|www\.)(?=[^\s\u200B])/gi;
/** Behind one of these the portal looks for an address (`CTextParser::$wordSeparator`), or inside a pair of these. */
const BEHIND = /[\s.,;:!?#\-*|[\](){}“‘«]/;
/** Where the portal takes an address to end, and how it must begin. */
const END = /[\s"{}]/g;
const SEEN = /^[._:a-z0-9@-]/i;
const NEVER_IN_ADDRESS = /[<>|\\^`«»“”‘’\u200B]/;

/**
 * The link as an operator's messenger opens it (`http`, `https`, `mailto`, `tel`; in small letters), with everything
 * encoded that the portal or the messenger would change; undefined: it opens no such link.
 */
export function openableLink(url: string): string | undefined {
  if (url.length > LINK_LIMIT) return undefined;
  const scheme = /^(?:https?:\/\/|mailto:|tel:)(?=\S)/i.exec(url)?.[0];
  if (scheme === undefined) return undefined;
  const encoded = scheme.toLowerCase() + encodeLink(url.slice(scheme.length));
  return encoded.length <= LINK_LIMIT && URL.canParse(encoded) ? encoded : undefined;
}

/** Percent-encodes what would end the tag or the attribute made of it, or be read as something else. */
function encodeLink(rest: string): string {
  const fragment = rest.indexOf('#') + 1;
  return rest
    .replace(/#/g, (sign, at: number) => (at < fragment ? sign : '%23'))
    .replace(/[[\]\s"'<>`]/g, (character) => percent(character))
    .replace(/(&(?:[a-z]+|#\d+|#x[0-9a-f]+));/gi, '$1%3B')
    .replace(/(:[0-9a-f]{8}):/gi, '$1%3A')
    .replace(/\((?=(?:c|tm|r)\))/gi, '%28')
    .replace(/(javascrip)(t)(?=:)|(PHPSESSI)(D)(?==)/gi, (word) => word.slice(0, -1) + percent(word.at(-1)!))
    .replace(/(-{53})-/g, '$1%2D');
}

function percent(character: string): string {
  const code = character.charCodeAt(0);
  return code < 128 ? `%${code.toString(16).toUpperCase().padStart(2, '0')}` : encodeURIComponent(character);
}

/** An address in the words. */
export interface WrittenAddress {
  /** To be made a link with a tag: by itself the portal would make none, or one of too much. */
  links: Mark[];
  /** Behind these characters the portal must not go on to see an address. */
  breaks: number[];
}

/**
 * The addresses in one line or block that the portal would not read as they are meant. Left out are those that stand
 * free: between white space, with no tag and nothing hidden in them.
 *
 * @param edges where tags will stand
 * @param hidden behind which characters a U+200B will stand
 * @param taken what is a link or code already
 * @param atLineStart whether nothing stands before the text in its line
 */
export function writtenAddresses(
  { text }: RichText,
  {
    edges,
    hidden,
    taken,
    atLineStart,
  }: { edges: Set<number>; hidden: Set<number>; taken: Mark[]; atLineStart: boolean },
): WrittenAddress {
  const found: WrittenAddress = { links: [], breaks: [] };
  let done = 0;
  for (const match of text.matchAll(BEGINNING)) {
    const start = match.index;
    if (start < done || isCovered(start, taken)) continue;
    const before = text[start - 1];
    if (before !== undefined && !BEHIND.test(before) && !edges.has(start)) continue;
    const end = endOf(text, start);
    const body = start + match[0].length;
    const isFree =
      (before === undefined ? atLineStart : /\s/.test(before)) && isPlain(text, start, body, end, edges, hidden);
    if (isFree) {
      done = end;
      continue;
    }
    const link = linkAt(text, start, addressEnd(text, start, Math.min(end, nextOf(taken, start))));
    if (link && start + link.length > body) {
      found.links.push(link);
      done = start + link.length;
    } else {
      found.breaks.push(body - 1);
      done = body;
    }
  }
  return found;
}

/** Brackets may stand in a path, and may be the sentence's own. */
function linkAt(text: string, start: number, stop: number): Mark | undefined {
  const words = text.slice(start, stop);
  for (const address of [words, words.replace(/[[\]][^]*/, '')]) {
    const url = /^www\./i.test(address) ? `http://${address}` : address;
    if (/^https?:/i.test(url) && URL.canParse(url) && openableLink(url) !== undefined)
      return { type: 'link', offset: start, length: address.length, url };
  }
  return undefined;
}

function nextOf(marks: Mark[], start: number): number {
  return marks.find(({ offset }) => offset > start)?.offset ?? Infinity;
}

function isCovered(at: number, marks: Mark[]): boolean {
  return marks.some(({ offset, length }) => offset <= at && at < offset + length);
}

function endOf(text: string, start: number): number {
  END.lastIndex = start;
  return END.exec(text)?.index ?? text.length;
}

/** The portal makes the same link of it, to the last character but one mark of punctuation. */
function isPlain(
  text: string,
  start: number,
  body: number,
  end: number,
  edges: Set<number>,
  hidden: Set<number>,
): boolean {
  const words = text.slice(start, end);
  if (words.length > LINK_LIMIT || !SEEN.test(text.slice(body, end)) || /^(?!www\.)[^:]*[A-Z]/.test(words))
    return false;
  if (NEVER_IN_ADDRESS.test(words) || /[.,?!;:)'\]]{2}$|[)':\]]$|javascript:/i.test(words)) return false;
  if (text.slice(body, end).search(BEGINNING) !== -1) return false;
  for (let at = start; at <= end; at++) if (edges.has(at) || (at < end && hidden.has(at))) return false;
  return true;
}

/** Without the punctuation of the sentence around it. */
function addressEnd(text: string, start: number, end: number): number {
  const limit = Math.min(end, start + LINK_LIMIT);
  let stop = start + 1;
  while (stop < limit && !NEVER_IN_ADDRESS.test(text[stop]!)) stop++;
  for (; stop > start; stop--) {
    const last = text[stop - 1]!;
    const opening = { ')': '(', ']': '[' }[last];
    const isOdd = opening !== undefined && count(text, start, stop, last) > count(text, start, stop, opening);
    if (!isOdd && !/[.,:;!?'*_~…]/.test(last)) break;
  }
  return stop;
}

function count(text: string, from: number, to: number, character: string): number {
  return text.slice(from, to).split(character).length - 1;
}
