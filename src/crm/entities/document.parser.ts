import { isOpenLineType, type CrmEntity, type EntityType } from './crm-entity.js';

/** Numbers of types that have a name of their own in documents (crm/classes/general/crm_owner_type.php). */
const NAMED_TYPES: Readonly<Record<string, number>> = { quote: 7, order: 14, smart_invoice: 31 };

/** `DEAL_7`, `DYNAMIC_183_5`, as business processes name documents of the CRM; null: none that we know. */
export function parseDocument(value: string): CrmEntity | null {
  const [, name = '', id = ''] = /^([a-z_]+?(?:_\d{1,9})?)_(\d{1,15})$/.exec(value.toLowerCase()) ?? [];
  const type = typeOf(name);
  return type !== null && Number(id) > 0 ? { type, id: String(Number(id)) } : null;
}

function typeOf(name: string): EntityType | null {
  if (isOpenLineType(name)) return name;
  if (Object.hasOwn(NAMED_TYPES, name)) return `dynamic_${NAMED_TYPES[name]!}`;
  return /^dynamic_\d+$/.test(name) ? (name as EntityType) : null;
}
