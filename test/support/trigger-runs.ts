import { eventually, type Bridge } from './bridge.js';
import type { Conversation } from './conversation.js';
import { entityOf } from './crm.js';

/** Codes of the triggers that the portal has. */
export const registeredTriggers = (portal: Bridge['portal']) =>
  [...portal.triggers.all.values()].map(({ code }) => code).toSorted();

/** Codes of the triggers that were executed for something in the portal's CRM, in their order. */
export const triggersOf = (portal: Bridge['portal'], ownerId: number) =>
  portal.triggers.runs.filter((run) => run.ownerId === ownerId).map(({ code }) => code);

/** Triggers of the lead of the conversation, once there are so many. */
export const triggersRan = (bridge: Bridge, talk: Conversation, count: number, timeoutMs = 20_000) =>
  eventually(
    () => (talk.dialog.messages.length > 0 ? triggersOf(bridge.portal, entityOf(bridge, talk).id) : []),
    (codes) => codes.length >= count,
    timeoutMs,
  );
