import { join, plain, withMark, type RichText } from '../../relay/rich-text.js';
import { fromBBCode } from '../markup/bbcode.reader.js';
import { linkTarget } from '../markup/bbcode.values.js';
import { elementsOf, fieldsOf, fieldsOfText, scalar } from '../../bitrix/php-values.reader.js';

const DELIMITER = '———';

/** Where an event has its cards: JSON beside the message, in older builds in it, or the data of its last rich link. */
export interface CardFields {
  attachments_old?: unknown;
  attachments?: unknown;
}

/**
 * What cards of the messenger say, as lines with the links that stand on them (ATTACH: apidocs.bitrix24.com,
 * chats/messages/attachments). Pictures and files are links. A preview of a link that stands in `text` already is left
 * out.
 */
export function linesOfCards(fields: CardFields, text: string): RichText[] {
  const kept = elementsOf(fields.attachments_old);
  const lines = (kept.length > 0 ? kept : cardsOfMessage(fields.attachments))
    .map(fieldsOfText)
    .flatMap((card) => elementsOf(card?.BLOCKS ?? [card]))
    .flatMap((block) => Object.entries(fieldsOf(block) ?? {}))
    .flatMap(([type, content]) => linesOfBlock(type, content, text))
    .filter((line) => line.text.trim() !== '');
  // It divides something from something else.
  return lines.filter(({ text }, at) => text !== DELIMITER || (at > 0 && isWords(lines[at + 1])));
}

function cardsOfMessage(attachments: unknown): unknown[] {
  return fieldsOf(attachments)?.LINK === undefined ? elementsOf(attachments) : [{ RICH_LINK: attachments }];
}

function isWords(line: RichText | undefined): boolean {
  return line !== undefined && line.text !== DELIMITER;
}

function linesOfBlock(type: string, content: unknown, text: string): RichText[] {
  if (type === 'MESSAGE' || type === 'HTML') return [fromBBCode(scalar(fieldsOf(content)?.TEXT ?? content) ?? '')];
  if (type === 'DELIMITER') return [plain(DELIMITER)];
  // One of them, or a list.
  const { NAME, VALUE, LINK } = fieldsOf(content) ?? {};
  const items = (NAME ?? VALUE ?? LINK) === undefined ? elementsOf(content) : [content];
  return items.map(fieldsOf).flatMap((item) => (item ? linesOfItem(type, item, text) : []));
}

function linesOfItem(type: string, item: Record<string, unknown>, text: string): RichText[] {
  const read = (field: string) => (scalar(item[field]) ?? '').trim();
  const [name, link] = [read('NAME'), read('LINK')];
  switch (type) {
    case 'GRID':
      return [cell(name, read('VALUE'), link)];
    case 'USER':
    case 'IMAGE':
    case 'FILE':
      return [linked(plain(name), link)];
    case 'LINK':
      return [linked(plain(name), link), fromBBCode(read('DESC')), fromBBCode(read('HTML'))];
    case 'RICH_LINK':
      return link !== '' && isWritten(link, text) ? [] : [linked(plain(name), link), plain(read('DESC'))];
    default:
      return [];
  }
}

/** Name and value, side by side whatever their display is. A link stands on the value. */
function cell(name: string, value: string, link: string): RichText {
  const label = name === '' || value === '' || name.endsWith(':') ? name : `${name}:`;
  if (value === '') return linked(plain(label), link);
  const words = fromBBCode(value);
  return join([plain(label), linked(words, link)], words.text.includes('\n') ? '\n' : ' ');
}

function linked(words: RichText, link: string): RichText {
  if (link === '') return words;
  const url = linkTarget(link);
  return words.text.trim() === '' ? addressOf(url) : withMark(words, 'link', { url });
}

/** Telegram makes links of written-out web addresses by itself. */
function addressOf(url: string): RichText {
  return /^https?:/i.test(url) ? plain(url) : withMark(url, 'link', { url });
}

/** Also without what a browser adds. */
function isWritten(link: string, text: string): boolean {
  const [address, words] = [link, text].map((some) => some.replaceAll('&amp;', '&'));
  const bare = address!.replace(/^https?:\/\/(?:www\.)?/i, '').replace(/\/$/, '');
  return bare !== '' && words!.includes(bare);
}
