/** Longest part of a user name that comes from the portal's: with the number and `_bot` it has 32 characters at most. */
const LABEL_LENGTH = 24;
/** Code points of a bot's name. */
const NAME_LENGTH = 64;
/** How no user name may begin (tdlib/td, td/telegram/misc.cpp, is_allowed_username); the first character is a letter. */
const NOT_ALLOWED = /^(?:[^a-z]|admin|telegram|support|security|settings|contacts|service|telegraph)/;

/**
 * What is suggested for a new bot of a portal; both may be changed in Telegram. The number makes it likely that nobody
 * has the user name, and keeps two suggestions apart.
 *
 * @param portal host, with a port or not
 * @param number from 0 to 999
 */
export function suggestBot(
  portal: string,
  lineName: string | null,
  number: number,
): { name: string; username: string } {
  const [label = ''] = portal.split('.');
  const plain = label
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '_')
    .replaceAll(/^_+|_+$/g, '');
  const allowed = NOT_ALLOWED.test(plain) || plain === '' ? `b24_${plain}` : plain;
  const stem = allowed.slice(0, LABEL_LENGTH).replace(/_+$/, '');
  const name = lineName ?? (label === '' ? stem : label);
  return {
    name: [...name.trim()].slice(0, NAME_LENGTH).join('').trim() || stem,
    username: `${stem}_${String(number).padStart(3, '0')}_bot`,
  };
}
