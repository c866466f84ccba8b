import type { Language } from '../../common/language.js';
import { START, isTrackerCode } from '../../storage/intake/start-press.js';
import type { StoredWords } from '../../storage/intake/intake.rows.js';
import type { TelegramChat } from '../../relay/message.js';
import { asText, type JsonObject } from '../../common/json-fields.js';
import { MESSAGE_LABELS } from './labels-by-language.js';
import { named, withDetails } from './message-wording.js';

/** A press of the button START, which sends `/start` in the client's name. */
export interface StartPress {
  /** What a link to the bot carried: `t.me/<bot>?start=<payload>`, or `?startgroup=<payload>`. */
  payload?: string;
  /** The owner of a Telegram Business account presses "Manage bot" in a chat: whose, by Telegram's user id. */
  businessChat?: string;
}

/**
 * `/start` alone or with a payload (core.telegram.org/bots/features#deep-linking); in groups with the bot's name, sent
 * once it was added (tdlib/td, MessagesManager::send_bot_start_message). `startattach` and `startapp` send no message.
 */
const PRESS = /^\/start(?:@\w+)?(?: ([\w-]{1,64}))?$/;
/** core.telegram.org/bots/features#bots-for-business */
const BUSINESS_CHAT = /^bizChat(\d+)$/;

/**
 * Null: somebody's words. Nobody pressed what was forwarded, nor what was written to a Business account or a channel.
 *
 * @param message as it came first: an edit is no press
 */
export function readStartPress(message: JsonObject, { type, businessConnection }: TelegramChat): StartPress | null {
  if (message.forward_origin !== undefined || message.forward_date !== undefined) return null;
  if (businessConnection !== undefined || type === 'direct_messages') return null;
  const found = PRESS.exec(asText(message.text).trim());
  if (!found) return null;
  const [, payload] = found;
  const businessChat = payload && BUSINESS_CHAT.exec(payload)?.[1];
  return businessChat ? { businessChat } : { payload };
}

/** The source that the link names; a code of the CRM tracker names a deal and is none. */
export function sourceOf({ payload }: StartPress): string | undefined {
  return payload !== undefined && isTrackerCode(payload) ? undefined : payload;
}

/**
 * What operators read of it. Nobody said it in words; but whoever followed a link is there because of it, so that is
 * told at once, in the client's name, and the press alone waits for their first words.
 *
 * @param name who pressed it, where the client is a group
 */
export function describeStartPress(
  { payload, businessChat }: StartPress,
  name: string | undefined,
  language: Language,
): Pick<StoredWords, 'kind' | 'text' | 'systemLine' | 'canWait' | 'source' | 'sourceAt'> {
  const labels = MESSAGE_LABELS[language];
  const waiting = { systemLine: true, canWait: true } as const;
  if (businessChat) return { kind: 'service', text: named(labels.openedByOwner, businessChat), ...waiting };
  const [pressed, cameBy] =
    name === undefined ? [labels.startPressed, labels.cameByLink] : [labels.botStarted, labels.addedByLink];
  const head = named(payload === undefined ? pressed : cameBy, payload ?? '');
  const text = withDetails(head, name ?? '');
  // The payload ends what is said of it.
  return {
    kind: START,
    text,
    ...(payload === undefined ? waiting : { source: payload, sourceAt: head.length - payload.length }),
  };
}
