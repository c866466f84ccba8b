import { Bridge, eventually, type BridgeOptions } from './bridge.js';
import type { Run, RunOptions } from './bitrix24-simulator/robots.js';
import type { CrmRecord, CrmTypeName } from './bitrix24-simulator/crm-records.js';
import type { Conversation } from './conversation.js';

export const CRM_SCOPES = ['imopenlines', 'imconnector', 'im', 'user', 'crm', 'bizproc', 'messageservice'];

/** A bridge whose application has these scopes. */
export async function bridgeWithScopes(scope = CRM_SCOPES, options: BridgeOptions = {}): Promise<Bridge> {
  const bridge = await Bridge.start({
    environment: { B24_REQUESTS_PER_SECOND: '1000', ...options.environment },
    bitrix24: { limits: false },
    ...options,
    installed: false,
  });
  bridge.app.scope = scope;
  await bridge.install();
  return bridge;
}

/** What an administrator switches on or off; `more`: of the body. */
export async function choose(bridge: Bridge, feature: string, wanted = true, more: object = {}) {
  const { json } = await bridge.program.admin('GET', '/portals');
  return bridge.program.admin('PATCH', `/portals/${json.items.at(-1).id}/features/${feature}`, { wanted, ...more });
}

/** The lead that the portal has made of the conversation. */
export function entityOf(bridge: Bridge, talk: Conversation, type: CrmTypeName = 'LEAD'): CrmRecord {
  const userCode = bridge.portal.chat(`tg:${talk.client.id}`).userCode;
  const found = bridge.portal.crm.records.of(type).find(({ messengers }) => messengers.includes(`imol|${userCode}`));
  if (!found) throw new Error(`The CRM has no ${type} of ${userCode}.`);
  return found;
}

/** A process comes to a robot for the entity. */
export function runRobot(bridge: Bridge, code: string, { typeId, id }: CrmRecord, options: RunOptions = {}): Run {
  const names: Record<number, [string, string]> = {
    1: ['CCrmDocumentLead', 'LEAD'],
    2: ['CCrmDocumentDeal', 'DEAL'],
    3: ['CCrmDocumentContact', 'CONTACT'],
  };
  const [className, name] = names[typeId]!;
  return bridge.portal.robots.run(bridge.app, code, { document: ['crm', className, `${name}_${id}`], ...options });
}

/** What the process goes on with. */
export async function returned(run: Run, timeoutMs = 20_000): Promise<Record<string, unknown>> {
  const value = await eventually(
    () => run.returned,
    (values) => values !== null,
    timeoutMs,
  );
  return value!;
}
