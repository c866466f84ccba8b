import { elementsOf, fieldsOf } from '../../bitrix/php-values.reader.js';

/** A row of event.get. */
export interface BoundHandler {
  event: string;
  handler?: string;
  /** User id whose token the events carry; "0": the user who raised the event. */
  auth_type?: string | number;
  /** 1: an offline binding, which has no address. */
  offline?: number | string;
}

/** Reads the answer of event.get. */
export function readBoundHandlers(result: unknown): BoundHandler[] {
  return elementsOf(result).filter((row): row is BoundHandler => typeof fieldsOf(row)?.event === 'string');
}

/** Every event that we bind, in the spelling of Bitrix24's documentation. */
export const BOUND_EVENTS = [
  'OnImConnectorMessageAdd',
  'OnImConnectorMessageUpdate',
  'OnImConnectorMessageDelete',
  'OnImConnectorStatusDelete',
  'OnImConnectorLineDelete',
  'OnImConnectorDialogStart',
  'OnImConnectorDialogFinish',
  'OnAppUninstall',
  'OnAppInstall',
  'OnAppUpdate',
] as const;

/** A handler of ours, wherever this service ran and whatever its secret was then. */
export function isOurHandler({ handler, offline }: BoundHandler): boolean {
  if (!handler || Number(offline) === 1 || !URL.canParse(handler)) return false;
  return new URL(handler).pathname.endsWith('/b24/handler');
}

/**
 * Which handlers have to go and which events still need one, so that each event ends with exactly one handler:
 * Bitrix24 posts an event once per row, so an old address loses time and a second row doubles every message.
 */
export function reconcileHandlers(
  bound: BoundHandler[],
  handlerUrl: string,
): { stale: BoundHandler[]; missing: string[] } {
  const ours = bound.filter(isOurHandler);
  const kept = new Map<string, BoundHandler>();
  // Rows bound for the acting user first: those bound to one person die with that person's account.
  for (const row of ours.toSorted((a, b) => Number(a.auth_type ?? 0) - Number(b.auth_type ?? 0))) {
    const event = row.event.toUpperCase();
    if (row.handler === handlerUrl && !kept.has(event)) kept.set(event, row);
  }
  return {
    stale: ours.filter((row) => kept.get(row.event.toUpperCase()) !== row),
    missing: BOUND_EVENTS.filter((event) => !kept.has(event.toUpperCase())),
  };
}
