import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import { parseDocument } from '../entities/document.parser.js';
import type { CrmEntity, EntityType } from '../entities/crm-entity.js';

/** What the portal posts to a sender of the message service (messageservice/lib/sender/sms/rest.php). */
export interface SmsPost {
  /** Of the sender. */
  code: string;
  messageId: string;
  /** As the portal normalised it. */
  phone: string;
  /** Plain text. */
  text: string;
  /** Whom the card, or the process, means; most important first. */
  entities: CrmEntity[];
  /** It is one of a mailing of CRM marketing. */
  isMailing: boolean;
}

const TYPES: Readonly<Record<string, EntityType>> = { '1': 'lead', '2': 'deal', '3': 'contact', '4': 'company' };

/** Null: it is no such post. */
export function parseSmsPost(body: unknown): SmsPost | null {
  const fields = fieldsOf(body);
  const [code, messageId] = [scalar(fields?.['code']), scalar(fields?.['message_id'])];
  if (!fields || !code || !messageId) return null;
  const [module, , document] = elementsOf(fields['document_id']).map((part) => scalar(part) ?? '');
  const ofProcess = module === 'crm' ? parseDocument(document ?? '') : null;
  return {
    code,
    messageId,
    phone: scalar(fields['message_to']) ?? '',
    text: scalar(fields['message_body']) ?? '',
    entities: [...elementsOf(fields['bindings']).flatMap(boundEntity), ...(ofProcess ? [ofProcess] : [])],
    isMailing: scalar(fields['module_id']) === 'sender',
  };
}

function boundEntity(binding: unknown): CrmEntity[] {
  const [typeId = '', id = ''] = ['OWNER_TYPE_ID', 'OWNER_ID'].map((name) => scalar(fieldsOf(binding)?.[name]) ?? '');
  if (!/^[1-9]\d{0,8}$/.test(typeId) || !/^[1-9]\d{0,14}$/.test(id)) return [];
  return [{ type: TYPES[typeId] ?? `dynamic_${Number(typeId)}`, id }];
}
