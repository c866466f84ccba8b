import { EventEmitter } from 'node:events';
import { text, type Params } from './php-encoding.js';
import type { VirtualClock } from './virtual-clock.js';

/** Ids of the types of CRM entities (CCrmOwnerType); those of smart processes begin at 128. */
export const CRM_TYPES = { LEAD: 1, DEAL: 2, CONTACT: 3, COMPANY: 4 } as const;
export type CrmTypeName = keyof typeof CRM_TYPES;

export const UTM_FIELDS = ['UTM_SOURCE', 'UTM_MEDIUM', 'UTM_CAMPAIGN', 'UTM_CONTENT', 'UTM_TERM'] as const;
/** Ends of sales: the selector of the CRM takes nobody for a client of those (STAGE_SEMANTIC_ID S and F). */
const CLOSED_STAGES = ['WON', 'LOSE', 'CONVERTED', 'JUNK'];
/** Further fields that an entity of the type has, beside those of all; relations are ids. */
const OWN_FIELDS: Record<CrmTypeName, string[]> = {
  LEAD: ['TITLE', 'NAME', 'LAST_NAME', 'STATUS_ID', 'CONTACT_ID', 'COMPANY_ID'],
  DEAL: ['TITLE', 'STAGE_ID', 'CONTACT_ID', 'COMPANY_ID', 'LEAD_ID'],
  CONTACT: ['NAME', 'LAST_NAME', 'COMPANY_ID', 'LEAD_ID'],
  COMPANY: ['TITLE', 'LEAD_ID'],
};
const COMMON_FIELDS = ['ASSIGNED_BY_ID', 'SOURCE_ID', 'SOURCE_DESCRIPTION', 'COMMENTS', 'OPENED'];
const SMART_PROCESS_FIELDS = ['TITLE', 'STAGE_ID', 'CONTACT_ID', 'COMPANY_ID'];

/** A lead, deal, contact, company, or an item of a smart process. */
export interface CrmRecord {
  typeId: number;
  id: number;
  /** Names in upper case; ids and amounts as the texts or numbers that were given. */
  fields: Record<string, unknown>;
  /** UTM_… → value; a row that is not there reads as null. */
  utm: Partial<Record<string, string>>;
  phones: string[];
  emails: string[];
  /** `imol|<user code>` of the open-line chats that it knows. */
  messengers: string[];
  /** Employees whose role does not let them see it. */
  hiddenFrom: Set<number>;
  /** Every change: by an employee's hand or by REST. */
  changes: { at: number; by: 'person' | 'rest'; fields: Params }[];
  createdAt: number;
}

/** An item of a directory: sources, stages. */
export interface CrmStatus {
  id: number;
  entityId: string;
  statusId: string;
  name: string;
  sort: number;
  system: boolean;
}

/** What an employee enters when they make an entity. */
export interface NewRecord {
  fields?: Params;
  phones?: string[];
  emails?: string[];
}

/** The entities of one portal's CRM, and the hands of the people who work in it. */
export class CrmRecords {
  readonly all = new Map<string, CrmRecord>();
  readonly statuses: CrmStatus[] = [
    { id: 11, entityId: 'SOURCE', statusId: 'CALL', name: 'Call', sort: 10, system: true },
    { id: 13, entityId: 'SOURCE', statusId: 'WEB', name: 'Website', sort: 20, system: true },
  ];
  /** Emits `added`, `changed` and `removed` with the record. */
  readonly events = new EventEmitter().setMaxListeners(0);
  private readonly lastIds = new Map<number, number>();

  constructor(private readonly clock: VirtualClock) {}

  add(type: CrmTypeName | number, { fields = {}, phones = [], emails = [] }: NewRecord = {}): CrmRecord {
    const typeId = typeof type === 'number' ? type : CRM_TYPES[type];
    const id = (this.lastIds.get(typeId) ?? 1200) + 1;
    this.lastIds.set(typeId, id);
    const record: CrmRecord = {
      typeId,
      id,
      fields: { TITLE: `${typeNameOf(typeId)} #${id}`, ASSIGNED_BY_ID: 1, OPENED: 'Y', [stageField(typeId)]: 'NEW' },
      utm: {},
      phones,
      emails,
      messengers: [],
      hiddenFrom: new Set(),
      changes: [],
      createdAt: this.clock.now(),
    };
    this.all.set(keyOf(typeId, id), record);
    this.write(record, fields);
    this.events.emit('added', record);
    return record;
  }

  find(type: CrmTypeName | number, id: number): CrmRecord | undefined {
    return this.all.get(keyOf(typeof type === 'number' ? type : CRM_TYPES[type], id));
  }

  of(type: CrmTypeName | number): CrmRecord[] {
    const typeId = typeof type === 'number' ? type : CRM_TYPES[type];
    return [...this.all.values()].filter((record) => record.typeId === typeId);
  }

  update(record: CrmRecord, fields: Params, by: 'person' | 'rest' = 'person'): void {
    this.write(record, fields);
    record.changes.push({ at: this.clock.now(), by, fields });
    this.events.emit('changed', record);
  }

  /** What names it elsewhere stays: chats go on naming a lead that is gone. */
  remove(record: CrmRecord): void {
    this.all.delete(keyOf(record.typeId, record.id));
    this.events.emit('removed', record);
  }

  addStatus(entityId: string, statusId: string, name: string, sort = 10): CrmStatus {
    const id = (this.statuses.at(-1)?.id ?? 11) + 2;
    const status: CrmStatus = { id, entityId, statusId, name, sort, system: false };
    this.statuses.push(status);
    return status;
  }

  isOpen({ typeId, fields }: CrmRecord): boolean {
    return !CLOSED_STAGES.includes(text(fields[stageField(typeId)]));
  }

  /** Names of the fields that the type has. */
  fieldsOf(typeId: number): string[] {
    const name = typeNameOf(typeId);
    return [...(name in OWN_FIELDS ? OWN_FIELDS[name as CrmTypeName] : SMART_PROCESS_FIELDS), ...COMMON_FIELDS];
  }

  private write(record: CrmRecord, fields: Params): void {
    const known = this.fieldsOf(record.typeId);
    for (const [name, value] of Object.entries(fields)) {
      if (known.includes(name)) record.fields[name] = value;
    }
    writeUtm(record, fields);
  }
}

/**
 * crm/lib/utm.php, upsertEntityUtmFromFields: what PHP takes for false (`""`, `"0"`, 0) deletes the row, only strings are
 * written, numbers are passed over without a word.
 */
function writeUtm(record: CrmRecord, fields: Params): void {
  for (const code of UTM_FIELDS) {
    const value = fields[code];
    // PHP's isset(): null is not there.
    if (value === undefined || value === null) continue;
    if (value === '' || value === '0' || value === 0 || value === false) delete record.utm[code];
    else if (typeof value === 'string') record.utm[code] = value;
  }
}

export function typeNameOf(typeId: number): string {
  const known = Object.entries(CRM_TYPES).find(([, id]) => id === typeId);
  return known?.[0] ?? `DYNAMIC_${typeId}`;
}

/** The field that holds the stage; a contact and a company have none that ends them. */
function stageField(typeId: number): string {
  return typeId === CRM_TYPES.LEAD ? 'STATUS_ID' : 'STAGE_ID';
}

function keyOf(typeId: number, id: number): string {
  return `${typeId}/${id}`;
}
