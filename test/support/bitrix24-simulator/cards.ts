import { text, type Params } from './php-encoding.js';

/** Blocks that hold items, one or several; kept as a list. */
const OF_ITEMS = ['USER', 'LINK', 'RICH_LINK', 'IMAGE', 'FILE', 'GRID'] as const;
/** Blocks whose items are nothing without an address. */
const ADDRESSED: readonly string[] = ['IMAGE', 'FILE'];
const DISPLAYS = ['BLOCK', 'LINE', 'ROW', 'TABLE'];
const DISPLAY_OF: Record<string, string> = { COLUMN: 'ROW', CARD: 'LINE' };

/**
 * A card (ATTACH) as the portal keeps it, whatever shape the application gave it: one kind a block, items always in
 * lists, a display for every cell, no item without what it needs (yuliai/bitrix-modules,
 * im/classes/general/im_message_param.php: CIMMessageParamAttach::GetAttachByJson and its Add… methods).
 */
export function storedCard(card: Params): Params {
  const blocks = Array.isArray(card['BLOCKS']) ? (card['BLOCKS'] as Params[]) : [];
  return { DESCRIPTION: '', COLOR: '#aac337', ...card, BLOCKS: blocks.flatMap(storedBlock) };
}

/** Data of the last rich link of the cards, with a copy in newer names (imconnector/lib/connectors/base.php:1259). */
export function lastRichLink(cards: Params[], origin: string): Params | undefined {
  const blocks = cards.flatMap(({ BLOCKS: own }) => own as Params[]);
  const link = blocks.flatMap(({ RICH_LINK: own }) => (own ?? []) as Params[]).at(-1);
  if (link === undefined) return undefined;
  const { LINK: url, NAME: title, DESC: description, PREVIEW: preview, EXTRA_IMAGE: extra } = link;
  const image = typeof preview === 'string' && preview.startsWith('/') ? `${origin}/${preview}` : (preview ?? extra);
  const richData = Object.entries({ url, title, description, image }).filter(([, value]) => value !== undefined);
  return { ...link, richData: Object.fromEntries(richData) };
}

function storedBlock(block: Params): Params[] {
  const message = block['MESSAGE'] as string | { TEXT: string } | undefined;
  if (message !== undefined) {
    return [{ MESSAGE: (typeof message === 'string' ? message : message.TEXT).trim().replaceAll('#BR#', '[BR]') }];
  }
  if (block['HTML'] !== undefined) return [{ HTML: block['HTML'] }];
  if (block['DELIMITER'] !== undefined) return [{ DELIMITER: { SIZE: 200, ...(block['DELIMITER'] as Params) } }];
  const type = OF_ITEMS.find((name) => block[name] !== undefined);
  if (!type) return [];
  const given = block[type] as Params | Params[];
  const items = (Array.isArray(given) ? given : [given]).flatMap((item) => storedItem(type, item));
  // Every user and every link is a block of its own.
  if (['USER', 'LINK', 'RICH_LINK'].includes(type)) return items.map((item) => ({ [type]: [item] }));
  return items.length > 0 ? [{ [type]: items }] : [];
}

function storedItem(type: string, item: Params): Params[] {
  const name = typeof item['NAME'] === 'string' ? { NAME: item['NAME'].replace(/\s*\n\s*/g, ' ').trim() } : {};
  const addressed = /^(?:\/|https?:\/\/)/.test(text(item['LINK']));
  if (!addressed && ADDRESSED.includes(type)) return [];
  const { LINK: link, ...rest } = item;
  if (type !== 'GRID') return [{ ...rest, ...name, ...(addressed ? { LINK: link } : {}) }];
  const asked = text(item['DISPLAY']);
  const display = DISPLAY_OF[asked] ?? (DISPLAYS.includes(asked) ? asked : 'BLOCK');
  const value = text(item['VALUE']).trim();
  return [{ ...rest, NAME: '', ...name, VALUE: value, DISPLAY: display, ...(addressed ? { LINK: link } : {}) }];
}
