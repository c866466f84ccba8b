import { CRM_TYPES, type CrmRecords } from './crm-records.js';
import { text, type Params } from './php-encoding.js';

/** A place of the portal where applications may show a frame. */
export interface PlacementKind {
  /** Of the application that may use it; null: of every one. */
  scope: string | null;
  /** Option → it must be given. What is not named here is dropped. */
  options: Record<string, boolean>;
  /** What the frame is told of where it stands. */
  about: 'entity' | 'dialog' | 'row' | 'nothing';
}

const CARD: PlacementKind = { scope: 'crm', options: {}, about: 'entity' };
const COMMON = { context: false, role: false, extranet: false };

/** The messenger registers its places for every scope (im/lib/V2/Marketplace/Placement.php; the docs ask for `im`). */
const KINDS: Record<string, PlacementKind> = {
  CONTACT_CENTER: { scope: 'contact_center', options: {}, about: 'row' },
  IM_TEXTAREA: {
    scope: null,
    options: { iconName: true, ...COMMON, color: false, width: false, height: false },
    about: 'dialog',
  },
  IM_SIDEBAR: { scope: null, options: { iconName: true, ...COMMON, color: false }, about: 'dialog' },
  IM_CONTEXT_MENU: { scope: null, options: COMMON, about: 'dialog' },
  IM_NAVIGATION: { scope: null, options: { iconName: true, role: false, extranet: false }, about: 'nothing' },
  IM_SMILES_SELECTOR: { scope: null, options: COMMON, about: 'nothing' },
};
/** Cards of the CRM: the middle of the placement's name → `entityTypeId`. */
const CARDS: Record<string, number> = { ...CRM_TYPES, QUOTE: 7, ORDER: 14, SMART_INVOICE: 31 };
const CONTEXTS = ['USER', 'CHAT', 'LINES', 'CRM', 'ALL'];

/** Undefined: the portal has no such place. Those of a smart process are there with the process. */
export function placementKind(name: string, records: CrmRecords): PlacementKind | undefined {
  if (Object.hasOwn(KINDS, name)) return KINDS[name];
  const typeId = cardTypeOf(name);
  if (typeId === null) return undefined;
  return typeId < 128 || records.of(typeId).length > 0 ? CARD : undefined;
}

/** The type of the card that the place stands in; null: it stands in none. */
export function cardTypeOf(name: string): number | null {
  const [, middle = ''] = /^CRM_(.+)_DETAIL_(?:TAB|TOOLBAR)$/.exec(name) ?? [];
  if (Object.hasOwn(CARDS, middle)) return CARDS[middle]!;
  const [, dynamic] = /^DYNAMIC_(\d+)$/.exec(middle) ?? [];
  return dynamic === undefined ? null : Number(dynamic);
}

/** All that there are now. */
export function placementNames(records: CrmRecords): string[] {
  const dynamic = new Set([...records.all.values()].filter(({ typeId }) => typeId >= 128).map(({ typeId }) => typeId));
  const cards = [...Object.keys(CARDS), ...[...dynamic].map((typeId) => `DYNAMIC_${typeId}`)];
  return [...Object.keys(KINDS), ...cards.flatMap((card) => [`CRM_${card}_DETAIL_TAB`, `CRM_${card}_DETAIL_TOOLBAR`])];
}

/** What the messenger says of the options of its places; null: nothing (im/lib/V2/Marketplace/RegistrationValidator.php). */
export function messengerRefusal(name: string, options: Params): Params | null {
  if (!name.startsWith('IM_')) return null;
  const refused = (error: string, error_description: string): Params => ({ error, error_description });
  const { iconName, context, role, extranet, color, width, height } = options;
  if (iconName !== undefined) {
    if (iconName === '') return refused('EMPTY_ERROR_ICON_NAME', 'The icon name is empty');
    if (!/^fa-?[a-z-]{0,48}$/.test(text(iconName))) return refused('INVALID_ERROR_ICON_NAME', 'The icon name is wrong');
  }
  if (isGiven(extranet) && !['Y', 'N'].includes(String(extranet)))
    return refused('INVALID_ERROR_EXTRANET', 'The value of extranet is wrong');
  if (
    isGiven(context) &&
    !String(context)
      .split(';')
      .every((one) => CONTEXTS.includes(one))
  )
    return refused('INVALID_ERROR_CONTEXT', 'The context is wrong');
  if (isGiven(role) && !['USER', 'ADMIN'].includes(String(role)))
    return refused('INVALID_ERROR_ROLE', 'The role is wrong');
  if (isGiven(color) && !/^[A-Z_]+$/.test(String(color))) return refused('INVALID_ERROR_COLOR', 'The color is wrong');
  // Percent.
  for (const [size, code] of [
    [height, 'INVALID_ERROR_HEIGHT'],
    [width, 'INVALID_ERROR_WIDTH'],
  ] as const) {
    if (isGiven(size) && !(Number(size) > 0 && Number(size) <= 100)) return refused(code, 'The size is wrong');
  }
  return null;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== '';
