import type {
  ClientUpdateRow,
  OperatorChangeRow,
  OperatorMessageRow,
  StoredChat,
  StoredWords,
} from '../storage/intake/intake.rows.js';
import type { Mark } from './rich-text.js';

/** Client → operator is inbound, operator → client is outbound. */
export type Direction = 'inbound' | 'outbound';

/** Why a message is kept but goes nowhere; shown as its `error`. */
export type Ignored = NonNullable<StoredWords['ignored']>;

/** What was said, and what is known about it, on its way in from either network. */
export interface Said extends StoredWords {
  marks: Mark[];
}

/** A Telegram chat as the update shows it, with the identifiers that Bitrix24 will know it by. */
export type TelegramChat = StoredChat;

/** A parsed Telegram update. `chat` null: it belongs to no chat (and is recorded all the same when `said` is set). */
export interface ClientUpdate extends ClientUpdateRow {
  said: Said | null;
}

/** A parsed operator's message (ONIMCONNECTORMESSAGEADD). */
export interface OperatorMessage extends OperatorMessageRow {
  said: Said;
}

/** A parsed edit (ONIMCONNECTORMESSAGEUPDATE) or deletion (ONIMCONNECTORMESSAGEDELETE) by an operator. */
export interface OperatorChange extends OperatorChangeRow {
  words: { text: string; marks: Mark[] } | null;
}
