import type { PressedLink } from '../crm/pressed-links.js';
import type { Queryable } from '../postgres/database.service.js';
import { buttonSubject, noteClientWords, noteTriggerEvents, type NewTriggerEvent } from '../work/trigger-events.js';
import type { Heeded } from './button-presses.js';
import type { LinkedChat } from './chat-linking.js';
import type { ClientUpdateRow } from './intake.rows.js';
import { isLinkPress, type KeptUpdate } from './link-press.js';
import { START } from './start-press.js';

/** Kind of the messages that are the press of a button which is none of ours. */
const FOREIGN_PRESS = 'callback';

interface Heard {
  fresh: ClientUpdateRow[];
  chatOf: (update: ClientUpdateRow) => LinkedChat | null;
  linkOf: (update: ClientUpdateRow) => PressedLink | undefined;
  presses: ReadonlyMap<ClientUpdateRow, Heeded>;
}

/**
 * Keeps what these updates mean to triggers. To be called in the transaction that keeps the updates, when their chats and
 * lanes are locked. Asks nothing of the database where no portal wants triggers.
 */
export async function tellTriggers(
  connection: Queryable,
  kept: KeptUpdate[],
  { fresh, chatOf, linkOf, presses }: Heard,
): Promise<void> {
  const words: Parameters<typeof noteClientWords>[1] = [];
  const events: NewTriggerEvent[] = [];
  const add = (chat: LinkedChat, event: NewTriggerEvent['event'], subjects: string[] = []) => {
    for (const subject of new Set(['', ...subjects])) {
      events.push({ portalId: chat.portal_id!, chatId: chat.id, event, subject });
    }
  };
  for (const { update, chat, messageId } of kept) {
    if (!chat.listens) continue;
    const { said } = update;
    const button = presses.get(update)?.pressed;
    if (button) add(chat, 'pressed', [buttonSubject(button.text), buttonSubject(button.value)]);
    else if (said?.kind === FOREIGN_PRESS) add(chat, 'pressed');
    else if (isLinkPress(update)) add(chat, 'came', subjectsOf(linkOf(update)));
    else if (!said?.systemLine && !update.press && said?.kind !== START) {
      words.push({ messageId, chatId: chat.id, portalId: chat.portal_id! });
    }
  }
  for (const update of fresh) {
    const chat = update.blocked === true && update.chat?.type === 'private' ? chatOf(update) : null;
    if (chat?.listens && !chat.was_blocked && !chat.banned) add(chat, 'blocked');
  }
  await noteClientWords(connection, words);
  await noteTriggerEvents(connection, events);
}

const subjectsOf = (link: PressedLink | undefined) => (link ? [String(link.id)] : []);
