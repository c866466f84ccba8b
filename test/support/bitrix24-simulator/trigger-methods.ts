import { setTimeout as sleep } from 'node:timers/promises';
import { accessDenied, isCode } from './application-context.js';
import { CRM_TYPES } from './crm-records.js';
import { isEmpty, text, type Params } from './php-encoding.js';
import { RestError } from './rest-error.js';
import type { RestContext, RestMethods } from './rest-method.js';

/** One call of crm.automation.trigger.execute, and the entities that it was for. */
export interface TriggerRun {
  code: string;
  ownerTypeId: number;
  ownerId: number;
  /** `DEAL_7`: what the trigger fired for; whether it moved is another matter. */
  fired: string[];
}

/** Triggers of applications. */
export class Triggers {
  /** Code → name, per application. */
  readonly all = new Map<string, { clientId: string; code: string; name: string }>();
  readonly runs: TriggerRun[] = [];
  /** Robots of the stage run inside the call, after it is known that it is one (docs: a sample of 13 s). */
  slowMs = 0;
}

const DOCUMENTS: number[] = [CRM_TYPES.LEAD, CRM_TYPES.DEAL];
/** CCrmOwnerType::IsDefined: the types of the CRM itself, and those of smart processes. */
const isType = (id: number) => Number.isInteger(id) && ((id >= 1 && id <= 36) || id >= 128);

/** crm/lib/automation/rest/proxy.php; its errors have no code. */
export const TRIGGER_METHODS: RestMethods = {
  'crm.automation.trigger.add': { scopes: ['crm'], run: add },
  'crm.automation.trigger.list': {
    scopes: ['crm'],
    run: (_params, context) => own(context).map(({ name, code }) => ({ NAME: name, CODE: code })),
  },
  'crm.automation.trigger.delete': {
    scopes: ['crm'],
    run: (params, context) => {
      const clientId = adminClient(context);
      if (!context.portal.triggers.all.delete(`${clientId}@${codeOf(params)}`)) throw refused('Trigger not found');
      return true;
    },
  },
  'crm.automation.trigger.execute': { scopes: ['crm'], run: execute },
};

function own(context: RestContext) {
  const clientId = adminClient(context);
  return [...context.portal.triggers.all.values()].filter((trigger) => trigger.clientId === clientId);
}

/** A code that is there gets the new name. */
function add(params: Params, context: RestContext): true {
  const clientId = adminClient(context);
  const [code, name] = [codeOf(params), params['NAME']];
  if (isEmpty(name)) throw refused('Empty trigger name!');
  context.portal.triggers.all.set(`${clientId}@${code}`, { clientId, code, name: text(name) });
  return true;
}

async function execute(params: Params, context: RestContext): Promise<true> {
  const clientId = adminClient(context);
  const { triggers, crm } = context.portal;
  const code = codeOf(params);
  const [ownerTypeId, ownerId] = [Number(text(params['OWNER_TYPE_ID'])), Number(text(params['OWNER_ID']))];
  if (!triggers.all.has(`${clientId}@${code}`)) throw refused(`Trigger with code ${code} is not registered.`);
  if (!isType(ownerTypeId)) throw refused('Incorrect parameter OWNER_TYPE_ID.');
  if (!(ownerId > 0)) throw refused('Incorrect parameter OWNER_ID.');
  const relation = ownerTypeId === CRM_TYPES.CONTACT ? 'CONTACT_ID' : 'COMPANY_ID';
  const isDocument = DOCUMENTS.includes(ownerTypeId) || ownerTypeId >= 128;
  // Of a contact or a company it is the one deal that the portal's selector picks; no lead.
  const deal = crm.records
    .of('DEAL')
    .findLast((one) => crm.records.isOpen(one) && Number(one.fields[relation]) === ownerId);
  const found = isDocument ? crm.records.find(ownerTypeId, ownerId) : deal;
  const fired = found ? [`${found.typeId}_${found.id}`] : [];
  triggers.runs.push({ code, ownerTypeId, ownerId, fired });
  if (triggers.slowMs > 0) await sleep(triggers.slowMs);
  return true;
}

/** Who may is asked before for which application, unlike with robots. */
function adminClient({ app, user }: RestContext): string {
  if (!user.admin) throw accessDenied('Admin permissions required');
  if (app === null) throw accessDenied('Application context required');
  return app.clientId;
}

function codeOf({ CODE: code }: Params): string {
  if (isEmpty(code)) throw refused('Empty trigger code!');
  if (!isCode(code)) throw refused('Wrong trigger code!');
  return code;
}

function refused(description: string): RestError {
  return new RestError(400, '', description);
}
