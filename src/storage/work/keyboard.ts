import { randomBytes } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { jsonb } from '../postgres/json.js';

/** Colours that buttons may have (core.telegram.org/bots/api#inlinekeyboardbutton, `style`): blue, green, red. */
export type ButtonStyle = 'primary' | 'success' | 'danger';

/** What a press does: tells us, opens an address, or copies words that the client may then send or call. */
export type Button = { text: string; style?: ButtonStyle } & (
  | {
      action: 'send';
      /** What the press means to whoever asked; it is kept here and never sent to Telegram. */
      value: string;
      /** Given when the message is stored; see {@link makeButtonId}. */
      id?: string;
    }
  | { action: 'open'; url: string }
  | { action: 'copy'; value: string }
  /** Ends advertising for this client. It stays when the others are used or replaced, and works as long as it is seen. */
  | { action: 'unsubscribe' }
);

/** Rows of buttons under a message. One press uses them up, except the lasting ones: a question is answered once. */
export interface ButtonKeyboard {
  type: 'buttons';
  rows: Button[][];
  /** ISO 8601: a press after that comes too late. */
  expiresAt?: string;
  /** Id of the session that the presses rate: their values are `1` and `0`, and go to the portal as they are. */
  rates?: string;
}

/** A button in the place of the client's keyboard, by which they share their own number; in private chats only. */
export interface PhoneKeyboard {
  type: 'phone';
  /** What stands on the button; absent: in the client's language. */
  text?: string;
  /** What the client reads when the number has come; absent: in their language. */
  thanks?: string;
  /** Given when the message is stored. */
  id?: string;
}

/** Takes a {@link PhoneKeyboard} away. */
export interface NoKeyboard {
  type: 'none';
}

/**
 * What stands under a message to a client: set as `keyboard` of whatever is said, by an operator's BBCode, a robot, a
 * broadcast or a line's welcome. A newer keyboard of buttons takes an older one away.
 */
export type Keyboard = ButtonKeyboard | PhoneKeyboard | NoKeyboard;

/** Begins every id, so that a press of a button that is forgotten by now is known as one of ours. */
const ID_PREFIX = 'k:';
const BUTTON_ID = /^k:[\w-]{22}$/;

/** callback_data of {@link Button} `unsubscribe`: it means the same under any message, also under one that is forgotten. */
export const UNSUBSCRIBE_DATA = `${ID_PREFIX}unsubscribe`;

/** Stays under its message when the other buttons go. */
export function isLasting({ action }: Button): boolean {
  return action === 'unsubscribe';
}

/** Something in it is there for one answer only. */
export function isQuestion(keyboard: Keyboard | null): boolean {
  return keyboard?.type === 'buttons' && !keyboard.rows.flat().every(isLasting);
}

/** callback_data of a button: 128 random bits, 24 of the 64 bytes that Telegram allows. */
export function makeButtonId(): string {
  return `${ID_PREFIX}${randomBytes(16).toString('base64url')}`;
}

export function isButtonId(data: string): boolean {
  return BUTTON_ID.test(data);
}

/** The keyboard with an id for each button whose press is answered. */
export function withButtonIds(keyboard: Keyboard): Keyboard {
  if (keyboard.type === 'none') return keyboard;
  if (keyboard.type === 'phone') return { ...keyboard, id: makeButtonId() };
  const rows = keyboard.rows.map((row) =>
    row.map((button) => (button.action === 'send' ? { ...button, id: makeButtonId() } : button)),
  );
  return { ...keyboard, rows };
}

/** Whether readers see no difference. */
export function looksTheSame(one: Keyboard | null, other: Keyboard | null): boolean {
  return isDeepStrictEqual(withoutIds(one), withoutIds(other));
}

function withoutIds(keyboard: Keyboard | null): unknown {
  return JSON.parse(jsonb(keyboard), (key, value: unknown) => (key === 'id' ? undefined : value));
}
