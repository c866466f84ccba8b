import { concat, join, plain, withMark, type MarkType, type RichText } from '../../relay/rich-text.js';
import { asList, asNumber, asObject, asText, type JsonObject } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';

/** Deeper nesting than a person writes; what lies below is left out rather than risking the stack. */
const MAX_DEPTH = 24;

const CELL_SEPARATOR = ' | ';
/** Wider than a table that a person reads. */
const MAX_SPAN = 20;

const STYLE_OF_RICH_TEXT: ReadonlyMap<unknown, MarkType> = new Map<unknown, MarkType>([
  ['bold', 'bold'],
  ['italic', 'italic'],
  ['underline', 'underline'],
  ['strikethrough', 'strikethrough'],
  ['spoiler', 'spoiler'],
  ['marked', 'bold'],
  ['code', 'code'],
]);

const PLAIN_LETTERS = '0123456789+-=()';
const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾';
const SUBSCRIPTS = '₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎';

/** The words of a `RichMessage` (Bot API 10.1), its blocks flattened to lines. Any JSON may be passed. */
export function parseRichMessage(richMessage: unknown, labels: MessageLabels): RichText {
  return readBlocks(asObject(richMessage).blocks, labels, 0);
}

/** Blocks that hold one file each, and the field of the block (named as in Message) that holds it. */
const MEDIA_FIELDS = new Map([
  ['photo', 'photo'],
  ['video', 'video'],
  ['animation', 'animation'],
  ['audio', 'audio'],
  ['document', 'document'],
  ['voice_note', 'voice'],
] as const);
type MediaField = typeof MEDIA_FIELDS extends Map<string, infer Field> ? Field : never;

/** The blocks of a `RichMessage` that hold files, in their order, those inside other blocks too. */
export function mediaBlocks(richMessage: unknown): [field: MediaField, block: JsonObject][] {
  return mediaAmong(asObject(richMessage).blocks, 0);
}

function mediaAmong(blocks: unknown, depth: number): [MediaField, JsonObject][] {
  if (depth > MAX_DEPTH) return [];
  return asList(blocks)
    .map(asObject)
    .flatMap((block) => {
      const field = MEDIA_FIELDS.get(block.type as never);
      const inner = [block, ...asList(block.items).map(asObject)].flatMap((part) => mediaAmong(part.blocks, depth + 1));
      return field ? [[field, block] as [MediaField, JsonObject], ...inner] : inner;
    });
}

function readBlocks(blocks: unknown, labels: MessageLabels, depth: number): RichText {
  if (depth > MAX_DEPTH) return plain('');
  return join(
    asList(blocks).map((block) => readBlock(asObject(block), labels, depth)),
    '\n',
  );
}

function readBlock(block: JsonObject, labels: MessageLabels, depth: number): RichText | string {
  const text = () => readText(block.text, depth + 1);
  const inner = () => readBlocks(block.blocks, labels, depth + 1);
  const captioned = (label: string) => join([label, readCaption(block.caption, depth)], '\n');
  switch (block.type) {
    case 'heading':
      return withMark(text(), 'bold');
    case 'pre':
      return withMark(text(), 'pre', typeof block.language === 'string' ? { language: block.language } : {});
    case 'blockquote':
    case 'expandable_blockquote':
    case 'pullquote':
      return withMark(join([text(), inner(), readText(block.credit, depth + 1)], '\n'), 'quote');
    case 'list':
      return readList(block.items, labels, depth);
    case 'table':
      return join([readText(block.caption, depth + 1), ...readTable(block.cells, depth)], '\n');
    case 'details':
      return join([withMark(readText(block.summary, depth + 1), 'bold'), inner()], '\n');
    case 'collage':
    case 'slideshow':
      return join([inner(), readCaption(block.caption, depth)], '\n');
    case 'mathematical_expression':
      return withMark(asText(block.expression), 'code');
    case 'divider':
      return '———';
    case 'anchor':
      return '';
    case 'buttons':
      return join(
        asList(block.buttons).map((button) => readButton(button, depth)),
        ' ',
      );
    case 'map':
      return join([`${labels.location}${mapLink(block.location)}`, readCaption(block.caption, depth)], '\n');
    case 'photo':
      return captioned(labels.photo);
    case 'video':
      return captioned(labels.video);
    case 'animation':
      return captioned(labels.animation);
    case 'audio':
      return captioned(labels.audio);
    case 'document':
      return captioned(labels.document);
    case 'voice_note':
      return captioned(labels.voice);
    default:
      return join([text(), inner(), readCaption(block.caption, depth)], '\n');
  }
}

function readList(items: unknown, labels: MessageLabels, depth: number): RichText {
  return join(
    asList(items).map((value) => {
      const item = asObject(value);
      const box = item.has_checkbox ? (item.is_checked ? '☑ ' : '☐ ') : '';
      return concat(`${asText(item.label) || '•'} ${box}`, readBlocks(item.blocks, labels, depth + 1));
    }),
    '\n',
  );
}

/** A line a row. Every cell stands in its column, also behind empty cells and beside those of several columns or rows. */
function readTable(rows: unknown, depth: number): RichText[] {
  /** In which row a column is free again. */
  const freeFrom: number[] = [];
  return asList(rows).map((row, index) => {
    const columns: RichText[] = [];
    const passTaken = () => {
      while ((freeFrom[columns.length] ?? 0) > index) columns.push(plain(''));
    };
    for (const value of asList(row)) {
      const cell = asObject(value);
      passTaken();
      const free = index + spanOf(cell.rowspan);
      const words = onOneLine(readText(cell.text, depth + 1));
      const first = columns.length;
      columns.push(cell.is_header === true ? withMark(words, 'bold') : words);
      while (columns.length < first + spanOf(cell.colspan)) columns.push(plain(''));
      for (let column = first; column < columns.length; column++) freeFrom[column] = free;
    }
    const filled = columns.findLastIndex(({ text }) => text.trim() !== '') + 1;
    return concat(...columns.slice(0, filled).flatMap((cell, at) => (at === 0 ? [cell] : [CELL_SEPARATOR, cell])));
  });
}

function spanOf(value: unknown): number {
  return Math.min(MAX_SPAN, Math.max(1, Math.floor(asNumber(value) ?? 1)));
}

function onOneLine({ text, marks }: RichText): RichText {
  return { text: text.replace(/[\r\n]/g, ' '), marks };
}

function readCaption(caption: unknown, depth: number): RichText {
  const { text, credit } = asObject(caption);
  return join([readText(text, depth + 1), readText(credit, depth + 1)], '\n');
}

function readButton(button: unknown, depth: number): RichText {
  const { text, url } = asObject(button);
  return link(concat('[', readText(text, depth + 1), ']'), asText(url));
}

/** Telegram's rich text: a string, a list of rich texts or an object with a type. */
function readText(value: unknown, depth: number): RichText {
  if (typeof value === 'string') return plain(value);
  if (depth > MAX_DEPTH) return plain('');
  if (Array.isArray(value)) return concat(...value.map((part: unknown) => readText(part, depth + 1)));
  const node = asObject(value);
  const style = STYLE_OF_RICH_TEXT.get(node.type);
  if (style) return withMark(readText(node.text, depth + 1), style);
  switch (node.type) {
    case 'custom_emoji':
      return plain(asText(node.alternative_text));
    case 'mathematical_expression':
      return withMark(asText(node.expression), 'code');
    case 'button':
      return readButton(node.button, depth);
    case 'superscript':
      return raised(readText(node.text, depth + 1), SUPERSCRIPTS, '^');
    case 'subscript':
      return raised(readText(node.text, depth + 1), SUBSCRIPTS, '_');
    case 'url':
      return link(readText(node.text, depth + 1), asText(node.url));
    default:
      return readText(node.text ?? '', depth + 1);
  }
}

/** `10²`, `H₂O`; what has no such letters stands behind a sign: `x^(a+b)`. Without one it would read as another number. */
function raised({ text, marks }: RichText, letters: string, sign: string): RichText {
  if (text === '') return plain('');
  const small = [...text].map((letter) => letters[PLAIN_LETTERS.indexOf(letter)]);
  if (small.every((letter) => letter !== undefined)) return { text: small.join(''), marks };
  return /^\w+$/.test(text) ? concat(sign, { text, marks }) : concat(`${sign}(`, { text, marks }, ')');
}

function link(label: RichText, url: string): RichText {
  return url === '' || url === label.text ? label : withMark(label, 'link', { url });
}

function mapLink(location: unknown): string {
  const url = mapUrl(location);
  return url === undefined ? '' : `\n${url}`;
}

/** A link that shows a `Location` on a map. */
export function mapUrl(location: unknown): string | undefined {
  const latitude = asNumber(asObject(location).latitude);
  const longitude = asNumber(asObject(location).longitude);
  if (latitude === undefined || longitude === undefined) return undefined;
  return `https://maps.google.com/?q=${latitude},${longitude}`;
}
