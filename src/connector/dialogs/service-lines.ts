import type { ClaimedDelivery, ClaimedLane } from '../../storage/work/claimed-lane.js';
import { isOwnWords } from '../../storage/work/own-words.js';

/**
 * Lines of the service — reactions, memberships, notes — are nobody's words, and yet Bitrix24 takes a message of author
 * 0 for the client's: it opens a session, and keeps one from being closed (yuliai/bitrix-modules,
 * imopenlines/lib/connector.php, addMessage; session/update.php). So such a line goes along with words of the client,
 * or past the sessions, or waits.
 */
export function isLine({ kind, message }: ClaimedDelivery): boolean {
  return kind === 'note' || (kind === 'message' && (message.systemLine || message.canWait));
}

/** An operator must read it at once: the client did not get what they were told, or a file of the client is missing. */
export function isUrgent({ kind, payload }: ClaimedDelivery): boolean {
  return kind === 'note' && !isOwnWords(payload?.code);
}

/**
 * It may go past the connector, where a line has no id by which it could be found and no files: not what the owner of a
 * Business account wrote, which they may edit, nor a press of Start, which is the client's.
 */
export function mayGoAside({ kind, message }: ClaimedDelivery): boolean {
  if (kind === 'note') return true;
  const mirrored = message.telegramMessageIds.length > 0 && message.kind !== 'service';
  return message.systemLine && !mirrored && message.attachments.length === 0;
}

/**
 * What goes next in one request of a lane that holds words of the client: up to a change of a message, which is a
 * request of its own, and up to the first message with files, which the portal fetches while we wait. Where no session
 * is known to be open, the client's words go first and open it. A rating opens none and would be lost behind a line, so
 * lines do not go with one. Empty: nothing but lines.
 */
export function nextRun({ chat, deliveries }: Pick<ClaimedLane, 'chat' | 'deliveries'>): ClaimedDelivery[] {
  const change = deliveries.findIndex(isChange);
  const said = change === -1 ? deliveries : deliveries.slice(0, change);
  const words = said.filter((delivery) => !isLine(delivery));
  if (words.length === 0) return change === -1 ? [] : [deliveries[change]!];
  if (words.some(isRating)) return upToFiles(words);
  if (chat.dialogOpen === true) return upToFiles(said);
  const [first] = words;
  return upToFiles([first!, ...said.filter((delivery) => delivery !== first)]);
}

function isChange({ kind }: ClaimedDelivery): boolean {
  return kind === 'edit' || kind === 'delete';
}

function upToFiles(deliveries: ClaimedDelivery[]): ClaimedDelivery[] {
  const files = deliveries.findIndex(({ message, kind }) => kind === 'message' && message.attachments.length > 0);
  return files === -1 ? deliveries : deliveries.slice(0, files + 1);
}

/** While a rating is waited for, these texts are one (imopenlines/lib/connector.php, addMessage). */
function isRating({ message }: ClaimedDelivery): boolean {
  return /^[01](?: |\s*$)/.test(message.text);
}
