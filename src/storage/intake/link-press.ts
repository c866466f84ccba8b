import type { Queryable } from '../postgres/database.service.js';
import { findLinks, keepArrivals, pressKey, type KeptPress, type PressedLink } from '../crm/pressed-links.js';
import type { LinkedChat } from './chat-linking.js';
import type { ClientUpdateRow } from './intake.rows.js';
import { isTrackerCode, START } from './start-press.js';

/** A press of Start that a link led to, and no code of the CRM's own tracker. */
type LinkPress = ClientUpdateRow & { said: { source: string } };

export function isLinkPress(update: ClientUpdateRow): update is LinkPress {
  const { said } = update;
  return said?.kind === START && said.source !== undefined && !isTrackerCode(said.source) && !said.ignored;
}

/**
 * The updates with links of ours called by their names; the answer finds the link of an update. Asks nothing of the
 * database when nobody came by a link.
 */
export async function nameLinks(
  connection: Queryable,
  updates: ClientUpdateRow[],
): Promise<{ updates: ClientUpdateRow[]; linkOf: (update: ClientUpdateRow) => PressedLink | undefined }> {
  const presses = updates.filter(isLinkPress).map(pressOf);
  if (presses.length === 0) return { updates, linkOf: () => undefined };
  const links = await findLinks(connection, presses);
  const linkOf = (update: ClientUpdateRow) => (isLinkPress(update) ? links.get(pressKey(pressOf(update))) : undefined);
  return { updates: updates.map((update) => named(update, linkOf(update))), linkOf };
}

/** An update whose words are relayed by a new message. */
export interface KeptUpdate {
  update: ClientUpdateRow;
  chat: LinkedChat;
  messageId: bigint;
}

/** To be called in the transaction that keeps the updates, when their chats and lanes are locked. */
export async function keepLinkPresses(connection: Queryable, kept: KeptUpdate[]): Promise<void> {
  const presses = kept.flatMap(({ update, chat, messageId }): KeptPress[] =>
    isLinkPress(update)
      ? [{ ...pressOf(update), chatId: chat.id, messageId, isPrivate: update.chat?.type === 'private' }]
      : [],
  );
  await keepArrivals(connection, presses);
}

function pressOf({ botId, said }: LinkPress) {
  return { botId, payload: said.source };
}

function named(update: ClientUpdateRow, link: PressedLink | undefined): ClientUpdateRow {
  const { said } = update;
  if (!link || !said || said.source === undefined || said.sourceAt === undefined) return update;
  const end = said.sourceAt + said.source.length;
  return {
    ...update,
    said: { ...said, text: `${said.text.slice(0, said.sourceAt)}${link.name}${said.text.slice(end)}` },
  };
}
