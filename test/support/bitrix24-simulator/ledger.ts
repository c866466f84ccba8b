import type { Download } from './client-downloads.js';
import type { RefreshCount } from './oauth-server.js';
import type { Chat, KilledDialog } from './open-lines.js';
import type { Portal } from './portal.js';

/** What a connector did to one dialog. */
export interface DialogLedger {
  dialog: string;
  chatId: number;
  received: number;
  distinct: number;
  /** External ids that arrived more than once. */
  duplicates: string[];
  /** External ids that arrived after one with a greater number at its end. */
  reordered: string[];
  /** Messages of the client without an external id. */
  withoutId: number;
  sessions: number;
}

export interface DeliveryReport {
  at: number;
  line: string;
  messageId: number;
  externalIds: string[];
  asArray: boolean;
  /** False: the clock had been cleared before, or there is no such message. */
  accepted: boolean;
}

/** One element of `imconnector.update.messages` or `imconnector.delete.messages`. */
export interface Correction {
  at: number;
  method: 'update' | 'delete';
  dialog: string;
  externalId: string;
  /** What it found; none: a silent no-op. */
  messageIds: number[];
}

/** Everything a test may want to hold against a connector after a run. */
export interface Ledger {
  dialogs: DialogLedger[];
  deliveryReports: DeliveryReport[];
  corrections: Correction[];
  /** Dialogs that a text of the connector has ended for good. */
  dialogsKilled: KilledDialog[];
  /** Fetches of clients' files and avatars. */
  downloads: Download[];
  /** Messages that still wait for a delivery report. */
  clocksLeft: number[];
  rejectedByBucket: number;
  rejectedByOperating: number;
  /** Per client id. */
  refreshes: Record<string, RefreshCount>;
  eventTokensUsed: number;
  tokensInUrl: number;
  /** Addresses of files and avatars that carry a Telegram bot token. */
  botTokensInUrls: string[];
  callsAfterUninstall: number;
  eventsLost: number;
  /** Sends of a dialog that met another one still running. */
  lockContentions: number;
}

/** Adds up what `portal` has seen. */
export function ledgerOf(portal: Portal, refreshes: Map<string, RefreshCount>): Ledger {
  const { lines, rest, limits } = portal;
  const own = new Set(portal.apps.map((app) => app.clientId));
  return {
    dialogs: [...lines.chats.values()].map(dialogLedger),
    deliveryReports: portal.deliveryReports,
    corrections: portal.corrections,
    dialogsKilled: lines.killed,
    downloads: portal.downloads.records,
    clocksLeft: [...lines.messages.values()].filter((message) => message.sending).map((message) => message.id),
    rejectedByBucket: limits.rejectedByBucket,
    rejectedByOperating: limits.rejectedByOperating,
    refreshes: Object.fromEntries([...refreshes].filter(([clientId]) => own.has(clientId))),
    eventTokensUsed: rest.eventTokensUsed,
    tokensInUrl: rest.tokensInUrl,
    botTokensInUrls: portal.downloads.records.map(({ url }) => url).filter((url) => /\/bot\d+:/.test(url)),
    callsAfterUninstall: rest.callsAfterUninstall,
    eventsLost: portal.events.lost,
    lockContentions: lines.lockContentions,
  };
}

function dialogLedger(chat: Chat): DialogLedger {
  const messages = chat.messages.filter((message) => message.author === 'client');
  const seen = new Set<string>();
  const duplicates: string[] = [];
  const reordered: string[] = [];
  let highest = -Infinity;
  for (const id of messages.flatMap((message) => message.externalIds)) {
    if (seen.has(id)) {
      duplicates.push(id);
      continue;
    }
    seen.add(id);
    const number = Number(/(\d+)$/.exec(id)?.[1] ?? Number.NaN);
    if (number < highest) reordered.push(id);
    if (number > highest) highest = number;
  }
  const withoutId = messages.filter((message) => message.externalIds.length === 0).length;
  return {
    dialog: chat.externalId,
    chatId: chat.id,
    received: messages.length,
    distinct: seen.size,
    duplicates,
    reordered,
    withoutId,
    sessions: chat.sessions.length,
  };
}
