import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';
import type { CrmEntity } from '../entities/crm-entity.js';
import { parseDocument } from '../entities/document.parser.js';

/** What a business process posts when it comes to a robot (bizproc/classes/general/restactivity.php). */
export interface RobotPost {
  code: string;
  eventToken: string;
  /** Of the process; it begins the token, too. */
  workflowId: string;
  /** null: no document of the CRM. */
  document: CrmEntity | null;
  /** Declared properties; what is not set is ''. */
  properties: Record<string, string>;
  /** The process waits for bizproc.event.send. */
  waits: boolean;
  /** How long at most; 0: for ever. */
  timeoutSeconds: number;
}

/** Null: it is no such post. */
export function parseRobotPost(body: unknown): RobotPost | null {
  const fields = fieldsOf(body);
  const [code, eventToken] = [scalar(fields?.['code']), scalar(fields?.['event_token'])];
  if (!fields || !code || !eventToken) return null;
  const [module, , id] = elementsOf(fields['document_id']).map((part) => scalar(part) ?? '');
  const properties = Object.entries(fieldsOf(fields['properties']) ?? {}).map(([key, value]): [string, string] => {
    // Several values of one property: the first counts, as in the portal.
    const [first] = elementsOf(value);
    return [key, scalar(value) ?? scalar(first) ?? ''];
  });
  return {
    code,
    eventToken,
    workflowId: scalar(fields['workflow_id']) || eventToken.split('|')[0]!,
    document: module === 'crm' ? parseDocument(id ?? '') : null,
    properties: Object.fromEntries(properties),
    // A box of 2025 leaves it out.
    waits: scalar(fields['use_subscription'])?.toUpperCase() !== 'N',
    timeoutSeconds: Math.max(0, Number(scalar(fields['timeout_duration'])) || 0),
  };
}
