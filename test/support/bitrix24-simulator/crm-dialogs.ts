import { CRM_TYPES, type CrmRecord, type CrmRecords, type CrmTypeName } from './crm-records.js';
import type { Chat, Client, OpenLines } from './open-lines.js';
import type { Line } from './portal-model.js';
import type { Session } from './sessions.js';
import type { VirtualClock } from './virtual-clock.js';

/** The activity that stands for a session in the cards of the entities it is bound to (imopenlines/lib/crm/activity.php). */
export interface SessionActivity {
  id: number;
  /** ASSOCIATED_ENTITY_ID */
  sessionId: number;
  chatId: number;
  /** RESULT_SOURCE_ID */
  connector: string;
  /** PROVIDER_TYPE_ID */
  line: string;
  userCode: string;
  subject: string;
  /** The first one is its owner. */
  bindings: CrmBinding[];
  completed: boolean;
  createdAt: number;
  updatedAt: number;
}

export interface CrmBinding {
  typeId: number;
  id: number;
}

/** What a chat says of the CRM (entity_data_1 and _2): of the last session that the CRM had a part in. */
type ChatFlags = Record<CrmTypeName, number>;
const NO_FLAGS: ChatFlags = { LEAD: 0, COMPANY: 0, CONTACT: 0, DEAL: 0 };
/** The most up-to-date entity (imopenlines/lib/crm.php, updateFlags). */
const PRIMARY: CrmTypeName[] = ['DEAL', 'LEAD', 'COMPANY', 'CONTACT'];
const MAX_BINDINGS = 100;

/** What the CRM does with dialogs of open lines. */
export class CrmDialogs {
  readonly activities = new Map<number, SessionActivity>();
  private readonly flags = new Map<number, ChatFlags>();
  private lastId = 5000;

  constructor(
    private readonly records: CrmRecords,
    private readonly clock: VirtualClock,
  ) {}

  /**
   * A session begins, and nothing keeps the CRM out of it: the client is searched by the messenger's code, phones and
   * e-mails; where nobody is found a lead or a deal is made, as the line says; the activity is bound to all of them
   * (imopenlines/lib/session.php, "CRM BLOCK"; imopenlines/lib/crm.php, search and registrationChanges). Names, by which
   * the real portal searches too, are not compared here.
   */
  sessionBegins(chat: Chat, session: Session, client: Client, line: Line): void {
    if (line.crm === 'off') return;
    const make = { lead: 'LEAD', deal: 'DEAL', search: null } as const;
    this.bindSession(chat, session, client, line, make[line.crm]);
  }

  /** An operator saves the dialog to the CRM; false: it is there already. */
  saveToCrm(chat: Chat, session: Session, client: Client, line: Line): boolean {
    if (this.activityOf(session.id) !== undefined) return false;
    this.bindSession(chat, session, client, line, 'LEAD');
    return true;
  }

  private bindSession(chat: Chat, session: Session, client: Client, line: Line, make: 'LEAD' | 'DEAL' | null): void {
    const found = this.search(chat, client);
    const atWork = found.some(({ typeId }) => typeId === CRM_TYPES.LEAD || typeId === CRM_TYPES.DEAL);
    if (!atWork && make !== null) found.push(this.register(make, chat, client, line, found));
    if (found.length === 0) return;
    const at = this.clock.now();
    const activity: SessionActivity = {
      id: (this.lastId += 2),
      sessionId: session.id,
      chatId: chat.id,
      connector: chat.connector,
      line: chat.line,
      userCode: chat.userCode,
      subject: chat.title,
      bindings: found.map(({ typeId, id }) => ({ typeId, id })),
      completed: false,
      createdAt: at,
      updatedAt: at,
    };
    this.activities.set(activity.id, activity);
    this.flag(chat, activity.bindings);
  }

  /** Contacts were found in the client's words: an activity that knows no client yet is bound to theirs (tracker.php). */
  contactsFound(chat: Chat, client: Client): void {
    const activity = this.activityOf(chat.sessions.at(-1)?.id ?? 0);
    if (activity === undefined) return;
    const bound = activity.bindings.some(({ typeId }) => typeId === CRM_TYPES.CONTACT || typeId === CRM_TYPES.COMPANY);
    if (bound) return;
    const added = this.search(chat, client).filter(
      ({ typeId }) => typeId === CRM_TYPES.CONTACT || typeId === CRM_TYPES.COMPANY,
    );
    for (const { typeId, id } of added) this.bind(activity, { typeId, id });
    this.flag(chat, activity.bindings);
  }

  sessionEnds(session: Session): void {
    const activity = this.activityOf(session.id);
    if (activity === undefined) return;
    activity.completed = true;
    activity.updatedAt = this.clock.now();
  }

  activityOf(sessionId: number): SessionActivity | undefined {
    return [...this.activities.values()].find((activity) => activity.sessionId === sessionId);
  }

  /** False: it is bound already. The chat's own flags stay as they are. */
  bind(activity: SessionActivity, binding: CrmBinding): boolean {
    if (activity.bindings.some(({ typeId, id }) => typeId === binding.typeId && id === binding.id)) return false;
    if (activity.bindings.length >= MAX_BINDINGS) return false;
    activity.bindings.push(binding);
    activity.updatedAt = this.clock.now();
    return true;
  }

  /** Dialogs whose sessions' activities are bound to the entity, those touched last first. */
  chatsOf(binding: CrmBinding, lines: OpenLines): { chat: Chat; session: Session }[] {
    return [...this.activities.values()]
      .filter(({ bindings }) => bindings.some(({ typeId, id }) => typeId === binding.typeId && id === binding.id))
      .toSorted((a, b) => b.updatedAt - a.updatedAt || b.id - a.id)
      .flatMap(({ chatId, sessionId }) => {
        const chat = lines.chatById(chatId);
        const session = chat?.sessions.find(({ id }) => id === sessionId);
        return chat === undefined || session === undefined ? [] : [{ chat, session }];
      });
  }

  /** `Y|LEAD|1209` and `LEAD|1209|COMPANY|0|CONTACT|0|DEAL|0`; a chat that was never bound has an empty second text. */
  entityData(chat: Chat): { first: string; second: string } {
    const flags = this.flags.get(chat.id);
    if (flags === undefined) return { first: 'N|NONE|0', second: '' };
    const primary = PRIMARY.find((name) => flags[name] > 0);
    return {
      first: `Y|${primary ?? 'NONE'}|${primary === undefined ? 0 : flags[primary]}`,
      second: Object.entries(flags).flat().join('|'),
    };
  }

  private flag(chat: Chat, bindings: CrmBinding[]): void {
    const flags = { ...NO_FLAGS, ...this.flags.get(chat.id) };
    for (const name of Object.keys(NO_FLAGS) as CrmTypeName[]) {
      const bound = bindings.find(({ typeId }) => typeId === CRM_TYPES[name]);
      if (bound !== undefined) flags[name] = bound.id;
    }
    this.flags.set(chat.id, flags);
  }

  private search(chat: Chat, client: Client): CrmRecord[] {
    const phones = new Set([client.phone, ...client.crm.phones].map(digitsOf).filter(({ length }) => length >= 7));
    const emails = new Set([client.email, ...client.crm.emails].map((email) => email.toLowerCase()).filter(Boolean));
    const fits = (record: CrmRecord): boolean =>
      record.messengers.includes(`imol|${chat.userCode}`) ||
      record.phones.some((phone) => phones.has(digitsOf(phone))) ||
      record.emails.some((email) => emails.has(email.toLowerCase()));
    const known = (type: CrmTypeName): CrmRecord | undefined =>
      this.records.of(type).findLast((record) => this.records.isOpen(record) && fits(record));
    const contact = known('CONTACT');
    const company = known('COMPANY') ?? this.related(contact, 'COMPANY');
    const deal = this.records
      .of('DEAL')
      .findLast(
        (one) =>
          this.records.isOpen(one) &&
          ((contact !== undefined && Number(one.fields['CONTACT_ID']) === contact.id) ||
            (company !== undefined && Number(one.fields['COMPANY_ID']) === company.id) ||
            fits(one)),
      );
    return [known('LEAD'), company, contact, deal].filter((record) => record !== undefined);
  }

  private related(contact: CrmRecord | undefined, type: CrmTypeName): CrmRecord | undefined {
    const id = Number(contact?.fields[`${type}_ID`] ?? 0);
    return id > 0 ? this.records.find(type, id) : undefined;
  }

  /** `SOURCE_ID` is `line|connector`, made as a source of the CRM where it is not there yet (imopenlines/lib/crm.php, getSourceId). */
  private register(type: 'LEAD' | 'DEAL', chat: Chat, client: Client, line: Line, found: CrmRecord[]): CrmRecord {
    const source = `${chat.line}|${chat.connector}`.slice(0, 50);
    if (!this.records.statuses.some(({ entityId, statusId }) => entityId === 'SOURCE' && statusId === source))
      this.records.addStatus('SOURCE', source, `${line.name} - ${chat.connector}`, 115);
    const idOf = (typeId: number): number => found.find((record) => record.typeId === typeId)?.id ?? 0;
    const record = this.records.add(type, {
      fields: {
        TITLE: chat.title,
        NAME: client.name,
        LAST_NAME: client.lastName,
        SOURCE_ID: source,
        SOURCE_DESCRIPTION: client.url,
        CONTACT_ID: idOf(CRM_TYPES.CONTACT),
        COMPANY_ID: idOf(CRM_TYPES.COMPANY),
      },
      phones: client.phone === '' ? [] : [client.phone],
      emails: client.email === '' ? [] : [client.email],
    });
    record.messengers.push(`imol|${chat.userCode}`);
    return record;
  }
}

function digitsOf(phone: string): string {
  return phone.replace(/\D/g, '').replace(/^8(?=\d{10}$)/, '7');
}
