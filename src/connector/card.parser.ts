import { elementsOf, fieldsOf, scalar } from './form-fields.reader.js';

/**
 * What cards of the messenger say (`attachments` of an event: ATTACH as JSON, or the data of one rich link), as lines
 * of BBCode (apidocs.bitrix24.com, chats/messages/attachments). Links that stand in `text` already are their previews
 * and are left out.
 */
export function linesOfCards(attachments: unknown, text: string): string[] {
  const cards = (
    fieldsOf(attachments)?.LINK === undefined ? elementsOf(attachments) : [{ RICH_LINK: attachments }]
  ).map((card) => (typeof card === 'string' ? parseJson(card) : card));
  return cards
    .flatMap((card) => elementsOf(fieldsOf(card)?.BLOCKS ?? [card]))
    .flatMap((block) => Object.entries(fieldsOf(block) ?? {}))
    .flatMap(([type, content]) => linesOfBlock(type, content, text))
    .filter((line) => line.trim() !== '');
}

function linesOfBlock(type: string, content: unknown, text: string): string[] {
  if (type === 'MESSAGE') return [scalar(content) ?? ''];
  // One of them, or a list.
  const items = (fieldsOf(content)?.NAME ?? fieldsOf(content)?.LINK) === undefined ? elementsOf(content) : [content];
  return items.flatMap((item) => {
    const { NAME, VALUE, DESC, LINK } = fieldsOf(item) ?? {};
    const [name = '', value = '', description = '', link = ''] = [NAME, VALUE, DESC, LINK].map(scalar);
    switch (type) {
      case 'GRID':
        return [name && value ? `${name}: ${value}` : name || value];
      case 'USER':
        return [name];
      case 'LINK':
      case 'RICH_LINK':
        return link !== '' && text.includes(link) ? [] : [linked(link, name), description];
      case 'IMAGE':
      case 'FILE':
        return [linked(link, name)];
      default:
        return [];
    }
  });
}

function linked(link: string, name: string): string {
  if (link === '') return name;
  return name === '' ? link : `[url=${link}]${name}[/url]`;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // Not the form that is documented: nothing to read in it, the event is kept as it came.
    return undefined;
  }
}
