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

/** The words and what is known of them, on their way in from either network. */
export interface Said extends StoredWords {
  marks: Mark[];
}

/** A Telegram chat as the update shows it, with the identifiers that Bitrix24 will know it by. */
export type TelegramChat = StoredChat;

/** A Telegram update, parsed. `chat` null: nothing a chat could hold (recorded all the same when `said` is set). */
export interface ClientUpdate extends ClientUpdateRow {
  said: Said | null;
}

/** An operator's message from ONIMCONNECTORMESSAGEADD, parsed. */
export interface OperatorMessage extends OperatorMessageRow {
  said: Said;
}

/** An operator's edit (ONIMCONNECTORMESSAGEUPDATE) or deletion (ONIMCONNECTORMESSAGEDELETE), parsed. */
export interface OperatorChange extends OperatorChangeRow {
  words: { text: string; marks: Mark[] } | null;
}
