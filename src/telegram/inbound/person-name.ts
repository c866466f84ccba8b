import { fullName } from '../../common/full-name.js';
import { isBlank } from '../../relay/rich-text.js';
import { asObject, asText } from '../../common/json-fields.js';

/** What Telegram tells of a User: names as they are seen. */
export interface PersonNames {
  first: string;
  last: string;
  /** Without the @. */
  username: string;
}

/** Names of a User, or of a Chat of one person; any JSON may be passed. '' where there is nothing to see. */
export function namesOf(person: unknown): PersonNames {
  const { first_name: first, last_name: last, username } = asObject(person);
  return { first: visible(first), last: visible(last), username: asText(username) };
}

/** How the person is called; `@username` when the names show nothing, '' when that is missing, too. */
export function personName(person: unknown): string {
  const { first, last, username } = namesOf(person);
  return fullName(first, last) || (username && `@${username}`);
}

/** How a Chat is called: by its title, or by the name of its one person. */
export function chatName(chat: unknown): string {
  return visible(asObject(chat).title) || personName(chat);
}

/** '' for text of which nobody sees anything: some people name themselves with fillers and blanks (U+3164, U+115F). */
export function visible(text: unknown): string {
  const trimmed = asText(text).trim();
  return isBlank(trimmed) ? '' : trimmed;
}
